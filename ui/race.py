"""Race: choose one, say what will happen, watch two lanes of it, and hold the prediction to what happened."""

from __future__ import annotations

import contextlib
import html
import math
from collections.abc import Sequence

import streamlit as st

from ui.asking_first import answer, ask, asked_first, asking_link, may_tell
from ui.data import store, summary
from ui.handin import Work, hand_in_button
from ui.host import ensure_engine
from ui.live import race_figure
from ui.numbers import table
from ui.parts import hint, lead, page, plain, told
from ui.tables import races_list
from vae_core.captions import headline, nats
from vae_core.commands import Command, Pace, Resume, Stop
from vae_core.comparison import Entrant, obstacles
from vae_core.glossary import term
from vae_core.plots import KNOBS, rate_distortion
from vae_core.races import RACES, Lane, Race, comparable, race, summarise
from vae_core.races.heats import Heat, enter, heat, start
from vae_core.races.results import evaluation, missing, neglected, results
from vae_core.races.running import IMAGES, MEASURED, SAMPLES, Result, Summary
from vae_core.runs import LIVE, Run, requeue
from vae_core.schedules import Warmup
from vae_core.spec import InputError

LESSON = 25.0
HELD_UP = ("paused", "stopped")
CHOICE = 290  # pixels, for the longest name of a lane with its seed
DOWNLOADS = "mnist-annealed"  # the preset whose page offers MNIST
OPENING = {"headline": ("constant 1", "warm-up 750")}  # the lanes that are run first; else the first two
ANSWERS = ("the left one", "the right one", "both", "neither")
CAME = ((True, False), (False, True), (True, True), (False, False))  # of each answer, whose code is in use
MARK = {True: ":green[:material/check_circle:] held", False: ":red[:material/cancel:] did not hold"}


def race_page() -> None:
    """The race of `?race=`, or the choice of one."""
    asked = st.query_params.get("race")
    begun = None
    if asked:
        with told():
            begun = heat(store(), asked)
    if begun is None:
        _choose()
    else:
        _held(begun)


def _choose() -> None:
    """Which race, at first that of `?kind=`; what is predicted; a button."""
    kind = st.query_params.get("kind")
    name = st.radio(
        "Race", list(RACES), list(RACES).index(kind) if kind in RACES else 0, key="race-kind", horizontal=True,
        format_func=lambda one: RACES[one].title, label_visibility="collapsed",
    )  # fmt: skip
    if kind and kind != name:
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


def _held(begun: Heat) -> None:
    """A race that was started: two lanes large, then all of them."""
    with told():
        chosen = race(begun.race)
        seen = may_tell(begun.name)
        if not seen:
            ask(begun.name, "Which of the two ends with a code in use?", ANSWERS, "Show what came of it")
        _lanes(begun, hidden=not seen)
        _join(begun, chosen)
        if seen:
            _outcome(begun.name, chosen.name)
        return
    st.query_params.pop("race", None)


def _lanes(begun: Heat, *, hidden: bool) -> None:
    """Two runs of it, chosen by lane and seed."""
    runs = {run.name: (lane, run) for lane, run in begun.entries()}
    if not runs:
        st.caption("Its runs were thrown away.")
        return
    names = list(runs)
    titles = {name: f"{lane}, seed {run.config.seed}" for name, (lane, run) in runs.items()}
    states = {run: run.state for _, run in runs.values()}
    living, held = ([run for run, state in states.items() if state in these] for these in (LIVE, HELD_UP))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = {"format_func": titles.__getitem__, "width": CHOICE}
        one = st.selectbox("Left", names, 0, key=f"left-{begun.name}", **show)
        other = st.selectbox("Right", names, min(1, len(names) - 1), key=f"right-{begun.name}", **show)
        if living and st.button("Full speed", key="race-full"):
            _post(living, Pace(seconds=0.0))
        if living and st.button("Stop the race", key="race-stop"):
            _post(living, Stop())
        if held and st.button("Resume the race", key="race-resume"):
            _resume(held)
        st.space("stretch")
        asking_link("race")
    first, second = runs[one][1], runs[other][1]
    race_figure(first, second, first.state, headline=headline(first.config, second.config), ask=hidden)
    _answered(begun, first, second)
    with st.container(horizontal=True, vertical_alignment="center"):
        for side, name in (("left", one), ("right", other)):
            st.page_link(page("watch"), label=f"Open the {side} run", query_params={"run": name})
            if not hidden and runs[name][1].state not in LIVE:
                st.page_link(page("collapse"), label=f"Verdict on the {side}", query_params={"run": name})
        if not hidden:
            hand_in_button(f"race-{begun.name}", lambda: Work.of_race(begun, runs[one], runs[other]))


