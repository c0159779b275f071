"""The latent canvas in a page: a thin component around the module that decodes in the browser."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from vae_core.runs import Run

LOADER = """
const canvases = new WeakMap();
export default async function ({ data, parentElement }) {
  const host = parentElement.querySelector(".lc-host");
  const { mountCanvas } = await import(new URL("/files/latent/canvas.mjs", location.origin));
  const mounted = canvases.get(host);
  if (mounted) return mounted.update(data);
  const onState = (query) => {
    const url = new URL(location);
    for (const name of ["method", "axes", "step", "split"]) {
      if (query[name] === undefined) url.searchParams.delete(name);
      else url.searchParams.set(name, query[name]);
    }
    history.replaceState(history.state, "", url);
  };
  const canvas = mountCanvas(host, { ...data, onState });
  canvases.set(host, canvas);
  return () => { canvas.destroy(); canvases.delete(host); };
}
"""


def latent_canvas(run: Run, query: dict[str, str]) -> None:
    """The map of a run's codes. `query` names its first state: method, axes, step, split."""
    _component()(key=f"canvas-{run.name}", data={"base": f"/api/runs/{run.name}", "query": query})


@st.cache_resource
def _component() -> Any:
    return component("latent_canvas", html='<div class="lc-host"></div>', js=LOADER, isolate_styles=False)
