"""The run figure in a page: a thin component around the module that follows or replays runs without any rerun."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from ui.parts import told
from vae_core.commands import SetBeta
from vae_core.runs import Run
from vae_core.schedules import Piecewise

# Streamlit gives inline scripts no address of their own, so this one only loads the real module, which has one.
LOADER = """
const figures = new WeakMap();
export default async function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const host = parentElement.querySelector(".er-host");
  const { mountFigure } = await import(new URL("/files/run/figure.mjs", location.origin));
  const entry = figures.get(host) ?? { figure: null };
  entry.state = data.state;
  const onState = (state) => {
    if (state === entry.state) return;
    entry.state = state;
    setStateValue("state", state);
  };
  const onPlan = data.plan ? (points) => setTriggerValue("plan", points) : null;
  const link = new URL(data.link, location.origin).href;
  const options = { ...data, link, onState, onPlan };
  if (entry.figure) return entry.figure.update(options);
  figures.set(host, entry);
  entry.figure = mountFigure(host, options);
  return () => { entry.figure.destroy(); figures.delete(host); };
}
"""


def run_figure(run: Run, state: str, *, show_train: bool = False, key: str = "figure") -> str:
    """Draw the figure of a run; returns the state it last showed, and reruns the page when that changes.

    β ahead of now can be dragged in it while the run lives, unless it is a shipped one.
    """
    key = f"{key}-{run.name}"
    data = _data([run]) | {"state": state, "showTrain": show_train, "plan": not run.shipped}

    def plan() -> None:
        with told():
            _plan(run, st.session_state[key].plan)

    result = _mount(key, data, plan)
    return str(getattr(result, "state", None) or state)


def pair_figure(one: Run, other: Run, *, headline: str, seconds: float, key: str = "pair") -> None:
    """Replay two runs side by side, once, in so many seconds; then they rest at their last step."""
    data = _data([one, other]) | {"headline": headline, "seconds": seconds, "play": True, "state": "done done"}
    _mount(key, data, _nothing)


def race_figure(runs: Sequence[Run], *, headline: str, ask: bool = False) -> None:
    """Follow one run, or two side by side; the page is rerun when the state of one changes.

    With `ask` the captions are hidden, until a V is pressed in the figure.
    """
    states = " ".join(run.state for run in runs)
    _mount(
        "-".join(["race", *(run.name for run in runs)]),
        _data(runs) | {"headline": headline, "state": states, "ask": ask},
        _nothing,
    )


def _data(runs: Sequence[Run]) -> dict[str, Any]:
    link = "/stage?" + "&".join(f"run={run.name}" for run in runs)
    return {"runs": [{"base": f"/api/runs/{run.name}"} for run in runs], "link": link}


def _plan(run: Run, points: Any) -> None:
    """Post the schedule that was drawn: [[step, β], …], from the newest step on."""
    pairs = tuple((int(step), float(beta)) for step, beta in points or ())
    if pairs:
        run.post(SetBeta(schedule=Piecewise(points=pairs)))


def _mount(key: str, data: dict[str, Any], plan: Callable[[], None]) -> Any:
    return _component()(key=key, data=data, on_state_change=_nothing, on_plan_change=plan)


def _nothing() -> None:
    """A change of state only reruns the page."""


@st.cache_resource
def _component() -> Any:
    return component("run_figure", html='<div class="er-host"></div>', js=LOADER, isolate_styles=False)
