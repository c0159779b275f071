"""The page of a race, without a browser: what is predicted and asked, and what is said when it is over."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from tests.page_helpers import button, html, labels, links, open_page, said
from tests.race_helpers import HEADLINE, RECORDED, recorded_race, without_engine
from tests.test_handin import Page
from ui.race_start import DOWNLOADS
from vae_core.captions import nats
from vae_core.cures import changed
from vae_core.handin import hand_in_race
from vae_core.presets import preset
from vae_core.python_export import python_text
from vae_core.races import RACES, Finding, Lane
from vae_core.races.heats import Heat, enter, start
from vae_core.races.results import results
from vae_core.races.running import MEASURED
from vae_core.runs import Run, RunStore
from vae_core.spec import InputError


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store; no engine serves it."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    without_engine(monkeypatch)
    return RunStore(tmp_path / "runs")


@pytest.fixture
def held(store: RunStore) -> Heat:
    """The headline's two lanes, over."""
    return recorded_race(store)


def test_a_race_begins_with_its_prediction_and_two_lanes(store: RunStore) -> None:
    app = open_page("race")
    assert HEADLINE.prediction[:60] in html(app)
    button(app, "Start the race").click().run()
    assert sorted(run.name for run in store.own()) == ["headline-constant-1-s0", "headline-warm-up-750-s0"]
    assert app.query_params["race"] == "headline"
    assert {run.status().pace for run in store.own()} == {25.0}


def test_the_address_can_choose_the_race(store: RunStore) -> None:
    app = open_page("race", kind="linear")
    assert app.radio(key="race-kind").value == "linear"
    assert RACES["linear"].prediction[:40] in html(app)
    app.radio(key="race-kind").set_value("headline").run()
    assert app.query_params["kind"] == "headline"
    assert open_page("race", kind="none").radio(key="race-kind").value == "headline"


