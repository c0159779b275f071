"""Home's list of runs: what it shows, how it is searched and sorted, names, notes, stars, and the trash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.page_helpers import button, html, labels, links, open_page, said
from tests.run_helpers import tiny
from ui import data
from ui.contents import doors
from ui.parts import plain, safe
from vae_core.runs import Run, RunStore
from vae_core.training import train

EVIL = '<img src="http://evil.example/a.png" onerror="x()">![x](http://evil.example/b.png) :red[x] $x$ </span>'


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The store of the pages."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    return RunStore(tmp_path / "runs")


@pytest.fixture
def several(store: RunStore) -> list[Run]:
    """Six runs, a to f; f is the newest, c has failed, d is of shapes, e has a title."""
    runs = [
        store.create(
            tiny(**({"dataset": {"kind": "shapes"}} if name == "d" else {})),
            name,
            state="failed" if name == "c" else "stopped",
        )
        for name in "abcdef"
    ]
    runs[4].relabel(title="The Fifth one", note="compare with *b*")
    return runs


def listed(app: AppTest) -> list[str]:
    """The names of the rows, in their order."""
    menus = [menu.key for menu in app.menu_button]
    return [key.removeprefix("menu-") for key in menus if key]


def choose(app: AppTest, name: str, choice: str) -> AppTest:
    """Choose from the menu of a row."""
    return app.menu_button(key=f"menu-{name}").click(choice).run()


def test_rows_are_the_newest_first_with_those_of_a_star_above(several: list[Run]) -> None:
    app = open_page("home")
    assert listed(app) == list("fedcba")
    button(app, "Star b").click().run()
    assert several[1].label["star"] is True
    assert listed(app) == list("bfedca")
    button(app, "Remove star from b").click().run()
    assert "star" not in several[1].label
    assert listed(app) == list("fedcba")


@pytest.mark.parametrize(
    ("text", "names"),
    [("", "fedcba"), ("fifth", "e"), ("FIFTH one", "e"), ("failed", "c"), ("shapes", "d"), ("digits stopped", "feba")],
)
def test_the_search_looks_for_all_words_in_title_name_data_and_state(several: list[Run], text: str, names: str) -> None:
    app = open_page("home")
    app.text_input(key="search").set_value(text).run()
    assert listed(app) == list(names)


def test_a_search_that_finds_nothing_says_so_and_a_short_list_has_none(several: list[Run], store: RunStore) -> None:
    app = open_page("home")
    app.text_input(key="search").set_value("nowhere").run()
    assert not listed(app)
    assert "No run has all of these words" in said(app)
    store.trash("a")
    store.trash("b")
    app.run()
    assert listed(app) == list("fedc")
    assert not app.text_input


def test_ten_rows_are_shown_and_then_all(store: RunStore) -> None:
    for index in range(12):
        store.create(tiny(), f"run-{index:02d}", state="stopped")
    app = open_page("home")
    assert listed(app) == [f"run-{index:02d}" for index in range(11, 1, -1)]
    button(app, "Show all 12").click().run()
    assert len(listed(app)) == 12
    assert "Show all 12" not in labels(app)


def test_a_row_leads_to_its_run_and_shows_its_numbers(store: RunStore) -> None:
    run = store.create(tiny(), "mine")
    train(str(run.path))
    app = open_page("home")
    assert links(app)["mine"] == ("watch", "run=mine")
    row = data.summary(run)
    assert row.measured
    assert f">ELBO </span>\u2212{-row.elbo:.1f}<" in html(app)
    assert f"{row.in_use} of 2<" in html(app)
    assert f'src="/api/runs/mine/frames/{120:08d}.png?' in html(app)


def test_a_run_without_rows_has_dashes_and_asks_for_no_picture(store: RunStore) -> None:
    store.create(tiny(), "mine")
    app = open_page("home")
    assert html(app).count("</span>–</span>") == 3
    assert "/api/runs/mine/" not in html(app)


def test_heads_explain_themselves(several: list[Run]) -> None:
    (heads,) = [element.value for element in open_page("home").html if '<div class="fr-heads' in element.value]
    assert heads.count('role="tooltip"') == heads.count('tabindex="0"') == 6


def test_a_hostile_title_stays_text_wherever_it_stands(store: RunStore) -> None:
    run = store.create(tiny(), "hostile", state="stopped")
    (run.path / "label.json").write_text(json.dumps({"title": EVIL, "note": EVIL, "star": "yes"}))
    home, watch = open_page("home"), open_page("watch", run="hostile")
    train_page = open_page("train")
    choose(home, "hostile", "Move to trash")
    for app in (home, watch):
        assert '<img src="http' not in html(app)
        assert plain(EVIL) in html(app)
        shown = [element.value for element in app.markdown] + labels(app) + list(links(app))
        assert not [text for text in shown if "<img" in text.replace("\\<", "")]
    assert f"Watch the newest run, {safe(EVIL)}" in links(train_page)


def test_a_broken_run_hides_no_other(several: list[Run]) -> None:
    (several[0].path / "config.json").write_text("{")
    (several[1].path / "metrics.jsonl").write_text('{"step": 1, "split": "test", "elbo": "much"}\n')
    app = open_page("home")
    assert not app.exception
    assert listed(app) == list("fedc")


def test_the_trash_can_be_undone_in_place(several: list[Run], store: RunStore) -> None:
    app = choose(open_page("home"), "e", "Move to trash")
    assert listed(app) == list("fdcba")
    assert "<b>The Fifth one</b> is in the trash." in html(app)
    button(app, "Undo").click().run()
    assert listed(app) == list("fedcba")
    assert "in the trash" not in html(app)
    assert not store.trashed()


def test_the_trash_gives_back_and_empties_for_good(several: list[Run], store: RunStore) -> None:
    app = choose(choose(open_page("home"), "a", "Move to trash"), "e", "Move to trash")
    (trash,) = [expander for expander in app.expander if expander.label == "Trash (2)"]
    assert [element.value for element in trash.text] == ["The Fifth one", "a"]
    [element for element in app.button if element.label == "Restore"][1].click().run()
    assert listed(app) == list("fdcba")
    button(app, "Delete for good").click().run()
    assert not store.trashed()
    assert not [expander for expander in app.expander if "Trash" in expander.label]
    assert listed(app) == list("fdcba")


def test_a_run_that_trains_stays_and_the_list_says_why(several: list[Run]) -> None:
    app = open_page("home")
    with several[0].lock().acquire(timeout=0):
        choose(app, "a", "Move to trash")
    assert "being trained; stop it first" in app.error[0].value
    assert "a" in listed(app)
    choose(app, "b", "Move to trash")
    assert not app.error


def test_undo_after_the_trash_was_emptied_elsewhere_is_told(several: list[Run], store: RunStore) -> None:
    app = choose(open_page("home"), "a", "Move to trash")
    store.empty_trash()
    button(app, "Undo").click().run()
    assert not app.exception
    assert "not in the trash any more" in app.error[0].value


def name_dialog(run: Run) -> AppTest:
    """The dialog that names a run, as a page of its own."""

    def script(path: str) -> None:
        from pathlib import Path

        from ui.labels import name_dialog
        from vae_core.runs import Run

        name_dialog(Run(Path(path)))

    return AppTest.from_function(script, args=(str(run.path),)).run()


def test_the_menu_opens_the_dialog(several: list[Run]) -> None:
    app = choose(open_page("home"), "e", "Name and note")
    assert [element.value for element in app.text_input if element.label == "Title"] == ["The Fifth one"]
    assert [element.value for element in app.text_area] == ["compare with *b*"]


def test_a_run_is_named_noted_and_unnamed(several: list[Run]) -> None:
    app = name_dialog(several[0])
    app.text_input[0].set_value("  My   <b>best</b> ")
    app.text_area[0].set_value("two\nlines")
    button(app, "Save").click().run()
    assert several[0].label == {"title": "My <b>best</b>", "note": "two\nlines"}
    assert data.summary(several[0]).title == "My <b>best</b>"
    app = name_dialog(several[0])
    app.text_input[0].set_value("")
    button(app, "Save").click().run()
    assert several[0].label == {"note": "two\nlines"}
    assert data.summary(several[0]).title == "a"


def test_a_name_for_a_run_that_is_gone_is_refused_in_the_dialog(several: list[Run], store: RunStore) -> None:
    app = name_dialog(several[0])
    store.trash("a")
    app.text_input[0].set_value("Too late")
    button(app, "Save").click().run()
    assert not app.exception
    assert "There is no run at" in app.error[0].value


def test_home_has_a_door_for_each_page_that_asks_for_one(store: RunStore) -> None:
    app = open_page("home")
    assert [label for label in labels(app) if label in {page.door for page in doors()}] == [p.door for p in doors()]
    button(app, "Train this yourself").click().run()
    assert app.title[0].value == "Train"


def test_a_second_look_reads_no_rows_again(several: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    first = data.summaries()

    def refuse(*_: object) -> None:
        raise AssertionError("rows were read again")

    monkeypatch.setattr(Run, "rows", refuse)
    monkeypatch.setattr(Run, "config", property(refuse))
    assert data.summaries() == first
    several[2].relabel(star=True)
    with pytest.raises(AssertionError):
        data.summary(several[2])
