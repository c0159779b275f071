"""What a page to hand in draws: the figure of a run, the pictures, and the plane of a race."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.race_helpers import recorded_race
from tests.test_handin import Page
from vae_core.config import RunConfig
from vae_core.figure import run_figure
from vae_core.handin import hand_in, hand_in_race
from vae_core.handin.pictures import parted, pictures
from vae_core.handin.plane import BOTTOM, RIGHT, plane
from vae_core.likelihoods import Gaussian
from vae_core.palette import KL_TOP, LIGHT
from vae_core.races.heats import Heat
from vae_core.races.results import results
from vae_core.races.running import Result
from vae_core.runs import ASSETS, Run, RunStore

ANNEALED = Run(ASSETS / "digits-annealed")


def drawn(text: str, colour: str) -> np.ndarray:
    """The points of the line of a colour."""
    (path,) = re.findall(rf'<path d="M([^"]+)" fill="none" stroke="{colour}"', text)
    return np.array([[float(number) for number in point.split(",")] for point in path.split("L")])


def test_the_band_is_the_kl_and_the_lines_are_straight_maps_of_the_rows() -> None:
    text = run_figure(ANNEALED.rows(), "words")
    tests = ANNEALED.rows("test")
    upper, lower = drawn(text, LIGHT.reconstruction), drawn(text, LIGHT.ink)
    steps, reconstruction, kl = (np.array([row[name] for row in tests]) for name in ("step", "reconstruction", "kl"))
    assert np.polyfit(steps, upper[:, 0], 1, full=True)[1] == pytest.approx(0, abs=0.2)
    slope = np.polyfit(reconstruction, upper[:, 1], 1)[0]
    assert lower[:, 1] - upper[:, 1] == pytest.approx(-slope * kl, abs=0.11)
    betas = drawn(text, LIGHT.beta)
    assert betas[0, 1] == 288.0
    assert betas[-1, 1] == 254.0


def test_the_strip_ends_in_the_colours_of_the_last_row() -> None:
    text = run_figure(ANNEALED.rows(), "words")
    newest = max(ANNEALED.rows(), key=lambda row: (row["step"], row["split"] == "test"))["kl_per_dimension"]
    ends: dict[float, tuple[int, str]] = {}
    for path, colour in re.findall(r'<path d="([^"]+)" fill="(#\w+)"/>', text):
        for start, top, width in re.findall(r"M(\d+),([\d.]+)h(\d+)v", path):
            ends[float(top)] = max(ends.get(float(top), (0, "")), (int(start) + int(width), colour))
    scale = [round(min(1.0, kl / KL_TOP) * 9) for kl in newest]
    assert [colour for _, (_, colour) in sorted(ends.items())] == [LIGHT.kl_scale[stop] for stop in scale]
    assert {right for right, _ in ends.values()} == {567}


def test_rows_without_numbers_leave_gaps_and_no_trace() -> None:
    rows = ANNEALED.rows()
    broken = [row | {"elbo": "nan", "kl": "nan", "kl_per_dimension": ["nan"] * 10} for row in rows[100:]]
    text = run_figure(rows[:100] + broken, "<&>")
    assert "nan" not in text
    assert 'aria-label="&lt;&amp;&gt;"' in text
    assert run_figure(broken, "words") == ""
    assert run_figure([], "words") == ""


# The pictures


def sheets(text: str) -> list[np.ndarray]:
    """The pictures of a page."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


@pytest.mark.parametrize(("shape", "wide"), [((16, 64), 8), ((56, 224), 28), ((64, 256, 3), 32)])
def test_pictures_do_not_touch_and_grey_ones_are_ink_on_paper(
    tmp_path: Path, shape: tuple[int, ...], wide: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 200, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(io.BytesIO(parted(tmp_path / "sheet.png", 2))))
    step = wide + wide // 8
    assert sheet.shape == (2 * step, 8 * step, *shape[2:])
    tiles = sheet.reshape(2, step, 8, step, *shape[2:])
    ink = pixels if len(shape) == 3 else 255 - pixels
    assert (tiles[:, :wide, :, :wide] == ink.reshape(2, wide, 8, wide, *shape[2:])).all()
    assert (tiles[:, wide:] == 255).all()
    assert (tiles[:, :, :, wide:] == 255).all()


