"""The choice of a race: which one, what is predicted of it, and the button that starts it."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from ui.asking_first import asked_first, asking_link
from ui.data import store
from ui.host import ensure_engine
from ui.parts import lead, page, told
from ui.races import races_list
from vae_core.races import RACES, Lane, Race, race
from vae_core.races.heats import start

LESSON = 25.0
DOWNLOADS = "mnist-annealed"  # the preset whose page offers MNIST
# The lanes that are run first, where they are not the race's first two.
OPENING = {"headline": ("constant 1", "warm-up 750"), "alternatives": ("warm-up 750", "free bits 0.1")}


def choose() -> None:
    """Which race, at first that of `?kind=`; what is predicted; a button."""
    kind = st.query_params.get("kind")
    name = st.radio(
        "Race", list(RACES), list(RACES).index(kind) if kind in RACES else 0, key="race-kind", horizontal=True,
        format_func=lambda one: RACES[one].title, label_visibility="collapsed",
    )  # fmt: skip
    if name != (kind or next(iter(RACES))):
        st.query_params["kind"] = name
    chosen = race(name)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption("Prediction", width="content")
        asking_link("race")
    later = "You are asked what will happen while it runs, and told what was predicted after you have answered."
    lead(later if asked_first() else html.escape(chosen.prediction))
    lanes = _opening(chosen)
    if not chosen.lanes[0].config.dataset.ready():
        title = chosen.lanes[0].config.dataset.title
        st.caption(f"{title} is not on this computer yet, so this race cannot start.")
        st.page_link(page("train"), label=f"Download {title} on the Train page", query_params={"preset": DOWNLOADS})
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Start the race", type="primary", key="race-start"):
            _start(chosen, lanes)
        words = " and ".join(lane.name for lane in lanes)
        st.caption(f"Starts with two lanes, {words}, at lesson pace ({LESSON:.0f} s). The others can join at any time.")
    races_list()


def _opening(chosen: Race) -> list[Lane]:
    """The two lanes that are run first, with seed 0."""
    wanted = OPENING.get(chosen.name) or tuple(lane.name for lane in chosen.lanes[:2])
    return [lane for lane in chosen.members(1) if lane.name in wanted]


def _start(chosen: Race, lanes: Sequence[Lane]) -> None:
    with told():
        begun = start(store(), chosen.name, lanes, pace=LESSON)
        ensure_engine(store())
        st.query_params["race"] = begun.name
        st.query_params.pop("kind", None)
        st.rerun()
