"""Home's parts: the own runs as a list, the shipped ones as cards, and the door for a run from elsewhere."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import streamlit as st

from ui.data import Summary, store, summaries
from ui.labels import LIST, name_dialog, news, star_button, trash, trash_can
from ui.parts import age, hint, page, safe, state_mark, thumb, told, tone
from vae_core.captions import nats
from vae_core.glossary import term
from vae_core.imports import add
from vae_core.presets import PRESETS
from vae_core.races.heats import heats
from vae_core.runs import HELD, LIVE

NUMBERS = ("elbo", "kl", "in_use")  # entries of the glossary
HEADS = (*NUMBERS, "state", "age")
FIRST, SEARCHED_FROM = 10, 5
NAME, TRASH = "Name and note", "Move to trash"


@st.fragment
def run_list() -> None:
    """The user's runs, those with a star first, then the newest; nats per image on test images, at β = 1."""
    raced = {run.name for one in heats(store()) for _, run in one.members()}  # these stand on the pages of their races
    own = [row for row in summaries() if not row.shipped and (row.star or row.name not in raced)]
    own.sort(key=lambda row: not row.star)
    with st.container(horizontal=True, vertical_alignment="center", key="run-list-head"):
        st.subheader("Your runs", anchor=False, width="content")
        news(LIST)
    if not own:
        none = "None but those of your races, below." if raced else "None yet. The first takes about half a minute."
        st.caption(none)
    found = _searched(own)
    shown = found if st.session_state.get("all-runs") else found[:FIRST]
    if shown:
        with st.container(key="run-list", gap=None):
            st.html(_heads())
            for row in shown:
                _row(row)
    if len(shown) < len(found):
        st.button(f"Show all {len(found):,}", key="show-all", on_click=_show_all)
    trash_can(LIST)


def _searched(rows: list[Summary]) -> list[Summary]:
    """The rows that hold every word that is looked for; a short list is not searched."""
    if len(rows) < SEARCHED_FROM:
        return rows
    text = st.text_input(
        "Search", type="search", key="search", live=True, label_visibility="collapsed",
        placeholder=f"Search {len(rows):,} runs: title, data, state", width=420,
    )  # fmt: skip
    words = (text or "").casefold().split()
    found = [row for row in rows if all(word in _sought(row) for word in words)]
    if not found:
        st.caption("No run has all of these words in its title, name, data or state.")
    return found


def _sought(row: Summary) -> str:
    return f"{row.title} {row.name} {row.config.dataset.title} {row.state}".casefold()


def _show_all() -> None:
    st.session_state["all-runs"] = True


def _heads() -> str:
    run, *cells = (hint(term(name).label, term(name).hover) for name in ("run", *HEADS))
    spans = "".join(f"<span>{cell}</span>" for cell in cells)
    return f'<div class="fr-heads fr-muted"><span>{run}</span><div class="fr-row">{spans}</div></div>'


def _row(row: Summary) -> None:
    """One run. Of its text only Markdown that is escaped, or a link's address made of its name, reaches the page."""
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        star_button(LIST, row)
        st.html(thumb(row), width="content")
        st.page_link(
            page("watch"), label=safe(row.title), query_params={"run": row.name}, help=safe(row.note) or None,
            width="stretch",
        )  # fmt: skip
        st.html(_cells(row), width="content")
        acts = [NAME] if row.state in HELD else [NAME, TRASH]
        chosen = st.menu_button(
            f"Menu of {safe(row.title)}", acts, key=f"menu-{row.name}", type="tertiary", on_click=_menu, args=(row,)
        )
        if chosen == NAME:
            name_dialog(store()[row.name])


def _menu(row: Summary) -> None:
    if st.session_state[f"menu-{row.name}"] == TRASH:
        trash(LIST, row)


def _cells(row: Summary) -> str:
    numbers = "".join(f'<span><span class="fr-aside">{label} </span>{text}</span>' for label, text in _numbers(row))
    come = f" {row.step / row.config.steps:.0%}" if row.state in LIVE and row.step else ""
    state = f'{state_mark(row.state)}<span class="fr-muted">{come}</span>'
    return f'<div class="fr-row">{numbers}<span>{state}</span><span>{age(row.created)}</span></div>'


def _numbers(row: Summary) -> list[tuple[str, str]]:
    """The label and the value of each number of a run."""
    texts = (nats(row.elbo), nats(row.kl), f"{row.in_use} of {row.config.latent}") if row.measured else ("–",) * 3
    return [(term(name).label, text) for name, text in zip(NUMBERS, texts, strict=True)]


def shipped_cards(rows: list[Summary]) -> None:
    """Each shipped run: what comes back from it, what it shows, its numbers, and a way in."""
    order = list(PRESETS)
    with st.grid(3, min_column_width=280) as grid:
        for row in sorted(rows, key=lambda row: order.index(row.name) if row.name in order else len(order)):
            with grid.cell(), st.container(border=True, height="stretch"):
                _card(row)


def _card(row: Summary) -> None:
    preset = PRESETS.get(row.name)
    st.markdown(f"**{safe(preset.title if preset else row.title)}**")
    st.html(
        f'<img class="fr-strip {tone(row)}" src="{row.frame}" loading="lazy" '
        'alt="Eight test images as this run reconstructs them">'
    )
    st.caption(preset.prediction if preset else row.name)
    st.caption(f"ELBO {nats(row.elbo)} · KL {nats(row.kl)} · {row.in_use} of {row.config.latent} latents in use")
    st.page_link(page("watch"), label=f"Watch {row.name}", query_params={"run": row.name})


def add_run() -> None:
    """A zip of a run's directory becomes a run of the store, after every part of it was checked."""
    with st.expander("Add a run from elsewhere"):
        st.caption("A zip of a run's directory. Only weights, rows and pictures are read; nothing in it is executed.")
        upload = st.file_uploader("A zip of a run", type="zip", label_visibility="collapsed")
        if not upload or not st.button("Add the run"):
            return
        with told():
            with tempfile.TemporaryDirectory() as folder:
                stem = re.sub(r"[^a-z0-9_-]", "-", Path(upload.name).stem.lower()).strip("-_")[:64]
                path = Path(folder) / f"{stem or 'run'}.zip"
                path.write_bytes(upload.getbuffer())
                run = add(path, store())
            st.switch_page(page("watch"), query_params={"run": run.name})
