"""The page to hand in: whole, exact, and with nothing in it that a reader wrote as anything but text."""

from __future__ import annotations

import html as markup
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.opening_helpers import Own
from tests.page_helpers import button, open_page
from tests.run_helpers import tiny
from ui import handin
from vae_core.figure import run_figure
from vae_core.handin import LONGEST, hand_in
from vae_core.opening.door import Files, open_model
from vae_core.palette import KL_TOP, LIGHT
from vae_core.python_export import python_text
from vae_core.records import Log
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.schedules import Constant
from vae_core.spec import InputError
from vae_core.training.course import Course

ANNEALED = Run(ASSETS / "digits-annealed")
WORDS = "First <b>& last</b> “words”\n\nof </p><script>alert(1)</script>\x00\ud800 mine."
ALONE = {"meta", "link", "img", "path", "circle", "br"}


class Page(HTMLParser):
    """The page as a tree is walked: it fails where a tag is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)
            if self.open[-1] in ("th", "td"):
                self.rows[-1][-1] += data

    @property
    def facts(self) -> dict[str, str]:
        """What stands behind each name; of pairs, behind each of the two."""
        return {row[place]: row[place + 1] for row in self.rows for place in range(0, len(row) - 1, 2)}


def value(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", ""))


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    text = hand_in(ANNEALED, "Mine.")
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert page.texts["h2"] == [
        "In my own words", "Numbers", "How they came about", "Settings", "The same training in plain PyTorch",
    ]  # fmt: skip
    assert "http" not in text
    assert "script" not in {tag for tag, _ in page.tags}
    addresses = [attrs[name] for _, attrs in page.tags for name in ("src", "href") if name in attrs]
    addresses += re.findall(r"url\((?!#)([^)]+)\)", text)
    assert len(addresses) == 7  # an icon, two sheets of pictures, four fonts
    assert all(address.startswith("data:") for address in addresses)
    assert len(text.encode()) < 300_000


def test_every_number_is_that_of_the_last_test_row() -> None:
    rows = ANNEALED.rows("test")
    page = Page(hand_in(ANNEALED, ""))
    expected = {
        "ELBO": "elbo", "Reconstruction, ln p(x|z)": "reconstruction", "KL": "kl",
        "Active units, Var(μ) > 0.01": "active_units", "Mutual information, I(x; z)": "mutual_information",
        "Ceiling of the mutual information, ln N": "mutual_information_ceiling",
    }  # fmt: skip
    for label, name in expected.items():
        assert value(page.facts[label]) == rows[-1][name], label
    assert value(page.facts["A model that ignores z"]) == rows[0]["baseline"]
    assert {row[2] for row in page.rows if row[0] in ("ELBO", "KL")} == {"nats per image"}
    (listed,) = [text for text in page.texts["p"] if text.startswith("KL of each latent")]
    numbers = [float(number) for number in re.findall(r"[\d.e-]+\d", listed)]
    assert numbers == pytest.approx(rows[-1]["kl_per_dimension"], rel=5e-3)


def test_protocol_and_settings_are_told() -> None:
    facts = Page(hand_in(ANNEALED, "")).facts
    assert facts["Split"].startswith("1,500 to train on, 297 held out; the numbers are means over all of those")
    assert "drawn from the grey values" in facts["Pixels"]
    assert "ln p(x) was not estimated" in facts["Evidence"]
    assert facts["β in training"] == "β rises over 750 steps"
    assert facts["Training"] == "With seed 0, on cpu with 1 thread"
    assert facts["Networks"] == "MLP; Widths: 64, 64; Activation: softplus; Gain: 0.7; Start at the mean image: yes"
    assert facts["β"] == "Linear warm-up; Warm-up steps: 750; From β: 0; To β: 1"
    plain = {"Latent dimensions": "10", "Steps": "1,500", "Batch": "64", "Learning rate": "0.004", "Seed": "0"}
    assert {name: facts[name] for name in plain} == plain
    titles = {field.title or name for name, field in type(ANNEALED.config).model_fields.items()}
    assert titles <= set(facts)


def test_the_code_is_the_program() -> None:
    page = Page(hand_in(ANNEALED, ""))
    assert "".join(page.texts["pre"]) == python_text(ANNEALED)
    other = hand_in(Run(ASSETS / "mnist-conv10"), "")
    assert "<pre>" not in other
    assert "There is none: plain PyTorch is not written for “Convolutional”" in other


def test_what_a_reader_writes_stays_text(tmp_path: Path) -> None:
    run = RunStore(tmp_path).create(tiny(), "mine")
    (run.path / "label.json").write_text(json.dumps({"title": "</title><img src=x onerror=alert(1)>"}))
    log = Log(run.path / "metrics.jsonl")
    log.append(ANNEALED.rows("test")[-1])
    text = hand_in(run, WORDS)
    page = Page(text)
    text.encode()
    assert page.texts["h1"] == page.texts["title"] == ["</title><img src=x onerror=alert(1)>"]
    assert not {"script", "b", "img"} & {tag for tag, _ in page.tags}
    assert WORDS.replace("\x00\ud800", "  ") in page.texts["p"]
    assert "svg" not in {tag for tag, _ in page.tags}  # one test is no curve
    assert "In my own words" not in hand_in(run, " \n\t")


def test_what_cannot_be_handed_in_is_refused(tmp_path: Path) -> None:
    run = RunStore(tmp_path).create(tiny(), "empty")
    with pytest.raises(InputError, match="no numbers to hand in yet in empty; wait for its first test"):
        hand_in(run, "")
    with pytest.raises(InputError, match="10,001 characters in your words; 10,000 are possible"):
        hand_in(ANNEALED, "x" * (LONGEST + 1))


def test_a_beta_that_was_set_and_an_estimate_of_the_evidence_are_told(tmp_path: Path) -> None:
    run = RunStore(tmp_path).create(tiny(), "mine")
    Course(run).change(40, Constant(value=0.5), "a")
    log = Log(run.path / "metrics.jsonl")
    log.append(ANNEALED.rows("test")[-1] | {"nll": 22.5, "samples": 500, "images": 200, "elbo": float("nan")})
    page = Page(hand_in(run, ""))
    assert page.facts["β in training"] == "β = 1 from the start; set at step 40: β = 0.5 throughout"
    assert page.facts["Evidence"] == "ln p(x) by importance sampling with K = 500 on 200 images; the NLL errs high"
    assert (page.facts["NLL, −ln p(x)"], page.facts["ELBO"]) == ("22.5", "–")
    assert "beta = 0.5 if step &gt;= 40 else beta" in hand_in(run, "")


def test_an_opened_model_has_a_page_without_a_program(tmp_path: Path) -> None:
    own = Own.make(tmp_path / "own")
    files = Files(latents=own.latents(), decoder=own.decoder(), images=own.npy(), likelihood="gaussian:0.5")
    run = open_model(files, RunStore(tmp_path / "runs"), "opened", lambda words: None)
    page = Page(hand_in(run, "Theirs."))
    assert "opened as opened on" in page.texts["p"][0]
    assert page.facts["Split"].startswith("90 held out")
    assert "β in training" not in page.facts
    assert any("an opened model is not trained here" in text for text in page.texts["p"])


# The figure


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


# The dialog


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The store of the pages."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    return RunStore(tmp_path / "runs")


def dialog(run: Run) -> AppTest:
    """The dialog as a page of its own."""

    def script(path: str) -> None:
        from pathlib import Path

        from ui.handin import Work, hand_in_dialog
        from vae_core.runs import Run

        hand_in_dialog(Work.of_run(Run(Path(path))))

    return AppTest.from_function(script, args=(str(run.path),), default_timeout=30).run()


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("page", ["watch", "latent", "walk"])
def test_every_page_with_a_run_bar_leads_to_the_dialog(page: str) -> None:
    app = open_page(page, run="digits-z2")
    button(app, "Hand in").click().run()
    assert [area.label for area in app.text_area] == ["In your own words"]


def test_the_page_has_the_words_that_were_written_and_they_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    real = handin.st.download_button

    def take(label: str, data, *arguments, **options) -> bool:
        taken.append((label, data, arguments))
        return real(label, data, *arguments, **options)

    monkeypatch.setattr(handin.st, "download_button", take)
    app = dialog(ANNEALED)
    assert not app.download_button
    app.text_area[0].set_value("What *I* think.")
    button(app, "Make the page").click().run()
    assert app.text[0].value == "What *I* think."
    label, data, (name, kind) = taken[-1]
    assert (label, name, kind) == ("Download the page", "digits-annealed-hand-in.html", "text/html")
    assert data().decode() == hand_in(ANNEALED, "What *I* think.")
    button(app, "Change the words").click().run()
    assert app.text_area[0].value == "What *I* think."
    app.text_area[0].set_value("Nothing.")
    button(app, "Make the page").click().run()
    assert "Nothing." in markup.unescape(taken[-1][1]().decode())


def test_a_run_without_numbers_has_no_page_yet(store: RunStore) -> None:
    app = dialog(store.create(tiny(), "mine"))
    assert "No numbers yet" in app.caption[0].value
    assert not app.text_area
