"""The dialog in which a run becomes a page to hand in."""

from __future__ import annotations

import streamlit as st

from ui.parts import told
from vae_core.handin import LONGEST, hand_in
from vae_core.runs import Run

WORDS = "own-words"  # of each run that somebody wrote about in this session, by name
MADE = "made-page"  # the run whose page is to be downloaded now


def hand_in_button(run: Run) -> None:
    """The way into the dialog."""
    told_by = "One page for print, with your own words, the figure, the numbers and the code."
    if st.button("Hand in", key=f"hand-in-{run.name}", help=told_by):
        st.session_state.pop(MADE, None)
        hand_in_dialog(run)


@st.dialog("Hand in")
def hand_in_dialog(run: Run) -> None:
    """Words first, then the page: a download that begins while somebody types would not have the last of them."""
    if not run.rows("test"):
        st.caption("No numbers yet: the page can be made after the first test.")
    elif st.session_state.get(MADE) == run.name:
        _take(run)
    else:
        _write(run)


def _write(run: Run) -> None:
    st.caption(
        "A page with this run's figure, numbers, settings and its training in plain PyTorch. It opens in any browser "
        "and prints on A4."
    )
    with st.form(f"hand-in-form-{run.name}", border=False):
        st.text_area(
            "In your own words", _words(run), max_chars=LONGEST, height=220, key=f"words-{run.name}",
            placeholder="What did you expect, what happened, and why?",
        )  # fmt: skip
        st.form_submit_button("Make the page", type="primary", on_click=_keep, args=(run,))


def _take(run: Run) -> None:
    words = _words(run)
    if words.strip():
        with st.container(height=220):
            st.text(words)
    else:
        st.caption("Without words of your own.")
    with told(), st.container(horizontal=True):
        hand_in(run, words)  # what is refused is said here, not by a download that fails
        st.download_button(
            "Download the page", lambda: hand_in(run, words).encode(), f"{run.name}-hand-in.html", "text/html",
            type="primary", on_click="ignore", key=f"take-page-{run.name}",
        )  # fmt: skip
        st.button("Change the words", key=f"change-words-{run.name}", on_click=_back)


def _words(run: Run) -> str:
    return st.session_state.get(WORDS, {}).get(run.name, "")


def _keep(run: Run) -> None:
    """Remember what was written, beyond the dialog."""
    st.session_state[WORDS] = st.session_state.get(WORDS, {}) | {run.name: st.session_state[f"words-{run.name}"]}
    st.session_state[MADE] = run.name


def _back() -> None:
    st.session_state.pop(MADE, None)
