"""Races as things: the list of them, their titles and their trash, and how runs lead to them. No browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.page_helpers import button, html, labels, links, open_page, said
from tests.race_helpers import HEADLINE, RECORDED, recorded_race, without_engine
from ui.contents import entry
from ui.parts import safe
from ui.ways import cured_run
from vae_core.config import RunConfig
from vae_core.races.heats import Heat, enter, heat, heat_of, heats, start
from vae_core.races.running import Summary
from vae_core.races.telling import mean_of
from vae_core.runs import RunStore
from vae_core.spec import InputError

CARD = '{{"race": "headline", {}}}'
ODD = (
    '"created": 1, "entries": [3]', '"created": 1, "entries": [["a", "../b"]]', '"created": NaN, "entries": []',
    f'"created": {"1" * 401}, "entries": []', '"entries": []',
)  # fmt: skip
TWO = [lane for lane in HEADLINE.members(1) if lane.name in RECORDED]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store; no engine serves it."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    without_engine(monkeypatch)
    return RunStore(tmp_path / "runs")


def choose(app: AppTest, name: str, act: str) -> AppTest:
    """The page after something was chosen from the menu of a race."""
    return app.menu_button(key=f"menu-race:{name}").click(act).run()


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
    shown = [label for label in links(app) if label.startswith("Who escapes")]
    order = [f"Who escapes \\(headline-{number}\\)" for number in range(12, 1, -1)]
    assert shown == [*order, "Who escapes \\(headline\\)"]
    heat(store, "headline-3").retitle("An old one")
    assert [one.name for one in heats(store)][9] == "headline-3"


def test_a_race_has_the_title_that_it_was_given(store: RunStore) -> None:
    begun = recorded_race(store)
    begun.retitle("  <b>Class 3b</b>\n")
    assert heat(store, "headline").card().title == "<b>Class 3b</b>"
    assert "Class 3b" in "".join(links(open_page("race")))
    shown = html(open_page("race", race="headline"))
    assert "&lt;b&gt;Class 3b&lt;/b&gt;, started" in shown
    assert "<b>Class" not in shown
    enter(begun, TWO[:1])
    assert begun.card().title == "<b>Class 3b</b>"
    with pytest.raises(InputError, match="80 are possible"):
        begun.retitle("x" * 81)
    begun.retitle("")
    assert begun.card().title == ""


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
    assert f"Thrown away, or not to be read: constant 1 ({first.name})." in said(app)
    assert [box.value for box in app.selectbox if box.label in ("Left", "Right")] == [second.name]
    assert "Which of the two" not in str(open_page("race", race="headline", ask="1"))
    store.restore(path)
    app = open_page("race", race="headline")
    assert "Thrown away" not in said(app)
    assert [box.value for box in app.selectbox if box.label in ("Left", "Right")] == [first.name, second.name]


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
    assert "Who escapes (headline), started" in html(app)
    assert "Start the race" in labels(open_page("race", run="digits-z2"))
    assert links(app)["All races"] == ("race", "")


def test_a_race_that_waits_says_for_what(store: RunStore, tmp_path: Path) -> None:
    busy = store.create(RunConfig(), "busy")
    busy.relabel(title="![x](http")
    begun = start(store, "headline", TWO)
    assert "Queued while" not in said(open_page("race", race="headline"))
    (busy.path / "status.json").write_text(f'{{"state": "running", "heartbeat": {time.time()}}}')
    with busy.lock():
        whole = "0 of 2 runs are done; 0% of all updates. Queued while ![x](http is trained."
        assert whole.replace("![x](http", safe("![x](http")) in said(open_page("race", race="headline"))
        member = begun.entries()[0][1].name
        assert "Queued while" in said(open_page("watch", run=member))
        assert "Queued while" not in said(open_page("watch", run="busy"))


def test_a_race_that_has_no_results_yet_tells_its_prediction_to_who_has_answered(store: RunStore) -> None:
    start(store, "headline", TWO)
    app = open_page("race", race="headline", ask="1")
    assert HEADLINE.prediction not in said(app)
    button(app, "Show what came of it").click().run()
    assert HEADLINE.prediction in said(app)
    assert "It is checked when every lane has ended. Not yet: constant 1; warm-up 750." in said(app)


@pytest.mark.parametrize(
    ("information", "kl", "text"), [(0.35, 0.33, "0.35 (noise: above KL)"), (0.331, 0.33, "0.33"), (0.3, 0.33, "0.30")]
)
def test_an_estimate_above_its_bound_is_called_noise(information: float, kl: float, text: str) -> None:
    mean: dict[str, float | None] = {"mutual_information": information, "kl": kl}
    assert mean_of(Summary("lane", 1, mean, dict.fromkeys(mean)), "mutual_information") == text


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
    odd = ["[1]", "{", '{"race": "headline", "created": "x", "entries": []}', *map(CARD.format, ODD)]
    for number, text in enumerate(odd):
        Heat(store, f"odd-{number}").path.write_text(text)
    for page in ("home", "race"):
        app = open_page(page)
        assert not app.exception
        assert "Who escapes \\(headline\\)" in links(app)
    for number in range(len(odd)):
        app = open_page("race", race=f"odd-{number}")
        assert not app.exception
        assert "its file cannot be read" in app.error[0].value.lower()
        assert "Start the race" in labels(app)


def test_a_card_may_name_a_run_twice_and_its_race_and_title_may_be_unknown(store: RunStore) -> None:
    begun = recorded_race(store)
    name = begun.entries()[0][1].name
    text = f'{{"race": "old", "created": 1, "entries": [["a", "{name}"], ["b", "{name}"]], "title": null}}'
    begun.path.write_text(text)
    assert begun.card().title == ""
    assert [run.name for _, run in begun.entries()] == [name]
    assert "headline" in links(open_page("race"))
    app = open_page("race", race="headline")
    assert not app.exception
    assert "There is no race 'old'" in app.error[0].value
    begun.retitle("Ours")
    assert "Ours" in links(open_page("race"))


def test_a_run_that_cannot_be_read_takes_no_other_away(store: RunStore) -> None:
    begun = recorded_race(store)
    (lane, first), (_, second) = begun.entries()
    (first.path / "config.json").write_text("{")
    app = open_page("race", race="headline")
    assert not app.exception
    assert not app.error
    assert f"not to be read: {lane} ({first.name})" in said(app)
    assert app.selectbox(key="left-headline").value == second.name


def test_who_has_answered_may_throw_one_of_the_two_away(store: RunStore) -> None:
    begun = recorded_race(store)
    app = open_page("race", race="headline", ask="1")
    app.button_group[0].select("both").run()
    button(app, "Show what came of it").click().run()
    assert "You said: both. It was the right one." in said(app)
    names = [run.name for _, run in begun.entries()]
    store.trash(names[0])
    again = open_page("race", race="headline", ask="1")
    again.session_state[":".join(["given-race:headline", *names])] = "both"
    again.run()
    assert not again.exception
    assert "You said" not in said(again)


def test_a_run_may_have_the_name_of_a_race(store: RunStore) -> None:
    recorded_race(store)
    for name in ("headline", "race-headline"):
        store.create(RunConfig(), name, state="stopped")
    assert not open_page("home").exception
    app = open_page("race", race="headline", ask="1")
    app.button_group[0].select("both").run()
    button(app, "Show what came of it").click().run()
    app.query_params["run"] = "headline"
    app.query_params["ask"] = "1"
    assert not app.switch_page(entry("collapse").script).run().exception


def test_a_run_that_only_has_the_name_of_a_member_is_none(store: RunStore) -> None:
    begun = recorded_race(store)
    lane, run = begun.entries()[0]
    path = store.trash(run.name)
    store.create(RunConfig(latent=3), run.name, state="stopped")
    assert [other.name for _, other in begun.gone()] == [run.name]
    back = store.restore(path)
    assert back.name != run.name
    assert heat_of(back) is None
    assert back.name in "".join(links(open_page("home")))  # no race lists it
    enter(begun, [one for one in TWO if one.name == lane])
    assert len({other.name for _, other in begun.members()}) == 3


def test_a_warm_up_that_is_there_is_run_again_with_the_next_seed(store: RunStore) -> None:
    begun = recorded_race(store)
    for _ in range(2):
        button(open_page("race", race="headline"), "Add this warm-up").click().run()
    assert [(lane, run.config.seed) for lane, run in begun.entries()][1:] == [
        ("warm-up 750", 0), ("warm-up 750", 1), ("warm-up 750", 2),
    ]  # fmt: skip


def test_another_pair_is_another_question(store: RunStore) -> None:
    begun = recorded_race(store)
    app = open_page("race", race="headline", ask="1")
    button(app, "Show what came of it").click().run()
    assert "Show what came of it" not in labels(app)
    app.selectbox(key="left-headline").set_value(begun.entries()[1][1].name).run()
    assert "Show what came of it" in labels(app)
