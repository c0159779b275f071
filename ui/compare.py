"""Compare: runs on the same axes, their numbers, what comes back from the same images, and how their configs differ."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import streamlit as st

from ui.data import Summary, last_rows, store, summaries, test_rows
from ui.numbers import table
from ui.parts import hint, lead, one_line, plain, theme, told, tone
from vae_core.captions import nats
from vae_core.comparison import Entrant, differences, noise, obstacles, ranking
from vae_core.glossary import term
from vae_core.plots import KNOBS, curves, rate_distortion
from vae_core.records import number

MOST = 6
FIRST = ("digits-annealed", "digits-collapsed")
QUANTITIES = ("elbo", "reconstruction", "kl", "beta")
NUMBERS = ("elbo", "reconstruction", "kl", "mutual_information", "active_units")


def compare() -> None:
    """All of the page under its heading."""
    rows = _chosen()
    if not rows:
        st.caption("Choose the runs to compare.")
        return
    entrants = [Entrant(row.title, row.config, last_rows(store()[row.name]).get("test", {})) for row in rows]
    lead(html.escape(ranking(entrants)))
    reasons = obstacles(entrants) if len(entrants) > 1 else []
    if reasons:
        st.html(f'<p class="fr-muted">{"<br>".join(map(html.escape, reasons))}</p>')
    _figures(rows, plane=not reasons)
    _numbers(rows, best=not reasons)
    _pictures(rows)
    _differences(rows)


def _chosen() -> list[Summary]:
    """The runs of `?run=…&run=…`, which the choice writes there; the shipped pair before there is one."""
    known = {row.name: row for row in summaries()}
    asked = st.query_params.get_all("run") or [name for name in FIRST if name in known]
    with told():
        for name in asked:
            store()[name]  # says what is wrong with a name
    names = st.multiselect(
        "Runs", list(known), default=[name for name in dict.fromkeys(asked) if name in known][:MOST],
        format_func=lambda name: one_line(known[name].title), max_selections=MOST, key="compared",
        placeholder="Choose two or more runs",
    )  # fmt: skip
    st.query_params["run"] = names
    return [known[name] for name in names if name in known]


def _figures(rows: Sequence[Summary], *, plane: bool) -> None:
    """A quantity by step; where the runs may be ranked, also where they ended in the plane of rate and distortion."""
    left, right = st.columns([7, 5], gap="large") if plane else (st.container(), None)
    titles = _titles(rows)
    with left:
        quantity = st.segmented_control(
            "Quantity", QUANTITIES, default="elbo", format_func=lambda name: term(name).label, key="quantity",
            label_visibility="collapsed", required=True,
        )  # fmt: skip
        lines = {
            titles[row.name]: [(one["step"], number(one.get(quantity))) for one in test_rows(store()[row.name])]
            for row in rows
        }
        drawn = curves(lines, quantity or "elbo", theme())
        st.plotly_chart(drawn, config=KNOBS, key="curves")
        shown = f"{term(quantity or 'elbo').label} of test images by step{_unit(quantity)}."
        outside = any(note["text"][:1] in "↓↑" for note in drawn.to_dict()["layout"].get("annotations", ()))
        st.caption(shown + " Arrows: how far curves go outside of the frame." * outside)
    if right is None:
        return
    with right:
        ends = {titles[row.name]: last_rows(store()[row.name]).get("test", {}) for row in rows}
        places = {name: (number(row.get("kl")), number(row.get("reconstruction"))) for name, row in ends.items() if row}
        st.space("medium")
        st.plotly_chart(rate_distortion(places, theme()), config=KNOBS, key="plane")
        st.caption(
            "Where each run stands: what the code costs, and what is lost. On a dotted line the ELBO is the same."
        )


def _unit(quantity: str | None) -> str:
    return "" if quantity == "beta" else ", nats per image at β = 1"


def _titles(rows: Sequence[Summary]) -> dict[str, str]:
    """Titles by name, told apart by the name where two are the same."""
    titles = [row.title for row in rows]
    return {row.name: row.title if titles.count(row.title) == 1 else f"{row.title} ({row.name})" for row in rows}


def _numbers(rows: Sequence[Summary], *, best: bool) -> None:
    """A row a quantity, a column a run; the leading ELBO is bold where runs may be ranked."""
    ends = [last_rows(store()[row.name]).get("test", {}) for row in rows]
    under_way = [Entrant(row.title, row.config, end).unfinished for row, end in zip(rows, ends, strict=True)]
    elbos = [math.nan if rest else number(end.get("elbo")) for end, rest in zip(ends, under_way, strict=True)]
    leading = max((elbo for elbo in elbos if best and math.isfinite(elbo)), default=math.nan)
    lines = [("Measured after", [rest or "all steps" for rest in under_way])] if any(under_way) else []
    for name in NUMBERS:
        cells = [html.escape(_cell(end, name, row.config.latent)) for row, end in zip(rows, ends, strict=True)]
        if name == "elbo" and len(rows) > 1:
            ahead = [elbo == leading for elbo in elbos]
            cells = [f"<strong>{cell}</strong>" if first else cell for cell, first in zip(cells, ahead, strict=True)]
        lines.append((hint(html.escape(term(name).label), term(name).hover), cells))
    st.html(table("Nats per image, test, β = 1", [plain(row.title) for row in rows], lines))


def _cell(row: dict, name: str, latent: int) -> str:
    if name not in row:
        return "–"
    if name == "active_units":
        return f"{row[name]} of {latent}"
    value = number(row[name])
    return nats(value) + (noise(value, number(row.get("kl"))) if name == "mutual_information" else "")


def _pictures(rows: Sequence[Summary]) -> None:
    """The same test images, and what comes back from each run; runs on other data stand under images of their own."""
    st.subheader("The same images through each", anchor=False)
    shown = [row for row in rows if row.frame]
    for data in dict.fromkeys(row.config.dataset for row in shown):
        group = [row for row in shown if row.config.dataset == data]
        originals = f"/api/runs/{group[0].name}/frames/inputs.png?{group[0].created:.0f}"
        lines = [_strip("original", originals, "Eight test images", tone(group[0]))]
        lines += [
            _strip(plain(row.title), row.frame, f"The same as {plain(row.title)} gives them back", tone(row))
            for row in group
        ]
        st.html(f'<div class="fr-strips">{"".join(lines)}</div>')
    if len(shown) < len(rows):
        st.caption("Runs without a picture yet are left out.")


def _strip(name: str, source: str, words: str, classes: str) -> str:
    return f'<span>{name}</span><img class="fr-strip {classes}" src="{source}" alt="{words}">'


def _differences(rows: Sequence[Summary]) -> None:
    """The settings that are not the same."""
    if len(rows) < 2:
        return
    st.subheader("What was different", anchor=False)
    found = differences([row.config for row in rows])
    if not found:
        st.caption("Nothing: these runs have one config.")
        return
    lines = [(f"<code>{html.escape(path)}</code>", [plain(value) for value in values]) for path, values in found]
    st.html(table("Setting", [plain(row.title) for row in rows], lines))
