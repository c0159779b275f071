"""Walks in a page: a thin component around the module that computes them in the browser."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from vae_core.runs import Run

ASKED = ("step", "split", "from", "to", "around", "kind", "at", "view")

LOADER = """
const walks = new WeakMap();
export default async function ({ data, parentElement }) {
  const host = parentElement.querySelector(".wk-host");
  const { mountWalk } = await import(new URL("/files/latent/walk.mjs", location.origin));
  const mounted = walks.get(host);
  if (mounted) return mounted.update(data);
  const onState = (state) => {
    const url = new URL(location);
    for (const name of ["from", "to", "around", "kind", "at", "view"]) {
      if (state[name] === undefined) url.searchParams.delete(name);
      else url.searchParams.set(name, state[name]);
    }
    history.replaceState(history.state, "", url);
  };
  const walk = mountWalk(host, { ...data, onState });
  walks.set(host, walk);
  return () => { walk.destroy(); walks.delete(host); };
}
"""


def latent_walk(run: Run, query: dict[str, str]) -> None:
    """Walks between the codes of a run. `query` names the first state, by the names in `ASKED`."""
    _component()(key=f"walk-{run.name}", data={"base": f"/api/runs/{run.name}", "query": query})


@st.cache_resource
def _component() -> Any:
    return component("latent_walk", html='<div class="wk-host"></div>', js=LOADER, isolate_styles=False)