def _answered(begun: Heat, left: Run, right: Run) -> None:
    """What the reader said, if they were asked, and once both have ended whether it came so."""
    if not (given := answer(begun.name)):
        return
    rows = [summary(left), summary(right)]
    came = ANSWERS[CAME.index(tuple(row.in_use > 0 for row in rows))]
    over = all(row.measured and row.state not in LIVE for row in rows)
    st.caption(f"You said: {given}. " + (("It came so." if given == came else f"It was {came}.") if over else ""))


def _post(living: Sequence[Run], command: Command) -> None:
    for run in living:
        run.post(command)


def _resume(held: Sequence[Run]) -> None:
    """Let those go on that wait, and ask an engine for those that have ended before their last step."""
    with told():
        for run in held:
            if run.state == "paused":
                run.post(Resume())
            else:
                requeue(run)
        ensure_engine(store())
        st.rerun()


def _join(begun: Heat, chosen: Race) -> None:
    """More lanes for a race: those of its preset, or a warm-up of any length."""
    with st.expander("Add a schedule"):
        left, right = st.columns(2, gap="large")
        with left:
            absent = missing(begun, chosen)
            whole = [lane for lane in chosen.members() if (lane.name, lane.config.seed) not in _there(begun)]
            wanted = st.multiselect("Lanes of this race", absent, key=f"join-{begun.name}", placeholder="Choose lanes")
            with st.container(horizontal=True):
                if st.button("Add these", disabled=not wanted, key="race-add"):
                    _enter(begun, [lane for lane in chosen.members(1) if lane.name in wanted])
                if whole and st.button(f"Run the whole race, {len(whole)} more runs", key="race-whole"):
                    _enter(begun, whole)
            st.caption(
                f"The whole race has {chosen.seeds} seeds of each lane; its prediction is checked on all of them."
            )
        with right:
            base = chosen.lanes[0].config
            steps = st.slider(
                "Warm-up steps", 0, base.steps, base.steps // 2, max(1, base.steps // 30), key="race-steps"
            )
            if st.button("Add this warm-up", key="race-warmup"):
                beta = Warmup(steps=steps) if steps else Warmup(steps=1, start=1.0)
                _enter(begun, [Lane(f"warm-up {steps}", base.model_copy(update={"beta": beta, "seed": 0}))])
            st.caption("β rises from 0 to 1 over so many steps; 0 is β = 1 from the start.")


def _there(begun: Heat) -> set[tuple[str, int]]:
    return {(lane, run.config.seed) for lane, run in begun.entries()}


def _enter(begun: Heat, lanes: Sequence[Lane]) -> None:
    with told():
        enter(begun, lanes)
        ensure_engine(store())
        st.rerun()


def _outcome(name: str, kind: str) -> None:
    """The table, the plane and the prediction; drawn again while runs are under way."""
    begun = heat(store(), name)
    drawn = _phase(begun)
    st.fragment(_outcome_now, run_every=2.0 if drawn[0] else None)(name, kind, drawn=drawn)