def test_a_run_without_pictures_that_can_be_read_has_none(tmp_path: Path) -> None:
    run = RunStore(tmp_path).create(RunConfig(), "mine")
    assert pictures([("", run)]) == ""
    (run.path / "frames").mkdir()
    for name in ("inputs.png", "00000010.png"):
        (run.path / "frames" / name).write_bytes(b"no picture")
    assert pictures([("", run)]) == ""
    sheet = (ANNEALED.path / "frames" / "inputs.png").read_bytes()
    (run.path / "frames" / "inputs.png").write_bytes(sheet)
    (run.path / "frames" / "00000010.png").write_bytes(sheet[: len(sheet) // 2])
    assert pictures([("", run)]) == ""
    Image.new("L", (50, 31)).save(run.path / "frames" / "00000010.png")
    assert pictures([("", run)]) == ""
    newest = max((ANNEALED.path / "frames").glob("????????.png"))
    shutil.copyfile(newest, run.path / "frames" / "00000010.png")
    assert "at step 10 and 1,500." in pictures([("mine", run), ("its", ANNEALED)])
    (run.path / "frames" / "00000010.png").unlink()
    assert "<p>" not in pictures([("", ANNEALED)])
    assert "<p>its</p>" in pictures([("its", ANNEALED)])
    assert pictures([("mine", run), ("its", ANNEALED)]) == pictures([("its", ANNEALED)])


# The race


@pytest.fixture
def held(tmp_path: Path) -> Heat:
    """A race of two lanes that is over."""
    return recorded_race(RunStore(tmp_path / "runs"))


def test_the_pictures_of_two_lanes_stand_side_by_side_under_their_names(held: Heat) -> None:
    left, right = held.entries()
    text = hand_in_race(held, (left, right), "")
    page = Page(text)
    assert [tag for tag, attrs in page.tags if attrs.get("class") == "pictures two"] == ["div"]
    assert {"constant 1, seed 0", "warm-up 750, seed 0"} <= set(page.texts["p"])
    assert page.texts["span"] == ["Original", "Seen", "Comes back", "Imagined from the prior"]
    inputs, _, one, other = sheets(text)
    assert inputs.shape == (18, 72)
    assert one.shape == other.shape == (27, 72)
    assert (one != other).any()
    assert len(sheets(hand_in_race(held, (left, left), ""))) == len(sheets(hand_in(left[1], ""))) == 2


def test_the_plane_of_a_race_has_each_lane_where_its_numbers_are(held: Heat) -> None:
    left, right = held.entries()
    text = hand_in_race(held, (left, right), "")
    (drawing,) = re.findall(r'<div class="plane">\n(<svg.*</svg>)', text, re.DOTALL)
    dots = [tuple(map(float, dot)) for dot in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawing)]
    found = {result.lane: result for result in results(held)}
    rates = [result["kl"] for result in found.values()]
    lost = [-result["elbo"] - result["kl"] for result in found.values()]
    across, along = ticks(drawing, 'text-anchor="middle"'), ticks(drawing, 'text-anchor="end"')
    assert [np.polyval(np.polyfit(*across, 1), x) for x, _ in dots] == pytest.approx(rates, abs=0.02)
    assert [np.polyval(np.polyfit(*along, 1), y) for _, y in dots] == pytest.approx(lost, abs=0.05)
    for lane in found:
        assert re.search(rf">{lane}</text>", drawing)
    assert "ELBO \u2212" in drawing
    assert {tag for tag, _ in Page(drawing).tags} == {"svg", "g", "path", "circle", "text"}


def ticks(drawing: str, anchor: str) -> tuple[list[float], list[float]]:
    """Places and numbers along an axis, in the order of the places."""
    along = 0 if "middle" in anchor else 1
    marks = re.findall(rf'<text x="([\d.]+)" y="([\d.]+)" {anchor}>(\u2212?[\d.,]+)</text>', drawing)
    pairs = sorted((float(mark[along]) - 4.2 * along, float(mark[2].replace("\u2212", "-"))) for mark in marks)
    places, numbers = zip(*pairs, strict=True)
    return list(places), list(numbers)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_names_of_the_plane_are_text_and_stay_in_it(count: int) -> None:
    runs = {f"<b>lane {place}</b>": (place / 3, -20.0 - place) for place in range(count)}
    drawing = plane(runs, "words & <more>")
    assert 'aria-label="words &amp; &lt;more&gt;"' in drawing
    assert len(re.findall("<circle", drawing)) == count
    assert "<b>" not in drawing
    assert drawing.count("&lt;b&gt;lane") == count
    for x, y in re.findall(r'<(?:circle cx|text x)="([-\d.]+)" c?y="([-\d.]+)"', drawing):
        assert 0 <= float(x) <= RIGHT
        assert 0 <= float(y) <= BOTTOM + 40


def test_lanes_that_bound_different_things_are_in_no_plane(held: Heat, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = results(held)
    noisy = first.config.model_copy(update={"likelihood": Gaussian(sigma=0.5)})
    other = Result(first.lane, noisy, first.vae, first.numbers, first.baseline)
    monkeypatch.setattr("vae_core.handin.race.results", lambda begun: [other, second])
    left, right = held.entries()
    text = hand_in_race(held, (left, right), "")
    assert '<div class="plane">' not in text
    assert "These lanes have different likelihoods" in text


def test_no_number_of_a_race_is_a_negative_zero(held: Heat, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = results(held)
    small = first.numbers | {"mutual_information": -0.001, "kl": 5.21163e-05}
    told = [Result(first.lane, first.config, first.vae, small, first.baseline), second]
    monkeypatch.setattr("vae_core.handin.race.results", lambda begun: told)
    left, right = held.entries()
    page = Page(hand_in_race(held, (left, right), "", "Ada"))
    (row,) = [row for row in page.rows if row[0] == "constant 1, seed 0"]
    assert row[3:] == ["0.00", "0.00", "0"]
    assert page.texts["p"][0] == "Ada"
