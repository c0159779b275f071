"""What came of a race, or how far it is: progress, the table of lanes, the plane, and the prediction held to them."""

from __future__ import annotations

import contextlib
import html
import math
from collections.abc import Sequence

import streamlit as st

from ui.data import store
from ui.host import ensure_engine
from ui.numbers import table
from ui.parts import hint, plain, queued_behind, theme, told
from vae_core.glossary import term
from vae_core.plots import KNOBS, rate_distortion
from vae_core.races import Race, comparable, race, summarise
from vae_core.races.heats import Heat, heat
from vae_core.races.results import is_awaited, missing, neglected, results
from vae_core.races.running import IMAGES, MEASURED, SAMPLES, Result
from vae_core.races.telling import NO_PLANE, mean_of, places
from vae_core.runs import LIVE, Run, requeue
from vae_core.spec import InputError

HELD_UP = ("paused", "stopped")
ICON = {True: ":green[:material/check_circle:]", False: ":red[:material/cancel:]"}
WORDS = {True: ("held", "holds so far"), False: ("did not hold", "does not hold so far")}  # on all seeds, on some


def outcome(begun: Heat, *, seen: bool) -> None:
    """How far it is, and what came of it if that may be `seen`; drawn again while runs are under way."""
    drawn = _phase(begun)
    st.fragment(_now, run_every=2.0 if drawn[0] else None)(begun.name, drawn=drawn, seen=seen)


def _phase(begun: Heat) -> tuple[bool, bool, bool]:
    """Whether more is to come (a run that lives, or is done and not measured), to stop, and to resume."""
    states = {run: run.state for _, run in begun.entries()}
    lives, held = (any(state in these for state in states.values()) for these in (LIVE, HELD_UP))
    return lives or any(state == "done" and is_awaited(run) for run, state in states.items()), lives, held


def _now(name: str, *, drawn: tuple[bool, bool, bool], seen: bool) -> None:
    with told():
        _tell(heat(store(), name), drawn=drawn, seen=seen)


def _tell(begun: Heat, *, drawn: tuple[bool, bool, bool], seen: bool) -> None:
    for run in neglected(begun):
        with contextlib.suppress(InputError):  # somebody has asked for it already
            requeue(run)
            ensure_engine(store())
    if _phase(begun) != drawn:
        st.rerun()  # the buttons are others, or there is nothing more to look for
    if progress := _progress([run for _, run in begun.entries()]):
        st.caption(progress)
    if not seen:
        return
    chosen, found = race(begun.race), results(begun)
    if not found:
        _check(begun, chosen, found)
        return
    lanes = summarise(found)
    heads = [hint(html.escape(term(one).label), term(one).hover) for one in MEASURED]
    rows = [(plain(f"{lane.name} × {lane.seeds}"), [html.escape(mean_of(lane, m)) for m in MEASURED]) for lane in lanes]
    st.html(table("Mean ± sd over seeds", heads, rows))
    st.caption(
        f"Nats per image, whole test split, β = 1. NLL with K = {SAMPLES} on {IMAGES} images at most; it errs high."
    )
    left, right = st.columns([7, 5], gap="large")
    with left:
        _check(begun, chosen, found)
    with right:
        _plane(found)


def _progress(runs: Sequence[Run]) -> str:
    """How far they are, and what they wait for; empty when all are done."""
    states = [run.state for run in runs]
    if not runs or (done := states.count("done")) == len(runs):
        return ""
    share = sum(run.status().step for run in runs) / sum(run.config.steps for run in runs)
    others = [f", {count} {state}" for state in (*HELD_UP, "failed") if (count := states.count(state))]
    trained = f"{done} of {len(runs)} runs are done{''.join(others)}; {math.floor(100 * share)}% of all updates."
    waits = "queued" in states and set(states) <= {"queued", "done", "stopped"}
    return trained + (f" {sentence}" if waits and (sentence := queued_behind(*runs)) else "")


def _plane(found: Sequence[Result]) -> None:
    """Each lane's mean in the plane of rate and distortion, if there is one."""
    if (shown := places(found)) is None:
        st.caption(NO_PLANE)
        return
    st.plotly_chart(rate_distortion(shown, theme()), config=KNOBS, key="race-plane")
    st.caption("What the code costs, and what is lost. On a dotted line the ELBO is the same.")


def _check(begun: Heat, chosen: Race, found: Sequence[Result]) -> None:
    """Each statement of the prediction, once all of its lanes have run."""
    st.subheader("Prediction", anchor=False)
    st.caption(chosen.prediction)
    absent = missing(begun, chosen)
    known = {result.lane for result in found}
    if under_way := [lane.name for lane in chosen.lanes if lane.name not in known and lane.name not in absent]:
        st.caption(f"It is checked when every lane has ended. Not yet: {'; '.join(under_way)}.")
    if absent:
        st.caption(f"These lanes have no run here: {'; '.join(absent)}. “Add a schedule” runs them.")
    if under_way or absent:
        return
    held_to = comparable(chosen, found)
    if so_far := (seeds := len(held_to) // len(chosen.lanes)) < chosen.seeds:
        st.caption(f"Checked on {seeds} of {chosen.seeds} seeds so far. “Add a schedule” runs the others.")
    for finding in chosen.check(held_to) if held_to else []:
        held = f"{ICON[finding.held]} {WORDS[finding.held][so_far]}"
        st.markdown(f"{held}: {finding.statement} :gray[{finding.measured}]")