def _phase(begun: Heat) -> tuple[bool, bool, bool]:
    """Whether more is to come (a run that lives, or is done and not measured), to stop, and to resume."""
    states = {run: run.state for _, run in begun.entries()}
    lives, held = (any(state in these for state in states.values()) for these in (LIVE, HELD_UP))
    return lives or any(state == "done" and not evaluation(run) for run, state in states.items()), lives, held


def _outcome_now(name: str, kind: str, *, drawn: tuple[bool, bool, bool]) -> None:
    begun, chosen = heat(store(), name), race(kind)
    for run in neglected(begun):
        with contextlib.suppress(InputError):  # somebody has asked for it already
            requeue(run)
            ensure_engine(store())
    if _phase(begun) != drawn:
        st.rerun()  # the buttons are others, or there is nothing more to look for
    entries, found = begun.entries(), results(begun)
    if progress := _progress([run for _, run in entries]):
        st.caption(progress)
    if not found:
        return
    lanes = summarise(found)
    heads = [hint(html.escape(term(one).label), term(one).hover) for one in MEASURED]
    rows = [(plain(f"{lane.name} × {lane.seeds}"), [html.escape(_mean(lane, m)) for m in MEASURED]) for lane in lanes]
    st.html(table("Mean ± sd over seeds", heads, rows))
    st.caption(
        f"Nats per image, whole test split, β = 1. NLL with K = {SAMPLES} on {IMAGES} images at most; it errs high."
    )
    left, right = st.columns([7, 5], gap="large")
    with left:
        _check(chosen, found)
    with right:
        _plane(lanes, found)


def _progress(runs: Sequence[Run]) -> str:
    """How far they are; empty when all are done."""
    states = [run.state for run in runs]
    if not runs or (done := states.count("done")) == len(runs):
        return ""
    share = sum(run.status().step for run in runs) / sum(run.config.steps for run in runs)
    others = [f", {count} {state}" for state in (*HELD_UP, "failed") if (count := states.count(state))]
    return f"{done} of {len(runs)} runs are done{''.join(others)}; {math.floor(100 * share)}% of all updates."


def _plane(lanes: Sequence[Summary], found: Sequence[Result]) -> None:
    """Each lane's mean in the plane of rate and distortion, if all of them explain the same images in the same way."""
    if obstacles([Entrant(result.lane, result.config, {}) for result in found]):
        st.caption("These lanes have different likelihoods, so their ELBOs bound different things: no one plane.")
        return
    costs = {lane.name: (lane.mean["kl"] or 0.0, lane.mean["elbo"] or 0.0) for lane in lanes}
    places = {name: (kl, elbo + kl) for name, (kl, elbo) in costs.items()}
    theme = "dark" if st.context.theme.type == "dark" else "light"
    st.plotly_chart(rate_distortion(places, theme), config=KNOBS, key="race-plane")
    st.caption("What the code costs, and what is lost. On a dotted line the ELBO is the same.")


def _mean(one: Summary, name: str) -> str:
    mean, sd = one.mean[name], one.sd[name]
    digits = nats if name != "active_units" else "{:.0f}".format if sd is None else "{:.1f}".format
    if mean is None:
        return "–"
    return digits(mean) if sd is None else f"{digits(mean)} ± {digits(sd)}"


def _check(chosen: Race, found: Sequence[Result]) -> None:
    """Each statement of the prediction, once all of its lanes have run."""
    st.subheader("Prediction", anchor=False)
    st.caption(chosen.prediction)
    if absent := {lane.name for lane in chosen.lanes} - {result.lane for result in found}:
        st.caption(f"It is checked when all lanes have run; {len(absent)} have not. “Add a schedule” runs them.")
        return
    held_to = comparable(chosen, found)
    if (seeds := len(held_to) // len(chosen.lanes)) < chosen.seeds:
        st.caption(f"Checked on {seeds} of {chosen.seeds} seeds so far. “Add a schedule” runs the others.")
    for finding in chosen.check(held_to) if held_to else []:
        st.markdown(f"{MARK[finding.held]}: {finding.statement} :gray[{finding.measured}]")
