"""The dialog in which a run, or a race, becomes a page to hand in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from ui.asking_first import asked_first, may_tell
from ui.parts import told
from vae_core.handin import LONGEST, NAME, Finding, hand_in, hand_in_race
from vae_core.races.heats import Heat
from vae_core.races.results import evaluation
from vae_core.runs import Run

WORDS = "own-words"  # of all that somebody wrote about in this session, by the name of its page
BY = "own-name"  # of whoever hands in, the same on all pages of this session
TOLD = "told-verdicts"  # the finding that this session was last told of each run
MADE = "made-page"  # the name of the page that is to be downloaded now
RACE = "race:"  # before the names of races: no run has a colon in its name


@dataclass(frozen=True)
class Work:
    """What is handed in: the name of its page, what is on it, why there is none yet, how words and a name make it."""

    name: str
    about: str
    waits: str
    make: Callable[[str, str], str]

    @classmethod
    def of_run(cls, run: Run) -> Work:
        """A run, with the verdict that the reader was told: its page needs a test, and tells no more than they saw."""
        verdict = "verdict, " if finding_of(run) else ""
        about = f"A page with this run's {verdict}figure, numbers, settings and its training in plain PyTorch."
        waits = "" if run.rows("test") else "No numbers yet: the page can be made after the first test."
        if asked_first() and not may_tell(run.name):
            waits = "You are asked first: say what you think of this run, and the page can be made."
        return cls(run.name, about, waits, lambda words, by: hand_in(run, words, by, finding_of(run)))

    @classmethod
    def of_race(cls, begun: Heat, left: tuple[str, Run], right: tuple[str, Run]) -> Work:
        """A race, with two of its runs, each with its lane: its page needs one that has ended."""
        about = (
            "A page with the two lanes shown and their pictures, the prediction and what came of it, the numbers of "
            "all runs, the plane of rate and distortion, the settings, and the training of the two in plain PyTorch."
        )
        ended = any(evaluation(run) for _, run in begun.entries())
        waits = "" if ended else "No numbers yet: the page can be made when a run has ended."
        return cls(RACE + begun.name, about, waits, lambda words, by: hand_in_race(begun, (left, right), words, by))


def tell(run: Run, finding: Finding | None) -> None:
    """Remember what the reader is told of a run, so that it stands on the run's page; None if they may not know it."""
    st.session_state[TOLD] = st.session_state.get(TOLD, {}) | {_told_of(run): finding}


def finding_of(run: Run) -> Finding | None:
    """What the reader was last told of a run in this session."""
    return st.session_state.get(TOLD, {}).get(_told_of(run))


def _told_of(run: Run) -> tuple[str, float]:
    """A run, and none that gets its name after it."""
    return run.name, run.created


def hand_in_button(name: str, work: Callable[[], Work]) -> None:
    """The way into the dialog; `work` is asked for what is handed in when the button is pressed."""
    told_by = "One page for print, with your own words, the figure, the numbers and the code."
    if st.button("Hand in", key=f"hand-in-{name}", help=told_by):
        st.session_state.pop(MADE, None)
        hand_in_dialog(work())


@st.dialog("Hand in")
def hand_in_dialog(work: Work) -> None:
    """Words first, then the page: a download that begins while somebody types would not have the last of them."""
    if work.waits:
        st.caption(work.waits)
    elif st.session_state.get(MADE) == work.name:
        _take(work)
    else:
        _write(work)


def _write(work: Work) -> None:
    st.caption(f"{work.about} It opens in any browser and prints on A4.")
    # Enter in the line of the name goes on to the words, it is not the end of them.
    with st.form(f"hand-in-form-{work.name}", border=False, enter_to_submit=False):
        st.text_input("Name", _name(), max_chars=NAME, key=f"by-{work.name}", placeholder="Optional")
        st.text_area(
            "In your own words", _words(work.name), max_chars=LONGEST, height=220, key=f"words-{work.name}",
            placeholder="What did you expect, what happened, and why?",
        )  # fmt: skip
        st.form_submit_button("Make the page", type="primary", on_click=_keep, args=(work.name,))


def _take(work: Work) -> None:
    words, by = _words(work.name), _name()
    if by.strip():
        st.text(f"By {by}")
    if words.strip():
        with st.container(height=220):
            st.text(words)
    else:
        st.caption("Without words of your own.")
    with told(), st.container(horizontal=True):
        text = work.make(words, by)  # what is refused is said here, not by a download that fails
        st.download_button(
            "Download the page", text.encode(), f"{work.name.replace(':', '-')}-hand-in.html", "text/html",
            type="primary", on_click="ignore", key=f"take-page-{work.name}",
        )  # fmt: skip
        st.button("Change the words", key=f"change-words-{work.name}", on_click=_back)


def _words(name: str) -> str:
    return st.session_state.get(WORDS, {}).get(name, "")


def _name() -> str:
    return st.session_state.get(BY, "")


def _keep(name: str) -> None:
    """Remember what was written, beyond the dialog."""
    st.session_state[BY] = st.session_state[f"by-{name}"]
    st.session_state[WORDS] = st.session_state.get(WORDS, {}) | {name: st.session_state[f"words-{name}"]}
    st.session_state[MADE] = name


def _back() -> None:
    st.session_state.pop(MADE, None)
