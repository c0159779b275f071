"""Small parts that pages share: the frame, headings and ways on, safe text, pictures and states of runs."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from ui.contents import Entry, entry, siblings
from ui.data import Summary, ahead
from vae_core.palette import Theme
from vae_core.runs import Run
from vae_core.spec import InputError

STYLE = Path(__file__).with_name("frame.css").read_text("utf-8")
NAMED = re.compile(r"[a-z]+[\d_-]")  # begins with the name of a run
SPECIAL = re.compile(r"([\\`*_\[\]()!<>$:#|~{}])")


def page(name: str) -> str:
    """The script of a page, for links and switches."""
    return entry(name).script


def theme() -> Theme:
    """The theme that the page is shown in."""
    return "dark" if st.context.theme.type == "dark" else "light"


def frame(here: Entry) -> None:
    """The few rules of layout that the theme cannot say. The bar's word of this page stands out on its siblings too.

    The address is written once more: of a link to the page that it stands on, Streamlit follows the query, and does
    not show it.
    """
    st.query_params.from_dict({key: st.query_params.get_all(key) for key in st.query_params})
    link = f':is([data-testid="stTopNavLink"], [data-testid="stSidebarNavLink"])[href$="/{here.name}"]'
    mark = f"{link} {{ background: var(--fr-here); }} {link} * {{ font-weight: 600; }}"
    # What floats (dialogs, menus) lies outside of Streamlit's own element, which alone knows the theme.
    scheme = f":root {{ color-scheme: {theme()}; }}"
    st.html(f"<style>{STYLE}{mark}{scheme}</style>")


def heading(name: str, sentence: str = "") -> None:
    """The title of a page; under it its siblings, and what it is for, or a sentence that says what is on it."""
    st.title(entry(name).title, anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", key="heading"):
        sibling_row(name)
        lead(sentence or entry(name).purpose)


def sibling_row(name: str) -> None:
    """The pages under the same word of the bar, this one marked; they stay with the run of `?run=`."""
    group = siblings(name)
    if len(group) < 2:
        return
    run = st.query_params.get("run")
    with st.container(horizontal=True, gap=None, wrap=False, width="content", key="siblings"):
        for other in group:
            if other.name == name:
                st.html(f'<span class="fr-here" aria-current="page">{other.title}</span>', width="content")
            else:
                st.page_link(other.script, label=other.title, query_params={"run": run} if run else None)


def next_step(label: str, name: str, **query: str | list[str]) -> None:
    """The one link at the foot of a page: where to go from here."""
    with st.container(horizontal=True, horizontal_alignment="right", key="next-step"):
        st.page_link(
            page(name), label=label, icon=":material/arrow_forward:", icon_position="right", query_params=query
        )


def lead(sentence: str) -> None:
    """The one sentence under a page's title: HTML, in which a user's text is escaped."""
    st.html(f'<p class="fr-lead">{sentence}</p>')


def safe(text: object) -> str:
    """Text of a user, with everything that Markdown would act on escaped, and cut to a line."""
    return SPECIAL.sub(r"\\\1", one_line(text))


def plain(text: object) -> str:
    """Text of a user for a place in our own HTML: a line of it, without any markup."""
    return html.escape(one_line(text))


def one_line(text: object) -> str:
    """The first 120 characters, without line breaks."""
    return " ".join(str(text).split())[:120]


def thumb(row: Summary) -> str:
    """The first reconstruction of the newest frame, 32 pixels wide: HTML."""
    picture = f'<img class="{tone(row)}" src="{row.frame}" alt="" loading="lazy">' if row.frame else ""
    return f'<span class="fr-thumb">{picture}</span>'


def tone(row: Summary) -> str:
    """The classes of a picture of this run: ink on paper in the light theme, hard pixels if there are few."""
    shape = row.config.dataset.shape
    paper = ["fr-paper"] if shape.channels == 1 and st.context.theme.type != "dark" else []
    return " ".join([*paper, *(["fr-pixels"] if shape.height <= 16 else [])])


def state_mark(state: str) -> str:
    """A state as a word and a mark: HTML."""
    return f'<span class="fr-state" data-state="{state}">{state}</span>'


def hint(label: str, sentence: str) -> str:
    """A term with the sentence that explains it, shown under the pointer and on focus: HTML."""
    return f'<span class="fr-term" tabindex="0">{label}<span role="tooltip">{html.escape(sentence)}</span></span>'


@contextmanager
def told() -> Iterator[None]:
    """What cannot be done is said in one sentence, in place."""
    try:
        yield
    except InputError as error:
        text = str(error)
        st.error(safe_sentence(text), icon=":material/error:")


def safe_sentence(text: str) -> str:
    """An error's sentence, capitalised, ended and escaped."""
    if text[:1].isascii() and not NAMED.match(text):  # β is not the start of a word
        text = text[:1].upper() + text[1:]
    return SPECIAL.sub(r"\\\1", text.strip() + ("" if text.endswith(".") else "."))


def queued_behind(*waiting: Run) -> str:
    """That another run is trained while these wait, as Markdown; empty if none is."""
    other = ahead(*waiting)
    if other is None:
        return ""
    return f"Queued while {f'the race {other.race}' if other.race else safe(other.title)} is trained."


def age(seconds: float) -> str:
    """How long ago, for a table; never negative, whatever the clocks say."""
    gone = max(0.0, time.time() - seconds)
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if gone >= size:
            return f"{int(gone // size)} {name} ago"
    return "just now"


def duration(seconds: float) -> str:
    """A time span for a sentence."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """A number of bytes for a sentence."""
    return f"{count / 1e6:,.1f} MB" if count >= 50_000 else f"{count / 1e3:,.0f} kB"
