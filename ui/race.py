"""Race: two lanes of one side by side, what can be done to it, and what came of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import streamlit as st

from ui.asking_first import answer, ask, asking_link, may_tell
from ui.data import store, summary
from ui.handin import Work, hand_in_button
from ui.host import ensure_engine
from ui.live import race_figure
from ui.parts import age, heading, page, plain, queued_behind, safe, told
from ui.race_outcome import HELD_UP, outcome
from ui.race_start import choose
from ui.races import title_of
from vae_core.commands import Command, Pace, Resume, Stop
from vae_core.comparison import headline
from vae_core.races import Lane, Race, race
from vae_core.races.heats import Heat, enter, heat, heat_of
from vae_core.races.results import missing
from vae_core.runs import LIVE, Run, requeue
from vae_core.schedules import Warmup

CHOICE = 290  # pixels, for the longest name of a lane with its seed
SIDES = ("left", "right")
ANSWERS = ("the left one", "the right one", "both", "neither")
CAME = ((True, False), (False, True), (True, True), (False, False))  # of each answer, whose code is in use
Entry = tuple[str, Run]  # a run, and its lane


def race_page() -> None:
    """The race of `?race=`, or that which the run of `?run=` is in, or the choice of one."""
    top = st.container()
    with told():
        if begun := _asked():
            chosen, sentence = race(begun.race), f"{plain(title_of(begun))}, started {age(begun.card().created)}."
            with top:
                heading("race", sentence)
            _held(begun, chosen)
            return
    with top:
        heading("race")
    choose()


def _asked() -> Heat | None:
    """The race that the address asks for."""
    if name := st.query_params.get("race"):
        return heat(store(), name)
    run = st.query_params.get("run")
    return heat_of(store()[run]) if run else None


def _held(begun: Heat, chosen: Race) -> None:
    """A race that was started: two lanes large, then all of them."""
    entries = begun.entries()
    sides = [_side(entries, side) for side in SIDES[: len(entries)]]
    key = ":".join(["race", begun.name, *sides])  # no run has a colon in its name
    seen = may_tell(key) or len(entries) < 2
    if not seen:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            ask(key, "Which of the two ends with a code in use?", ANSWERS, "Show what came of it")
    if gone := begun.gone():
        runs = "; ".join(f"{safe(lane)} ({run.name})" for lane, run in gone)
        st.caption(f"Thrown away, or not to be read: {runs}. What is in the trash can be restored on Home.")
    if entries:
        _lanes(begun, entries, answer(key), seen=seen)
    else:
        st.page_link(page("race"), label="All races")
    _join(begun, chosen)
    outcome(begun, seen=seen)


def _lanes(begun: Heat, entries: Sequence[Entry], given: str | None, *, seen: bool) -> None:
    """Two runs of it, chosen by lane and seed, or the only one."""
    states = {run: run.state for _, run in entries}
    living, held = ([run for run, state in states.items() if state in these] for these in (LIVE, HELD_UP))
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = [_chosen(begun, entries, side) for side in SIDES[: len(entries)]]
        if living and st.button("Full speed", key="race-full"):
            _post(living, Pace(seconds=0.0))
        if living and st.button("Stop the race", key="race-stop"):
            _post(living, Stop())
        if held and st.button("Resume the race", key="race-resume"):
            _resume(held)
        st.space("stretch")
        st.page_link(page("race"), label="All races")
        asking_link("race")
    if set(states.values()) == {"queued"} and (sentence := queued_behind(*states)):
        st.caption(sentence)
    configs = [run.config for _, run in shown]
    race_figure(
        [run for _, run in shown], headline=headline(configs[0], configs[-1]) if shown[1:] else "", ask=not seen
    )
    _answered(given, [run for _, run in shown])
    with st.container(horizontal=True, vertical_alignment="center"):
        for side, (_, run) in zip(SIDES, shown, strict=False):
            st.page_link(page("watch"), label=f"Open the {side} run", query_params={"run": run.name})
            if seen and run.state not in LIVE:
                st.page_link(page("collapse"), label=f"Verdict on the {side}", query_params={"run": run.name})
        if seen:
            hand_in_button(f"race-{begun.name}", lambda: Work.of_race(begun, shown[0], shown[-1]))


def _side(entries: Sequence[Entry], side: str) -> str:
    """The run on this side: that of the address, else the first on the left and the second on the right."""
    names = [run.name for _, run in entries]
    asked = st.query_params.get(side, "")
    return asked if asked in names else names[SIDES.index(side)]


def _chosen(begun: Heat, entries: Sequence[Entry], side: str) -> Entry:
    """The choice of the run on this side, which is kept in the address."""
    known, key = {run.name: (lane, run) for lane, run in entries}, f"{side}-{begun.name}"
    st.session_state[key] = _side(entries, side)

    def keep() -> None:
        st.query_params[side] = st.session_state[key]

    chosen = st.selectbox(
        side.capitalize(), [*known], key=key, on_change=keep, width=CHOICE, label_visibility="collapsed",
        format_func=lambda name: f"{known[name][0]}, seed {known[name][1].config.seed}",
    )  # fmt: skip
    return known[chosen]


def _answered(given: str | None, shown: Sequence[Run]) -> None:
    """What the reader said, if they were asked, and once both have ended whether it came so."""
    if given is None or len(shown) < 2:
        return
    rows = [summary(run) for run in shown]
    came = ANSWERS[CAME.index((rows[0].in_use > 0, rows[1].in_use > 0))]
    over = all(row.measured and row.state == "done" for row in rows)
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
            seeds = "one seed" if chosen.seeds == 1 else f"{chosen.seeds} seeds"
            st.caption(f"The whole race has {seeds} of each lane; its prediction is checked on all of them.")
        with right:
            base = chosen.lanes[0].config
            steps = st.slider(
                "Warm-up steps", 0, base.steps, base.steps // 2, max(1, base.steps // 30), key="race-steps"
            )
            if st.button("Add this warm-up", key="race-warmup"):
                beta, name = Warmup(steps=steps) if steps else Warmup(steps=1, start=1.0), f"warm-up {steps}"
                seed = next(seed for seed in itertools.count() if (name, seed) not in _there(begun))
                _enter(begun, [Lane(name, base.model_copy(update={"beta": beta, "seed": seed}))])
            st.caption(
                "β rises from 0 to 1 over so many steps; 0 is β = 1 from the start. Once more: with the next seed."
            )


def _there(begun: Heat) -> set[tuple[str, int]]:
    return {(lane, run.config.seed) for lane, run in begun.entries()}


def _enter(begun: Heat, lanes: Sequence[Lane]) -> None:
    with told():
        first, *_ = enter(begun, lanes)
        st.query_params["right"] = first.name
        ensure_engine(store())
        st.rerun()
