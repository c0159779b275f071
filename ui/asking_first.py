"""Ask me first: with `?ask=1` a page keeps what it found to itself until the reader has said what they think."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.parts import page


def asked_first() -> bool:
    """Whether the reader wants to be asked before they are told."""
    return st.query_params.get("ask") == "1"


def asking_link(name: str) -> None:
    """The way to the page of that name as it stands, asking first; or back to one that tells at once."""
    query = {key: st.query_params.get_all(key) for key in st.query_params if key != "ask"}
    with st.container(key="asking-first", width="content"):
        if asked_first():
            st.page_link(page(name), label="Tell me at once", query_params=query)
        else:
            st.page_link(page(name), label="Ask me first", query_params=query | {"ask": "1"})


def may_tell(what: str) -> bool:
    """Whether the page may tell what it found of `what`: a reader who asks to be asked has to answer first.

    An answer holds until the page tells at once again.
    """
    if not asked_first():
        st.session_state.pop(_given(what), None)
        return True
    return _given(what) in st.session_state


def ask(what: str, question: str, answers: Sequence[str], show: str) -> None:
    """Answers to choose from, and the button `show` (or the key V) that ends the guessing, with one or without."""
    key = f"answer-{what}"
    st.pills(question, answers, key=key, wrap=True)
    st.button(show, key=f"show-{what}", shortcut="V", on_click=_commit, args=(what, key))


def answer(what: str) -> str | None:
    """What the reader said; None if they were not asked, or only wanted to be told."""
    return st.session_state.get(_given(what)) if asked_first() else None


def _commit(what: str, key: str) -> None:
    st.session_state[_given(what)] = st.session_state.get(key)


def _given(what: str) -> str:
    return f"given-{what}"
