"""The page to hand in: whole, as the app writes it, and with nothing in it that a reader wrote as anything but text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.opening_helpers import Own
from tests.run_helpers import tiny
from vae_core.captions import nats
from vae_core.handin import LONGEST, NAME, hand_in
from vae_core.handin.facts import with_error
from vae_core.opening.door import Files, open_model
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
        assert page.facts[label] == (str(rows[-1][name]) if name == "active_units" else nats(rows[-1][name])), label
    assert page.facts["A model that ignores z"] == nats(rows[0]["baseline"]) == "\u221227.2"
    assert {row[2] for row in page.rows if row[0] in ("ELBO", "KL")} == {"nats per image"}
    (listed,) = [text for text in page.texts["p"] if text.startswith("KL of each latent")]
    assert listed.endswith(f" in nats: {', '.join(map(nats, rows[-1]['kl_per_dimension']))}.")


def test_what_rounds_to_zero_is_zero_and_an_error_gives_the_digits(tmp_path: Path) -> None:
    run = RunStore(tmp_path).create(tiny(), "mine")
    small = {"kl": 5.21163e-05, "mutual_information": -0.001, "kl_per_dimension": [-1e-7, 3e-6], "active_units": 0}
    error = {"nll": 22.514, "nll_standard_error": 0.03, "decoder_response": 5e-05, "collapsed_fraction": 1.0}
    Log(run.path / "metrics.jsonl").append(ANNEALED.rows("test")[-1] | small | error)
    text = hand_in(run, "")
    page = Page(text)
    told = ("KL", "Mutual information, I(x; z)", "Response of the decoder", "NLL, −ln p(x)", "(ε, δ)-collapsed latents")
    assert [page.facts[name] for name in told] == ["0.00", "0.00", "0.00", "22.51 ± 0.03", "2"]
    assert "KL of each latent, from the first to the last, in nats: 0.00, 0.00." in page.texts["p"]
    assert not re.search(r"\d[eE][-+\u2212]?\d", " ".join(cell for row in page.rows for cell in row))
    assert "\u22120.00" not in text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-23.8134, 0.0456, "\u221223.81 ± 0.05"),
        (-1234.56, 12.3, "\u22121,234.6 ± 12.3"),
        (-0.0004, 0.0, "0.00 ± 0.00"),
        (7.25, float("nan"), "7.2"),
        (float("nan"), 1.0, "–"),
    ],
)
def test_a_number_and_its_error_end_at_the_same_digit(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


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
    assert '<section class="code">' not in other
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


def test_the_head_has_the_name_of_who_hands_it_in_on_a_line() -> None:
    text = hand_in(ANNEALED, "", " <i>Ada</i>\nLove\u2028lace\x00 " + "x" * NAME)
    page = Page(text)
    assert [tag for tag, attrs in page.tags if attrs.get("class") == "by"] == ["p"]
    assert page.texts["p"][0] == ("<i>Ada</i> Love lace " + "x" * NAME)[:NAME]
    assert "i" not in {tag for tag, _ in page.tags}
    assert 'class="by"' not in hand_in(ANNEALED, "", " \n")


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
