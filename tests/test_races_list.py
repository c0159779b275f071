"""Races as things: the list of them, their titles and their trash, and how runs lead to them. No browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.page_helpers import button, html, labels, links, open_page, said
from tests.race_helpers import HEADLINE, RECORDED, recorded_race, without_engine
from ui.race_outcome import _mean
from ui.ways import cured_run
from vae_core.config import RunConfig
from vae_core.races.heats import Heat, enter, heat, start
from vae_core.races.running import Summary
from vae_core.runs import RunStore
from vae_core.spec import InputError

TWO = [lane for lane in HEADLINE.members(1) if lane.name in RECORDED]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store; no engine serves it."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    without_engine(monkeypatch)
    return RunStore(tmp_path / "runs")


def choose(app: AppTest, name: str, act: str) -> AppTest:
    """The page after something was chosen from the menu of a race."""
    return app.menu_button(key=f"menu-race-{name}").click(act).run()


def menus(app: AppTest) -> dict[str, list[str]]:
    """What can be done to each race."""
    return {menu.label: list(menu.options) for menu in app.menu_button}


@pytest.mark.parametrize("page", ["home", "race"])
def test_each_race_is_listed_with_its_runs_state_and_age(store: RunStore, page: str) -> None:
    recorded_race(store)
    start(store, "linear", [])  # one without a run is not listed
    app = open_page(page)
    assert links(app)["Who escapes \\(headline\\)"] == ("race", "race=headline")
    assert "2 runs" in html(app)
    assert 'data-state="done"' in html(app)
    assert "just now" in html(app)
    assert not [label for label in links(app) if "linear" in label]


def test_the_newest_races_come_first_and_all_at_one_press(store: RunStore) -> None:
    for _ in range(12):
        recorded_race(store)
    app = open_page("race")
    assert len([label for label in links(app) if label.startswith("Who escapes")]) == 10
    button(app, "Show all 12 races").click().run()
    assert len([label for label in links(app) if label.startswith("Who escapes")]) == 12


def test_a_race_has_the_title_that_it_was_given(store: RunStore) -> None:
    begun = recorded_race(store)
    begun.rename("  <b>Class 3b</b>\n")
    assert heat(store, "headline").title == "<b>Class 3b</b>"
    assert "Class 3b" in "".join(links(open_page("race")))
    shown = html(open_page("race", race="headline"))
    assert "&lt;b&gt;Class 3b&lt;/b&gt;, started" in shown
    assert "<b>Class" not in shown
    enter(begun, TWO[:1])
    assert begun.title == "<b>Class 3b</b>"
    with pytest.raises(InputError, match="80 are possible"):
        begun.rename("x" * 81)
    begun.rename("")
    assert begun.title == ""


def test_a_race_is_thrown_away_whole_and_comes_back_whole(store: RunStore) -> None:
    begun = recorded_race(store)
    app = choose(open_page("race"), "headline", "Move to trash")
    assert not app.exception
    assert [run.name for _, run in begun.gone()] == [run.name for _, run in begun.members()]
    assert "Who escapes \\(headline\\)" not in links(app)
    assert "is in the trash" in html(app)
    button(app, "Undo").click().run()
    assert len(begun.entries()) == 2
    assert "Who escapes \\(headline\\)" in links(app)


def test_a_race_that_is_trained_is_not_thrown_away(store: RunStore) -> None:
    begun = recorded_race(store)
    _, run = begun.entries()[0]
    assert menus(open_page("race"))["Menu of Who escapes \\(headline\\)"] == ["Name", "Move to trash"]
    app = open_page("race")
    status = (run.path / "status.json").read_text()
    (run.path / "status.json").write_text(status.replace('"done"', '"running"'))
    with run.lock():
        assert menus(open_page("race"))["Menu of Who escapes \\(headline\\)"] == ["Name"]
        choose(app, "headline", "Move to trash")  # it was resumed since
    assert [error.value for error in app.error] == [
        "The race Who escapes \\(headline\\) is being trained; stop it first."
    ]
    assert len(begun.entries()) == 2


def test_a_lane_that_was_thrown_away_is_named_and_the_other_stands_alone(store: RunStore) -> None:
    begun = recorded_race(store)
    (_, first), (_, second) = begun.entries()
    path = store.trash(first.name)
    app = open_page("race", race="headline", left=first.name)
    assert not app.exception
    assert f"Thrown away: constant 1 ({first.name})." in said(app)
    assert [box.value for box in app.selectbox if box.label in ("Left", "Right")] == [second.name]
    assert "Which of the two" not in str(open_page("race", race="headline", ask="1"))
    store.restore(path)
    app = open_page("race", race="headline")
    assert "Thrown away" not in said(app)
    assert [box.value for box in app.selectbox if box.label in ("Left", "Right")] == [first.name, second.name]


def test_more_lanes_do_not_make_a_race_forget_what_was_thrown_away(store: RunStore) -> None:
    begun = recorded_race(store)
    (_, first), (lane, second) = begun.entries()
    path = store.trash(second.name)
    enter(begun, [one for one in HEADLINE.members(1) if one.name == "delayed"])
    assert [(name, run.name) for name, run in begun.gone()] == [(lane, second.name)]
    store.restore(path)
    assert [run.name for _, run in begun.entries()][:2] == [first.name, second.name]


def test_the_sides_of_a_race_are_in_its_address(store: RunStore) -> None:
    begun = recorded_race(store)
    (_, first), (_, second) = begun.entries()
    app = open_page("race", race="headline")
    assert [app.selectbox(key=f"{side}-headline").value for side in ("left", "right")] == [first.name, second.name]
    app.selectbox(key="left-headline").set_value(second.name).run()
    assert app.query_params["left"] == second.name
    assert open_page("race", race="headline", left=second.name).selectbox(key="left-headline").value == second.name
    assert open_page("race", race="headline", left="none").selectbox(key="left-headline").value == first.name


def test_a_run_leads_to_its_race(store: RunStore) -> None:
    _, run = recorded_race(store).entries()[0]
    assert links(open_page("watch", run=run.name))["Its race"] == ("race", "race=headline")
    assert "Its race" not in links(open_page("watch", run="digits-z2"))
    app = open_page("race", run=run.name)
    assert app.query_params == {"race": "headline"}
    assert "Who escapes (headline), started" in html(app)
    assert "Start the race" in labels(open_page("race", run="digits-z2"))
    assert links(app)["All races"] == ("race", "")


def test_a_race_that_waits_says_for_what(store: RunStore, tmp_path: Path) -> None:
    busy = store.create(RunConfig(), "busy")
    begun = start(store, "headline", TWO)
    assert "The rest waits" not in said(open_page("race", race="headline"))
    (busy.path / "status.json").write_text(f'{{"state": "running", "heartbeat": {time.time()}}}')
    waits = "until busy has ended or is stopped."
    with busy.lock():
        assert f"0 of 2 runs are done; 0% of all updates. The rest waits {waits}" in said(
            open_page("race", race="headline")
        )
        member = begun.entries()[0][1].name
        assert f"It waits {waits}" in said(open_page("watch", run=member))
    assert "HELD" not in said(open_page("watch", run="busy"))


def test_a_race_that_has_no_results_yet_tells_its_prediction_to_who_has_answered(store: RunStore) -> None:
    start(store, "headline", TWO)
    app = open_page("race", race="headline", ask="1")
    assert HEADLINE.prediction not in said(app)
    button(app, "Show what came of it").click().run()
    assert HEADLINE.prediction in said(app)
    assert "It is checked when every lane has ended. Not yet: constant 1, warm-up 750." in said(app)


@pytest.mark.parametrize(
    ("information", "kl", "text"), [(0.35, 0.33, "0.35 (noise: above KL)"), (0.331, 0.33, "0.33"), (0.3, 0.33, "0.30")]
)
def test_an_estimate_above_its_bound_is_called_noise(information: float, kl: float, text: str) -> None:
    mean: dict[str, float | None] = {"mutual_information": information, "kl": kl}
    assert _mean(Summary("lane", 1, mean, dict.fromkeys(mean)), "mutual_information") == text


def test_a_cure_that_worked_is_put_beside_what_it_cured(store: RunStore) -> None:
    ill = recorded_race(store).entries()[0][1]
    app = open_page("collapse", run=ill.name)
    (cure,) = [one for one in app.button if one.label.startswith("Start again with")]
    cure.click().run()
    (made,) = [run for run in store.own() if run.name.endswith("-cured")]
    assert made.origin == {"cure_of": ill.name}
    assert cured_run(made) == ill.name
    store.trash(ill.name)
    assert cured_run(made) == ""


def test_a_card_that_is_not_one_hides_no_other_race(store: RunStore) -> None:
    recorded_race(store)
    for name, text in (("list", "[1]"), ("odd", '{"race": "headline", "created": "x", "entries": [3]}'), ("none", "{")):
        Heat(store, name).path.write_text(text)
    app = open_page("race")
    assert not app.exception
    assert "Who escapes \\(headline\\)" in links(app)
    for name in ("list", "odd", "none"):
        app = open_page("race", race=name)
        assert not app.exception
        assert "its file cannot be read" in app.error[0].value.lower()
