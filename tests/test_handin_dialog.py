"""The dialog of Hand in, and what of the Collapse page goes along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.page_helpers import button, open_page
from tests.run_helpers import tiny
from tests.test_handin import Page
from ui import handin
from vae_core.handin import Finding, hand_in
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.verdicts import verdict

ANNEALED, COLLAPSED = Run(ASSETS / "digits-annealed"), Run(ASSETS / "digits-collapsed")
FINDING = Finding(
    "Collapsed <for good>.", ("KL 0.00 & nothing.", "So it is."), "Start again.", "After step 9.", "“Yes”."
)
CURE = (
    "Start again with β rising over 1,000 steps. "
    "A new run, 2,000 steps instead of 1,500; data, model and seed stay as they are."
)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The store of the pages."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    return RunStore(tmp_path / "runs")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, tuple[str, str]]]:
    """What is there to be downloaded: content, name and kind of each page, the newest last."""
    offered = []
    real = handin.st.download_button

    def take(label: str, data: bytes, *arguments: Any, **options: Any) -> bool:
        if label == "Download the page":  # the menu offers other files
            offered.append((data, arguments))
        return real(label, data, *arguments, **options)

    monkeypatch.setattr(handin.st, "download_button", take)
    return offered


def dialog(run: Run) -> AppTest:
    """The dialog as a page of its own; the session may ask for that of another run."""

    def script(path: str) -> None:
        from pathlib import Path

        import streamlit as st

        from ui.handin import Work, hand_in_dialog
        from vae_core.runs import Run

        hand_in_dialog(Work.of_run(Run(Path(st.session_state.get("run", path)))))

    return AppTest.from_function(script, args=(str(run.path),), default_timeout=30).run()


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Of each press of the button what is on the page, why there is none, and the page without words."""
    pressed: list[tuple[str, str, str]] = []

    def press(work: handin.Work) -> None:
        pressed.append((work.about, work.waits, "" if work.waits else work.make("", "")))

    monkeypatch.setattr(handin, "hand_in_dialog", press)
    return pressed


def made(app: AppTest, works: list[tuple[str, str, str]]) -> Page:
    """The page that is handed in from a page of the app, without words."""
    button(app, "Hand in").click().run()
    return Page(works[-1][2])


@pytest.mark.parametrize("page", ["watch", "latent", "walk", "collapse"])
def test_every_page_with_a_run_bar_leads_to_the_dialog(page: str) -> None:
    app = open_page(page, run="digits-z2")
    button(app, "Hand in").click().run()
    assert [area.label for area in app.text_area] == ["In your own words"]
    assert [line.label for line in app.text_input] == ["Name"]


def test_the_page_has_the_words_that_were_written_and_they_can_be_changed(taken: list) -> None:
    app = dialog(ANNEALED)
    assert not app.download_button
    app.text_area[0].set_value("What *I* think.")
    button(app, "Make the page").click().run()
    assert [text.value for text in app.text] == ["What *I* think."]
    data, named = taken[-1]
    assert named == ("digits-annealed-hand-in.html", "text/html")
    assert data.decode() == hand_in(ANNEALED, "What *I* think.")
    button(app, "Change the words").click().run()
    assert app.text_area[0].value == "What *I* think."
    app.text_area[0].set_value("Nothing.")
    app.text_input[0].set_value("Ada *L*")
    button(app, "Make the page").click().run()
    assert [text.value for text in app.text] == ["By Ada *L*", "Nothing."]
    assert taken[-1][0].decode() == hand_in(ANNEALED, "Nothing.", "Ada *L*")
    assert taken[-1][1] == named


def test_the_name_is_asked_once_in_a_session() -> None:
    app = dialog(ANNEALED)
    app.text_input[0].set_value("Ada")
    button(app, "Make the page").click().run()
    app.session_state["run"] = str(COLLAPSED.path)
    app.run()
    assert [line.value for line in app.text_input] == ["Ada"]
    assert [area.value for area in app.text_area] == [""]


def test_a_run_without_numbers_has_no_page_yet(store: RunStore) -> None:
    app = dialog(store.create(tiny(), "mine"))
    assert "No numbers yet" in app.caption[0].value
    assert not app.text_area


# The verdict


def test_a_finding_is_a_part_of_the_page_and_stays_text() -> None:
    text = hand_in(COLLAPSED, "Mine.", "Ada", FINDING)
    page = Page(text)
    assert page.texts["h2"][:2] == ["In my own words", "Verdict"]
    assert page.texts["h3"] == ["Why", "What to do"]
    assert page.texts["li"] == [*FINDING.why]
    at = page.texts["p"].index("Said before the verdict was shown: “Yes”.")
    assert page.texts["p"][at + 1 : at + 4] == ["Collapsed <for good>.", "Start again.", "After step 9."]
    assert not [text for text in Page(hand_in(COLLAPSED, "")).texts["p"] if text.startswith("Said before")]
    assert "Verdict" not in Page(hand_in(COLLAPSED, "")).texts["h2"]


def test_a_hand_in_from_collapse_has_the_verdict_why_and_the_cure(works: list) -> None:
    app = open_page("collapse", run="digits-collapsed")
    page = made(app, works)
    told = verdict(COLLAPSED)
    assert told.sentence in page.texts["p"]
    assert page.texts["li"] == told.why
    assert CURE in page.texts["p"]
    assert "After step 1,500 of 1,500. Measured on 297 images, at β = 1." in page.texts["p"]
    assert not [text for text in page.texts["p"] if text.startswith("Said before")]
    assert "this run's verdict, figure" in works[-1][0]


def test_the_verdict_is_that_of_the_step_looked_at(works: list) -> None:
    page = made(open_page("collapse", run="digits-annealed", step="100"), works)
    assert verdict(ANNEALED, 90).sentence in page.texts["p"]
    assert "After step 90 of 1,500. Measured on 297 images, at β = 1." in page.texts["p"]


def test_a_healthy_run_is_handed_in_with_nothing_to_cure(works: list) -> None:
    page = made(open_page("collapse", run="digits-annealed"), works)
    assert "Nothing: there is nothing to cure." in page.texts["p"]


def test_asked_first_no_page_tells_the_verdict_before_the_answer(works: list) -> None:
    app = open_page("collapse", run="digits-collapsed")
    app.query_params["ask"] = "1"
    app.run()
    button(app, "Hand in").click().run()
    assert works[-1][1].startswith("You are asked first")
    assert [*app.session_state[handin.TOLD].values()] == [None]
    app.pills[0].set_value("It uses its code").run()
    button(app, "Show the verdict").click().run()
    page = made(app, works)
    assert "Said before the verdict was shown: “It uses its code”. The evidence says otherwise." in page.texts["p"]
    assert verdict(COLLAPSED).sentence in page.texts["p"]


def test_a_page_of_who_was_told_nothing_has_no_verdict(works: list) -> None:
    assert "Verdict" not in made(open_page("watch", run="digits-collapsed"), works).texts["h2"]
    assert "verdict" not in works[-1][0]
