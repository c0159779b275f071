"""A view that lives in the browser as a component of a page; its own state is kept in the page's address."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from vae_core.runs import Run

# Streamlit gives inline scripts no address of their own, so this one only loads the real module, which has one.
LOADER = """
const [MODULE, MOUNT, TOLD] = $VIEW;
const views = new WeakMap();
export default async function ({ data, parentElement }) {
  const host = parentElement.querySelector(".view-host");
  const module = await import(new URL(MODULE, location.origin));
  if (views.has(host)) return views.get(host).update(data);
  const onState = (state) => {
    const url = new URL(location);
    for (const name of TOLD) {
      if (state[name] === undefined) url.searchParams.delete(name);
      else url.searchParams.set(name, state[name]);
    }
    history.replaceState(history.state, "", url);
  };
  const view = module[MOUNT](host, { ...data, onState });
  views.set(host, view);
  return () => { view.destroy(); views.delete(host); };
}
"""


def view_component(name: str, module: str, mount: str, told: Sequence[str]) -> Any:
    """The component of a module under `/files`, whose `mount` makes the view; `told` are the names of its state."""
    script = LOADER.replace("$VIEW", json.dumps([f"/files/{module}", mount, list(told)]))
    return component(name, html='<div class="view-host"></div>', js=script, isolate_styles=False)


def view_data(run: Run, asked: Sequence[str]) -> dict[str, Any]:
    """What a view is given: the run's address, and what the page's address asks for by these names."""
    query = {name: st.query_params[name] for name in asked if name in st.query_params}
    return {"base": f"/api/runs/{run.name}", "query": query}
