"""The races that were started: each with its title, its runs and how far they are, and what can be done to it."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from ui.data import store
from ui.labels import RACES, News, act, news
from ui.parts import age, one_line, page, safe, state_mark, told
from vae_core.races import RACES as KINDS
from vae_core.races.heats import Heat, heats
from vae_core.runs import HELD, LONGEST_TITLE
from vae_core.spec import InputError

FIRST = 10
NAME, TRASH = "Name", "Move to trash"
# A race is in the first of these states that one of its runs is in; else it is done.
FROM_WORST = ("failed", "crashed", "stalled", "running", "paused", "queued", "interrupted", "stopped")


def races_list() -> None:
    """The races so far that have a run left, the newest first."""
    found = [one for one in heats(store()) if any(run.path.is_dir() for _, run in one.members())]
    if not found:
        news(RACES)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Your races", anchor=False, width="content")
        news(RACES)
    shown = found if st.session_state.get("all-races") else found[:FIRST]
    with st.container(key="races-list", gap=None):
        for one in shown:
            _row(one)
    if len(shown) < len(found):
        st.button(f"Show all {len(found):,} races", key="show-all-races", on_click=_show_all)


def title_of(begun: Heat) -> str:
    """What its users call it, else the race's own title and its name; it may be a user's text."""
    card = begun.card()
    if title := one_line(card.title):
        return title
    return f"{KINDS[card.race].title} ({begun.name})" if card.race in KINDS else begun.name


def _show_all() -> None:
    st.session_state["all-races"] = True


def _row(begun: Heat) -> None:
    """One race. Of its text only Markdown that is escaped, or a link's address made of its name, reaches the page."""
    states = Counter(run.state for _, run in begun.entries())
    state = next((one for one in FROM_WORST if states[one]), "done")
    count = states.total()
    about = f"{count} {'run' if count == 1 else 'runs'}"
    title, begun_at = title_of(begun), age(begun.card().created)
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.page_link(page("race"), label=safe(title), query_params={"race": begun.name}, width="stretch")
        cells = f"<span>{about}</span>{state_mark(state)}<span>{begun_at}</span>"
        st.html(f'<div class="fr-race">{cells}</div>', width="content")
        acts = [NAME] if any(states[held] for held in HELD) else [NAME, TRASH]
        chosen = st.menu_button(
            f"Menu of {safe(title)}", acts, key=_menu_key(begun), type="tertiary", on_click=_menu, args=(begun,)
        )  # fmt: skip
        if chosen == NAME:
            _name_dialog(begun)


def _menu(begun: Heat) -> None:
    if st.session_state[_menu_key(begun)] == TRASH:
        act(RACES, lambda: _throw(begun))


def _menu_key(begun: Heat) -> str:
    return f"menu-race:{begun.name}"  # no run has a colon in its name


def _throw(begun: Heat) -> News:
    """All of its runs into the trash, or none."""
    title = title_of(begun)
    if any(run.state in HELD for _, run in begun.entries()):
        raise InputError(f"the race {title} is being trained", fix="stop it first")
    return News(RACES, title=title, paths=tuple(begun.trash()))


@st.dialog("Name")
def _name_dialog(begun: Heat) -> None:
    """A title for a race; its name, and so its links, stay what they are."""
    with st.form(f"race-label-{begun.name}", border=False):
        title = st.text_input("Title", one_line(begun.card().title), LONGEST_TITLE, placeholder=begun.name)
        st.caption(f"Links keep the name {begun.name}.")
        if st.form_submit_button("Save", type="primary"):
            with told():
                begun.retitle(title)
                st.rerun()
