"""The run figure in a page: a thin component around the module that follows a run without any rerun."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from vae_core.runs import Run

# Streamlit gives inline scripts no address of their own, so this one only loads the real module, which has one.
LOADER = """
const figures = new WeakMap();
export default async function ({ data, parentElement, setStateValue }) {
  const host = parentElement.querySelector(".er-host");
  const { mountFigure } = await import(new URL("/files/run/figure.mjs", location.origin));
  const entry = figures.get(host) ?? { figure: null };
  entry.state = data.state;
  const onState = (state) => {
    if (state === entry.state) return;
    entry.state = state;
    setStateValue("state", state);
  };
  const options = { base: data.base, showTrain: data.showTrain, onState };
  if (entry.figure) return entry.figure.update(options);
  figures.set(host, entry);
  entry.figure = mountFigure(host, options);
  return () => { entry.figure.destroy(); figures.delete(host); };
}
"""


def run_figure(run: Run, state: str, *, show_train: bool = False, key: str = "figure") -> str:
    """Draw the figure of a run; returns the state it last showed, and reruns the page when that changes."""
    data: dict[str, Any] = {"base": f"/api/runs/{run.name}", "state": state, "showTrain": show_train}
    result = _component()(key=f"{key}-{run.name}", data=data, on_state_change=_nothing)
    return str(getattr(result, "state", None) or state)


def _nothing() -> None:
    """A change of state only reruns the page."""


@st.cache_resource
def _component() -> Any:
    return component("run_figure", html='<div class="er-host"></div>', js=LOADER, isolate_styles=False)