def test_a_race_whose_data_are_not_there_leads_to_their_download(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vae_core.datasets.Mnist.ready", lambda self: False)
    app = open_page("race", kind="mnist")
    assert "Start the race" not in labels(app)
    assert links(app)["Download MNIST on the Train page"] == ("train", f"preset={DOWNLOADS}")
    assert isinstance(preset(DOWNLOADS).config.dataset, type(RACES["mnist"].lanes[0].config.dataset))


def test_who_is_asked_first_is_not_told_the_prediction(store: RunStore) -> None:
    app = open_page("race")
    assert links(app)["Ask me first"] == ("race", "ask=1")
    asked = open_page("race", ask="1")
    assert HEADLINE.prediction[:60] not in html(asked)
    assert links(asked)["Tell me at once"] == ("race", "")
    button(asked, "Start the race").click().run()
    assert asked.query_params["ask"] == "1"


def test_what_came_of_a_race_waits_for_the_readers_answer(held: Heat) -> None:
    app = open_page("race", race="headline", ask="1")
    assert "Mean ± sd over seeds" not in html(app)
    assert HEADLINE.prediction not in said(app)
    app.button_group[0].select("the right one").run()
    button(app, "Show what came of it").click().run()
    assert "You said: the right one. It came so." in said(app)
    assert "constant 1 × 1" in html(app)
    assert HEADLINE.prediction in said(app)
    wrong = open_page("race", race="headline", ask="1")
    wrong.button_group[0].select("neither").run()
    button(wrong, "Show what came of it").click().run()
    assert "You said: neither. It was the right one." in said(wrong)


def test_the_outcome_of_a_race_is_told_at_once(held: Heat) -> None:
    app = open_page("race", race="headline")
    assert not app.exception
    assert "You said" not in said(app)
    assert "constant 1 × 1" in html(app)
    never = "warm-up 100; warm-up 300; delayed; cyclical"
    assert f"These lanes have no run here: {never}. “Add a schedule” runs them." in said(app)
    assert "Show what came of it" not in labels(app)
    assert links(app)["Open the left run"] == ("watch", "run=headline-constant-1-s0")
    assert links(app)["Verdict on the right"] == ("collapse", "run=headline-warm-up-750-s0")
    assert not [label for label in links(open_page("race", race="headline", ask="1")) if "Verdict" in label]


# The page to hand in


def two(begun: Heat) -> list[tuple[str, Run]]:
    """The runs of the two lanes."""
    return [*begun.entries()]


def test_a_race_is_handed_in_with_its_lanes_numbers_prediction_and_programs(held: Heat) -> None:
    left, right = two(held)
    page = Page(hand_in_race(held, (left, right), "Only one did."))
    assert page.texts["h1"] == ["Race: Who escapes"]
    assert page.texts["h2"] == [
        "In my own words", "What was predicted, and what came of it", "Numbers", "How they came about", "Settings",
        "constant 1, seed 0: the same training in plain PyTorch",
        "warm-up 750, seed 0: the same training in plain PyTorch",
    ]  # fmt: skip
    assert page.texts["pre"] == [python_text(run) for _, run in (left, right)]
    assert HEADLINE.prediction in page.texts["p"]
    assert any("These have not: warm-up 100, warm-up 300, delayed, cyclical." in text for text in page.texts["p"])
    for (lane, _), result in zip((left, right), results(held), strict=True):
        elbo, nll, kl, information, units = next(row for row in page.rows if row[0] == f"{lane}, seed 0")[1:]
        *terms, active = (result[name] for name in MEASURED)
        assert [elbo, nll, kl, information, units] == [*map(nats, terms), str(active)]
    assert page.facts["Evidence"].startswith("ln p(x) by importance sampling with K = 100 on 297 images")
    assert page.facts["Training"].startswith("With the seeds 0, on cpu.")
    assert page.facts["warm-up 750"] == "β: Linear warm-up; Warm-up steps: 750; From β: 0; To β: 1"
    assert page.facts["Learning rate"] == "0.004"


def test_the_two_figures_of_a_race_have_the_same_axes(held: Heat) -> None:
    left, right = two(held)
    text = hand_in_race(held, (left, right), "")
    first, second = re.findall(r"<figure>.*?</figure>", text, re.DOTALL)
    ticks = [re.findall(r'text-anchor="end">(\u2212[\d.]+)<', figure) for figure in (first, second)]
    assert ticks[0] == ticks[1]
    assert len(ticks[0]) >= 3
    assert text.count("<pre>") == 2
    assert hand_in_race(held, (left, left), "").count("<figure>") == 1


def test_a_whole_race_is_handed_in_with_what_came_of_each_statement(
    held: Heat, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_lanes = dataclasses.replace(
        HEADLINE,
        lanes=tuple(lane for lane in HEADLINE.lanes if lane.name in RECORDED),
        check=lambda found: [Finding("Both <end>.", True, "2 of 2"), Finding("None does.", False, "2 of 2")],
    )
    monkeypatch.setitem(RACES, "headline", two_lanes)
    (_, run), _ = two(held)
    enter(held, [Lane("constant 1", changed(run.config, seed=1))])
    left, right, *_ = two(held)
    (second,) = (other for _, other in held.entries() if other.config.seed == 1)
    shutil.copyfile(run.path / "evaluation.json", second.path / "evaluation.json")
    shutil.copytree(run.path / "snapshots", second.path / "snapshots", dirs_exist_ok=True)
    page = Page(hand_in_race(held, (left, right), ""))
    assert ["held", "Both <end>.", "2 of 2"] in page.rows
    assert ["did not hold", "None does.", "2 of 2"] in page.rows
    means = [row for row in page.rows if row[0] == "constant 1 × 2"]
    assert len(means) == 1
    assert means[0][1].endswith(" ± 0.00")
    listed = [row[0] for row in page.rows if ", seed " in row[0]]
    assert listed == ["constant 1, seed 0", "constant 1, seed 1", "warm-up 750, seed 0"]
    assert "\u22120.00" not in str(page.rows)
    assert "Checked on 1 of 5 seeds." in page.texts["p"]
    app = open_page("race", race="headline")
    assert "Checked on 1 of 5 seeds so far." in said(app)
    marks = {element.value for element in app.markdown}
    assert ":green[:material/check_circle:] holds so far: Both <end>. :gray[2 of 2]" in marks
    assert ":red[:material/cancel:] does not hold so far: None does. :gray[2 of 2]" in marks


def test_a_race_without_a_run_that_has_ended_has_no_page_yet(store: RunStore) -> None:
    begun = start(store, "headline", [lane for lane in HEADLINE.members(1) if lane.name in RECORDED])
    left, right = two(begun)
    with pytest.raises(InputError, match="wait until one of its runs has ended"):
        hand_in_race(begun, (left, right), "")
    app = open_page("race", race="headline")
    button(app, "Hand in").click().run()
    assert "the page can be made when a run has ended" in said(app)


def test_a_race_is_handed_in_from_its_page_once_its_outcome_may_be_told(held: Heat) -> None:
    app = open_page("race", race="headline")
    button(app, "Hand in").click().run()
    assert [area.label for area in app.text_area] == ["In your own words"]
    assert "the prediction and what came of it" in said(app)
    assert "Hand in" not in labels(open_page("race", race="headline", ask="1"))
