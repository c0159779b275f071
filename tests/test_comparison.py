"""Comparison: what may be ranked, what was different, the page that shows it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from tests.page_helpers import html, open_page, said
from tests.run_helpers import tiny
from vae_core.captions import apart
from vae_core.comparison import Entrant, differences, obstacles, protocol, ranking
from vae_core.config import RunConfig
from vae_core.datasets import Digits, FashionMnist, Mnist
from vae_core.likelihoods import Bernoulli, Binomial, Gaussian
from vae_core.nets import Mlp
from vae_core.palette import PALETTES
from vae_core.plots import INNER, LABEL, LETTER, _apart, curves, rate_distortion
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.schedules import Warmup


@pytest.fixture
def pages(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The store of the pages."""
    monkeypatch.setenv("VAE_RUNS", str(store.root))
    return store


def entrant(title: str, elbo: float = -24.0, count: int = 297, **config: Any) -> Entrant:
    """A run with an ELBO."""
    return Entrant(title, RunConfig(**config), {"elbo": elbo, "count": count})


def test_the_one_with_the_highest_elbo_is_ahead_by_the_difference() -> None:
    told = ranking([entrant("low", -27.2), entrant("best", -23.5, seed=3), entrant("mid", -24.0)])
    assert told == "best is ahead by 0.50 nats: ELBO −23.5, and mid −24.0."
    assert "level: 0.10 nats" in ranking([entrant("a", -23.5), entrant("b", -23.6)])
    assert "no two ELBOs" in ranking([entrant("a", -23.5), entrant("b", math.nan)])
    assert "second run" in ranking([entrant("a")])


def test_the_difference_is_that_of_the_elbos_as_they_are_printed() -> None:
    told = ranking([entrant("low", -27.23), entrant("best", -23.57)])
    assert told == "best is ahead by 3.6 nats: ELBO −23.6, and low −27.2."


def test_a_run_before_its_last_step_is_named_and_not_ranked() -> None:
    ended = [entrant("best", -23.5), entrant("low", -27.2)]
    stopped = Entrant("stopped", RunConfig(), {"elbo": -20.0, "count": 297, "step": 1})
    assert ranking([*ended, stopped]) == f"{ranking(ended)} Unfinished, so not ranked: stopped (1 of 1,500 steps)."
    assert ranking([ended[0], stopped]) == (
        "There are no two finished runs to compare yet. Unfinished, so not ranked: stopped (1 of 1,500 steps)."
    )
    assert not Entrant("over", RunConfig(), {"elbo": -20.0, "step": 1500}).unfinished
    assert Entrant("text", RunConfig(), {"elbo": -20.0, "step": "1e2"}).unfinished == "100 of 1,500 steps"


@pytest.mark.parametrize("bad", [(math.nan, math.nan), (math.inf, -20.0), (3.0, -math.inf)])
def test_a_run_that_diverged_is_not_in_the_plane(bad: tuple[float, float]) -> None:
    good = (3.6, -20.0)
    for runs in ({"bad": bad, "good": good}, {"good": good, "bad": bad}, {"bad": bad}):
        drawn = rate_distortion(runs, "light").to_dict()
        names = [name for trace in drawn["data"] if trace["mode"] == "markers" for name in trace["text"]]
        assert names == [name for name in runs if name == "good"]


@pytest.mark.parametrize(
    ("other", "differ"),
    [
        ({"dataset": Mnist()}, {"Data"}),
        ({"likelihood": Bernoulli(binarise="threshold")}, {"Binarise"}),
        ({"likelihood": Bernoulli(binarise="never")}, {"Binarise"}),
        ({"likelihood": Gaussian()}, {"Likelihood", "Binarise"}),
        ({"likelihood": Binomial()}, {"Likelihood", "Binarise", "Trials"}),
        ({"count": 100}, {"Test images"}),
    ],
)
def test_runs_of_another_protocol_are_not_ranked_and_it_is_said_why(other: dict[str, Any], differ: set[str]) -> None:
    pair = [entrant("one"), entrant("two", -20.0, **other)]
    assert {sentence.partition(":")[0] for sentence in obstacles(pair)} == differ
    assert "cannot be ranked" in ranking(pair)
    assert "ahead" not in ranking(pair)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 5, "latent": 3, "net": Mlp(activation="tanh"), "beta": Warmup(), "steps": 10},
        {"dataset": Digits()},
    ],
)
def test_models_and_training_may_differ(other: dict[str, Any]) -> None:
    assert not obstacles([entrant("one"), entrant("two", **other)])


def test_the_noise_of_a_gaussian_and_the_size_of_the_training_set_are_no_obstacle() -> None:
    one, other = (
        {"likelihood": Gaussian(sigma=sigma), "dataset": Mnist(train_size=n)} for sigma, n in ((0.1, 0), (0.5, 500))
    )
    assert not obstacles([entrant("one", **one), entrant("two", **other)])
    assert obstacles([entrant("one", dataset=Mnist()), entrant("two", dataset=FashionMnist())])


def test_every_field_that_decides_what_x_is_belongs_to_the_protocol() -> None:
    assert protocol(entrant("a", likelihood=Binomial(trials=4)))["trials"] == "4"
    assert protocol(entrant("a"))["binarise"] == "stochastic"


def test_differences_are_the_settings_that_are_not_the_same() -> None:
    one, other = RunConfig(), RunConfig(beta=Warmup(steps=300), seed=1, log_every=3)
    assert dict(differences([one, other])) == {
        "beta.kind": ("constant", "warmup"), "beta.value": ("1.0", "–"), "beta.steps": ("–", "300"),
        "beta.start": ("–", "0.0"), "beta.target": ("–", "1.0"), "seed": ("0", "1"),
    }  # fmt: skip
    assert differences([one, one, RunConfig()]) == []


