"""The latent canvas in a page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui.browser import view_component, view_data
from vae_core.runs import Run

STATE = ("method", "axes", "step", "split")


def latent_canvas(run: Run) -> None:
    """The map of a run's codes; the page's address names its first state."""
    _component()(key=f"canvas-{run.name}", data=view_data(run, STATE))


@st.cache_resource
def _component() -> Any:
    return view_component("latent_canvas", "latent/canvas.mjs", "mountCanvas", STATE)
