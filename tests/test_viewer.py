"""What the run figure is given: the card, the packed rows, the recording, the stage and the one file."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from vae_core.cli import main
from vae_core.objectives import FreeBits, Iwae, Objective, Plain
from vae_core.records import number
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.spec import InputError
from vae_core.viewer import COLUMNS, MODULES, STATIC, card, pack, recording, said_of, stage, thin, to_html

PAIR = [Run(ASSETS / "digits-collapsed"), Run(ASSETS / "digits-annealed")]
OURS = [path for path in (STATIC / "run").glob("*.mjs")]


def options_in(text: str) -> dict:
    """What the page hands to its module."""
    return json.loads(re.findall(r"mountStage\(document\.body, (.+)\);", text)[0])


def test_the_card_says_what_the_figure_needs_once() -> None:
    said = card(PAIR[1])
    assert said["name"] == "digits-annealed"
    assert said["lane"] == "β rises over 750 steps"
    assert (said["steps"], said["latent"], said["state"]) == (1500, 10, "done")
    assert said["baseline"] == pytest.approx(-27.23, abs=0.01)
    assert said["schedule"][0] == [0, 0.0]
    assert said["schedule"][-1] == [1499, 1.0]
    steps = [step for step, _ in said["story"]]
    assert steps == sorted(set(steps))
    assert all(sentence for _, sentence in said["story"][2:])
    json.dumps(said, allow_nan=False)


@pytest.mark.parametrize("objective", [Plain(), FreeBits(nats=0.5), Iwae(samples=7)], ids=lambda o: o.kind)
def test_the_card_says_which_bound_is_trained_where_the_curves_do_not(tmp_path: Path, objective: Objective) -> None:
    config = PAIR[1].config.model_copy(update={"objective": objective})
    assert card(RunStore(tmp_path).create(config, "x"))["bound"] == objective.words


def test_packed_rows_hold_every_number_of_the_log() -> None:
    rows = PAIR[1].rows()
    packed = pack(rows, 10)
    assert packed.shape == (len(rows), 2 + len(COLUMNS) + 10)
    assert packed.dtype == np.dtype("<f4")
    for row, numbers in zip(rows, packed, strict=True):
        assert numbers[0] == (row["split"] == "test")
        assert numbers[1] == row["step"]
        for place, name in enumerate(COLUMNS, 2):
            assert numbers[place] == pytest.approx(number(row.get(name)), rel=1e-6, nan_ok=True)
        assert numbers[12:] == pytest.approx(row["kl_per_dimension"], rel=1e-6)


def test_no_rows_pack_to_an_empty_table() -> None:
    assert pack([], 3).shape == (0, 15)


def test_thinning_keeps_test_rows_extremes_and_the_newest() -> None:
    rows = [
        {"split": "test" if step % 100 == 0 else "train", "step": step, "elbo": float(-(step % 7))}
        for step in range(12_345)
    ]
    kept = thin(rows)
    assert len(kept) < 2_500
    assert kept[-1] == rows[-1]
    assert [row for row in kept if row["split"] == "test"] == [row for row in rows if row["split"] == "test"]
    assert {row["elbo"] for row in kept} >= {-6.0, 0.0}
    assert thin(rows[:2000]) == rows[:2000]


def test_a_recording_is_the_run_whole() -> None:
    run = PAIR[0]
    told = recording(run)
    rows = np.frombuffer(base64.b64decode(told["rows"]), "<f4").reshape(-1, told["width"])
    assert len(rows) == len(run.rows())
    assert sorted(told["frames"]) == sorted(int(p.stem) for p in (run.path / "frames").glob("????????.png"))
    assert told["inputs"].startswith("data:image/png;base64,iVBOR")


def test_two_runs_are_told_apart_in_one_sentence_and_one_is_not() -> None:
    assert said_of(PAIR) == "Same model, same data, same seed. Only β differs."
    assert said_of(PAIR[:1]) == ""


def test_the_stage_loads_only_what_is_there() -> None:
    text = stage(PAIR, "/files", {"runs": [{"base": "/api/runs/a"}], "link": "x"})
    named = re.findall(r'(?:href|from) ?=? ?"/files/([^"]+)"', text)
    assert {"run/stage.mjs", "run/figure.css", *MODULES} == set(named)
    assert all((STATIC / name).is_file() for name in named)
    assert options_in(text)["headline"].startswith("Same model")


def test_the_file_needs_nothing_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "pair.html"
    to_html(PAIR, path)
    text = path.read_text()
    loaded = re.findall(r'(?:href|src)="([^"]+)"|url\("?([^")]+)', text)
    assert loaded
    assert all("".join(address).startswith("data:") for address in loaded)
    names = json.loads(re.findall(r'<script type="importmap">(.+?)</script>', text)[0])["imports"]
    assert {name.removeprefix("er/") for name in names} == set(MODULES)
    for address in names.values():
        source = base64.b64decode(address.partition(",")[2]).decode()
        assert set(re.findall(r'from "([^"]+)"', source)) <= set(names)
    assert len(options_in(text)["runs"]) == 2
    assert len(text) < 1_000_000


def test_a_hostile_title_stays_text(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run = store.create(PAIR[0].config, "hostile")
    (run.path / "label.json").write_text(json.dumps({"title": "</script><script>alert(1)</script><b>"}))
    to_html([run], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert options_in(text)["runs"][0]["recording"]["card"]["title"].startswith("</script>")


@pytest.mark.parametrize("count", [0, 3])
def test_a_file_holds_one_run_or_two(count: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one or two"):
        to_html(PAIR[:1] * count, tmp_path / "x.html")


def test_the_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pair.html"
    command = ["export", "digits-collapsed", "digits-annealed", "--to", "html", "--out", str(out)]
    assert main([*command, "--runs", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out.strip() == str(out.resolve())
    assert "digits-annealed" in out.read_text()


def test_a_table_is_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", "digits-collapsed", "digits-annealed", "--to", "csv", "--out", str(tmp_path / "x.csv")]
    assert main([*command, "--runs", str(tmp_path / "runs")]) == 2
    assert "csv takes one" in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()


def test_the_viewer_stays_small() -> None:
    """At most 80 KB minified, D3 included: esbuild leaves 0.69 of what stripping comments and indents leaves."""
    stripped = [re.sub(r"(?m)^\s*(//.*)?", "", path.read_text()).replace("\n", "") for path in OURS]
    size = sum(len(text.encode()) for text in stripped) + (STATIC / "vendor" / "d3.mjs").stat().st_size
    assert 0.69 * size <= 80_000