@pytest.mark.parametrize("theme", PALETTES)
def test_curves_are_the_points_in_the_colour_of_their_quantity(theme: Any) -> None:
    lines = {"a <b>run</b>": [(0, -99.0), (50, -25.0), (100, -24.0)], "other": [(0, -99.0), (100, -24.1)]}
    figure = curves(lines, "elbo", theme).to_dict()
    for trace, points in zip(figure["data"], lines.values(), strict=True):
        assert list(zip(trace["x"], trace["y"], strict=True)) == points
        assert trace["line"]["color"] == PALETTES[theme].ink
    assert figure["data"][0]["line"]["dash"] != figure["data"][1]["line"]["dash"]
    low, high = figure["layout"]["yaxis"]["range"]
    assert -26 < low < -25 < -24 < high  # the untrained first step does not squeeze the rest
    names = figure["layout"]["annotations"]
    assert [name["text"] for name in names] == ["a &lt;b&gt;run&lt;/b&gt;", "other", "↓ to −99.0"]
    assert curves({}, "kl", theme).to_dict()["data"] == []


def test_names_beside_lines_do_not_touch_and_keep_their_order() -> None:
    placed = _apart([50.0, 52.0, 10.0, 51.0])
    assert placed[2] == 10
    assert placed[0] < placed[3] < placed[1]
    assert min(b - a for a, b in pairwise(sorted(placed))) >= LABEL
    crowded = _apart([310.0, 312.0, 311.0])
    assert crowded[0] < crowded[2] < crowded[1] <= INNER - LABEL / 2
    assert min(b - a for a, b in pairwise(sorted(crowded))) >= LABEL


def test_a_fall_before_beta_rises_does_not_press_the_curves_flat() -> None:
    delayed = [(0, -40.0), *((step, -230.0) for step in range(50, 301, 50)), (375, -24.0), (1500, -23.8)]
    figure = curves({"a name of some length": [(0, -40.0), (1500, -27.2)], "delayed": delayed}, "elbo", "light")
    low, high = figure.layout.yaxis.range
    assert -29 < low < -27.2
    assert -23.8 < high < -23
    assert figure.layout.margin.r >= LETTER * len("a name of some length")


def test_a_name_leaves_room_for_a_point_beside_its_own() -> None:
    runs = {
        "one": (2.18, -22.7),
        "two": (2.33, -22.7),
        "far": (5.0, -20.0),
        "empty": (0.0, -27.2),
        "as empty": (0.01, -27.2),
    }
    sides = {note.text: note.xanchor for note in rate_distortion(runs, "light").layout.annotations}
    assert (sides["one"], sides["two"], sides["far"], sides["empty"]) == ("right", "left", "right", "left")


@pytest.mark.parametrize("runs", [{"a": (0.0, -55.0), "b": (0.0, -55.0)}, {"a": (3.0, -20.0)}, {"a": (0.0, -205.9)}])
def test_some_dotted_line_says_what_it_is(runs: dict[str, tuple[float, float]]) -> None:
    notes = [note.text for note in rate_distortion(runs, "light").layout.annotations]
    assert any(note.startswith("ELBO ") for note in notes)


def test_on_a_dotted_line_the_elbo_is_what_it_says() -> None:
    figure = rate_distortion({"one": (3.6, -20.0), "two": (0.0, -27.2)}, "light").to_dict()
    *lines, runs = figure["data"]
    assert (list(runs["x"]), list(runs["y"])) == ([3.6, 0.0], [20.0, 27.2])
    assert len(lines) >= 3
    for line in lines:
        totals = [x + y for x, y in zip(line["x"], line["y"], strict=True)]
        assert totals[0] == pytest.approx(totals[1])
    said_elbos = {
        float(note["text"].removeprefix("ELBO ").replace("−", "-"))
        for note in figure["layout"]["annotations"]
        if note["text"].startswith("ELBO")
    }
    assert said_elbos <= {-round(line["y"][0], 6) for line in lines}
    assert said_elbos
    assert {"one", "two"} < {note["text"] for note in figure["layout"]["annotations"]}
    assert not rate_distortion({}, "dark").to_dict()["data"][-1]["text"]


def test_the_page_compares_the_shipped_pair(pages: RunStore) -> None:
    app = open_page("compare")
    assert not app.exception
    rows = {name: Run(ASSETS / name).rows("test")[-1] for name in ("digits-annealed", "digits-collapsed")}
    ahead = apart(rows["digits-annealed"]["elbo"], rows["digits-collapsed"]["elbo"])
    assert f"digits-annealed is ahead by {ahead:.1f} nats" in html(app)
    assert "<strong>" in html(app)
    assert "beta.kind" in html(app)
    assert html(app).count("fr-strip ") == 3  # the originals once, and what comes back from each


def test_the_page_says_why_runs_cannot_be_ranked_and_what_a_wrong_name_is(pages: RunStore) -> None:
    pages.create(tiny(likelihood=Gaussian()), "grey")
    app = open_page("compare", run=["digits-z2", "grey"])
    assert "cannot be ranked" in html(app)
    assert "Likelihood: Bernoulli for digits-z2, Gaussian for grey." in html(app)
    assert "<strong>" not in html(app)
    assert "without a picture" in said(app)
    app = open_page("compare", run=["digits-z2", "../etc"])
    assert "is not a name of a run" in app.error[0].value
    assert not app.exception


def test_a_title_of_a_user_stays_text(pages: RunStore) -> None:
    run = pages.create(tiny(), "mine")
    run.relabel(title="<img src=x onerror=alert(1)>")
    app = open_page("compare", run=["mine", "digits-z2"])
    assert "<img src=x" not in html(app)
    assert "&lt;img src=x" in html(app)
