"""The page of a race, without a browser: what is predicted and asked, and what is said when it is over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.page_helpers import button, html, labels, links, open_page, said
from vae_core.races import race
from vae_core.races.heats import Heat, start
from vae_core.races.results import write_evaluation
from vae_core.runs import ASSETS, RunStore

HEADLINE = race("headline")
RECORDED = {"constant 1": ASSETS / "digits-collapsed", "warm-up 750": ASSETS / "digits-annealed"}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store; no engine serves it."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("ui.race.ensure_engine", lambda store: True)
    return RunStore(tmp_path / "runs")


@pytest.fixture
def held(store: RunStore) -> Heat:
    """The headline's two lanes, which the program's own recordings ran to their end."""
    begun = start(store, "headline", [lane for lane in HEADLINE.members(1) if lane.name in RECORDED])
    for lane, run in begun.entries():
        for name in ("metrics.jsonl", "status.json"):
            shutil.copyfile(RECORDED[lane] / name, run.path / name)
        for name in ("snapshots", "frames"):
            shutil.copytree(RECORDED[lane] / name, run.path / name, dirs_exist_ok=True)
        write_evaluation(run)
    return begun


def test_a_race_begins_with_its_prediction_and_two_lanes(store: RunStore) -> None:
    app = open_page("race")
    assert HEADLINE.prediction[:60] in html(app)
    button(app, "Start the race").click().run()
    assert sorted(run.name for run in store.own()) == ["headline-constant-1-s0", "headline-warm-up-750-s0"]
    assert app.query_params["race"] == "headline"
    assert {run.status().pace for run in store.own()} == {25.0}


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
    assert "4 have not" in said(app)
    assert "Show what came of it" not in labels(app)
