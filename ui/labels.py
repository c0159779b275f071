"""What users do with their runs as things: star, name, note, trash and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from ui.data import Summary, store
from ui.parts import age, one_line, plain, safe, safe_sentence, size, told
from vae_core.runs import LONGEST_NOTE, LONGEST_TITLE, Run
from vae_core.spec import InputError

NEWS = "news"
HOME, LIST, RUN, RACES = "home", "list", "run", "races"  # places for it


@dataclass(frozen=True)
class News:
    """What the last act came to: an error's sentence, or what is in the trash and can be taken back."""

    place: str
    sentence: str = ""
    title: str = ""
    paths: tuple[Path, ...] = ()


def news(place: str) -> None:
    """The last act's news, where it was done."""
    last = st.session_state.get(NEWS, News(""))
    if last.place != place:
        return
    if last.sentence:
        st.error(last.sentence, icon=":material/error:")
    if last.paths:
        with st.container(horizontal=True, vertical_alignment="center", key="undo"):
            st.html(f"<b>{plain(last.title)}</b> is in the trash.", width="content")
            st.button("Undo", key="undo-trash", on_click=restore, args=(place, *last.paths))


def act(place: str, what: Callable[[], News | object]) -> None:
    """Do it; an error is news where it was done. For callbacks, which have no place of their own on the page."""
    st.session_state.pop(NEWS, None)
    try:
        done = what()
    except InputError as error:
        done = News(place, safe_sentence(str(error)))
    if isinstance(done, News):
        st.session_state[NEWS] = done


def trash(place: str, row: Summary, then: str = "") -> bool:
    """Move a run to the trash; the news of `then` (else of `place`) can undo it. Whether it was moved."""
    act(place, lambda: News(then or place, title=row.title, paths=(store().trash(row.name),)))
    return bool(st.session_state[NEWS].paths)


def restore(place: str, *paths: Path) -> None:
    """Take runs back out of the trash."""
    act(place, lambda: [store().restore(path) for path in paths])


def empty(place: str) -> None:
    """Delete for good what is in the trash."""
    act(place, lambda: store().empty_trash())


def star(place: str, row: Summary) -> None:
    """Give a star, or take it away; runs with one come first."""
    act(place, lambda: store()[row.name].relabel(star=not row.star))


def star_button(place: str, row: Summary) -> None:
    """A star that is full or empty; its label is for the ears, the star is drawn by the frame."""
    key = f"{'starred' if row.star else 'star'}-{place}-{row.name}"
    label = f"{'Remove star from' if row.star else 'Star'} {safe(row.title)}"
    st.button(label, type="tertiary", key=key, on_click=star, args=(place, row))


@st.dialog("Name and note")
def name_dialog(run: Run) -> None:
    """A title and a note for a run; its name, and so its links, stay what they are."""
    label = run.label
    with st.form(f"label-{run.name}", border=False):
        known = one_line(label.get("title") or "")[:LONGEST_TITLE]
        title = st.text_input("Title", known, LONGEST_TITLE, placeholder=run.name)
        note = st.text_area("Note", str(label.get("note") or "")[:LONGEST_NOTE], max_chars=LONGEST_NOTE)
        st.caption(f"Links keep the name {run.name}.")
        if st.form_submit_button("Save", type="primary"):
            with told():
                run.relabel(title=title, note=note)
                st.rerun()


def trash_can(place: str) -> None:
    """What is in the trash: back, or away for good."""
    found = store().trashed()
    if not found:
        return
    with st.expander(f"Trash ({len(found)})"):
        for item in found:
            title = Run(item.path).label.get("title") or item.name
            columns = st.columns([4, 1.5, 1.2, 1], vertical_alignment="center", gap="small")
            columns[0].text(one_line(title))
            columns[1].caption(age(item.when))
            columns[2].caption(size(item.bytes))
            columns[3].button("Restore", key=f"restore-{item.path.name}", on_click=restore, args=(place, item.path))
        with st.popover("Empty the trash for good"):
            total = size(sum(item.bytes for item in found))
            st.caption(f"{len(found)} {'run' if len(found) == 1 else 'runs'}, {total}. There is no way back.")
            st.button("Delete for good", key="empty-trash", on_click=empty, args=(place,))
