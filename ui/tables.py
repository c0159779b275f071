"""Home's parts: the shipped runs as cards, the own ones as a table, and the door for a run from elsewhere."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import streamlit as st

from ui.data import Summary, store
from ui.parts import age, page, safe, told
from vae_core.captions import nats
from vae_core.imports import add
from vae_core.presets import PRESETS

COLUMNS = ("Run", "State", "Step", "ELBO", "KL", "In use", "Age")
WIDTHS = [3, 1.2, 1.7, 1, 0.8, 1.2, 1.3]


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
    strip(row)
    st.caption(preset.prediction if preset else row.name)
    st.caption(f"ELBO {nats(row.elbo)} · KL {nats(row.kl)} · {row.in_use} of {row.latent} latents in use")
    st.page_link(page("watch"), label=f"Watch {row.name}", query_params={"run": row.name})


def strip(row: Summary) -> None:
    """The reconstructions of the newest frame, as ink on paper in the light theme."""
    paper = "er-paper" if row.grey and st.context.theme.type != "dark" else ""
    paper += " er-pixels" if row.height <= 16 else ""
    source = f"/api/runs/{row.name}/frames/{row.shown:08d}.png"
    st.html(f'<img class="er-strip {paper}" src="{source}" alt="Eight test images as this run reconstructs them">')


def run_table(rows: list[Summary]) -> None:
    """The user's runs, newest first; nats per image on test images, at β = 1."""
    if not rows:
        st.caption("None yet. The first takes about half a minute.")
        return
    for column, name in zip(st.columns(WIDTHS), COLUMNS, strict=True):
        column.caption(name)
    for row in rows[:50]:
        columns = st.columns(WIDTHS, vertical_alignment="center")
        columns[0].page_link(page("watch"), label=safe(row.title), query_params={"run": row.name})
        known = row.elbo == row.elbo
        cells = (
            row.state,
            f"{row.step:,} / {row.steps:,}",
            nats(row.elbo) if known else "–",
            nats(row.kl) if known else "–",
            f"{row.in_use} of {row.latent}" if known else "–",
            age(row.created),
        )
        for column, text in zip(columns[1:], cells, strict=True):
            column.text(text)
    if len(rows) > 50:
        st.caption(f"The newest 50 of {len(rows):,} runs.")


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
