"""Walks between the codes of a run in a page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui.browser import view_component, view_data
from vae_core.runs import Run

STATE = ("from", "to", "around", "kind", "at", "view")
CLOUD = ("step", "split")  # asked for, and never changed by walking


def latent_walk(run: Run) -> None:
    """Walks between the codes of a run; the page's address names the first state."""
    _component()(key=f"walk-{run.name}", data=view_data(run, (*CLOUD, *STATE)))


@st.cache_resource
def _component() -> Any:
    return view_component("latent_walk", "latent/walk.mjs", "mountWalk", STATE)
