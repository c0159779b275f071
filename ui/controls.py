"""What can be done to a run: choose another, pause, resume, stop, pace, change β from now on, branch."""

from __future__ import annotations

import streamlit as st

from ui.data import Summary, config_of, pick_run, store, summaries, summary
from ui.host import ensure_engine
from ui.labels import HOME, RUN, name_dialog, star_button, trash
from ui.parts import one_line, page, plain, queued_behind, safe, sibling_row, state_mark, thumb, told
from ui.share import share
from vae_core.branching import branch, points
from vae_core.commands import Command, Pace, Pause, Resume, SetBeta, Stop
from vae_core.config import OpenedConfig
from vae_core.races.heats import Heat, heat_of, post, resume
from vae_core.runs import HELD, LIVE, Run
from vae_core.schedules import Constant

PACES = {"Slow": 60.0, "Lesson": 25.0, "Full speed": 0.0}


def open_run(name: str, *, batches: bool = True) -> tuple[Run, bool]:
    """The run that a page of this name is about, under its siblings and its bar; ends the page where there is none.

    Returns also whether training batches are drawn.
    """
    run = None
    with told():
        run = pick_run()
    if run is None:
        st.page_link(page("train"), label="Train a VAE")
        st.stop()
    st.query_params["run"] = run.name
    with st.container(horizontal=True, vertical_alignment="center", key="run-page"):
        sibling_row(name)
        return run, run_bar(run, batches=batches)


def run_bar(run: Run, *, batches: bool = True) -> bool:
    """One row: the run, its state, another one, and the menu; returns whether training batches are drawn too.

    Without `batches` the page draws no curves, and is not asked about them.
    """
    row = summary(run)
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, key="run-bar"):
        st.html(_identity(row))
        _change(run)
        with st.popover("Share and export", key=f"share-{run.name}"), st.container(key="run-menu"):
            share(run)
            st.divider()
            show_train = batches and st.toggle(
                "Training batches", key=f"train-{run.name}", help="Thin lines: the batch of each step, with its noise."
            )
            _keep(run, row)
    return show_train


def _identity(row: Summary) -> str:
    """Thumb, title, data, seed and state. The figure shows a living run's step; the bar, that of one that has ended."""
    if isinstance(row.config, OpenedConfig):  # it was not trained here: it has no seed, and took no steps
        return f'<div class="fr-run">{thumb(row)}<h1>{plain(row.title)}</h1><span class="fr-about">opened</span></div>'
    steps = "" if row.state in LIVE else f' <span class="fr-muted">{row.step:,} / {row.config.steps:,}</span>'
    about = f'<span class="fr-about fr-muted">{plain(row.config.dataset.title)} · seed {row.config.seed}</span>'
    return f'<div class="fr-run">{thumb(row)}<h1>{plain(row.title)}</h1>{about}{state_mark(row.state)}{steps}</div>'


def _change(run: Run) -> None:
    """Another run to look at, by title or name."""
    titles = {row.name: row.title for row in summaries()}
    chosen = st.selectbox(
        "Change run", [name for name in titles if name != run.name], None, label_visibility="collapsed",
        format_func=lambda name: name if titles[name] == name else f"{one_line(titles[name])} · {name}",
        placeholder="Change run", key=f"change-{run.name}", width=180,
    )  # fmt: skip
    if chosen:
        st.query_params["run"] = chosen
        st.rerun()


def _keep(run: Run, row: Summary) -> None:
    """Star, name, note and trash, which a run that came with the program does not have."""
    if run.shipped:
        st.caption("This run came with the program, so it keeps its name and its place. A branch of it is yours.")
        return
    if row.note:
        st.text(row.note)
    with st.container(horizontal=True, vertical_alignment="center"):
        star_button(RUN, row)
        if st.button("Name and note", key=f"name-{run.name}"):
            name_dialog(run)
        busy = row.state in HELD
        wanted = st.button(
            "Move to trash", key=f"trash-{run.name}", disabled=busy, help="Stop it first." if busy else None
        )
        if wanted and trash(RUN, row, then=HOME):
            st.switch_page(page("home"))


def controls(run: Run) -> None:
    """The row under the figure; what it offers depends on the state."""
    if run.shipped:
        columns = st.columns([1.1, 4], vertical_alignment="center")
        with columns[0]:
            _branch(run)
        columns[1].caption(
            "A recorded run. Branch from any of its snapshots to go on from there, with a β of your own."
        )
    elif run.state in LIVE:
        _live(run)
        _waits(run)
    else:
        _ended(run)
    if begun := heat_of(run):
        _race(run, begun)


def _waits(run: Run) -> None:
    """What is trained while a run is in the queue."""
    if run.state == "queued" and (sentence := queued_behind(run)):
        st.caption(sentence)


def _race(run: Run, begun: Heat) -> None:
    """The way to the race that a run is in, and what its buttons do to the others."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.state != "done":
            st.caption(
                "A run of a race: Pause, Resume, Stop and the pace hold for all that train as one with it.",
                width="content",
            )
        st.page_link(page("race"), label="Its race", query_params={"race": begun.name})


def _live(run: Run) -> None:
    columns = st.columns([0.9, 0.7, 2.1, 2.1, 1.3, 1.2], vertical_alignment="center")
    paused = run.state == "paused"
    queued = run.state == "queued"
    if columns[0].button(
        "Resume" if paused else "Pause", width="stretch", key=f"hold-{run.name}", disabled=queued,
        help="It is in the queue." if queued else None,
    ):  # fmt: skip
        _post(run, Resume() if paused else Pause())
    if columns[1].button("Stop", width="stretch", key=f"stop-{run.name}"):
        _post(run, Stop())
    with columns[2]:
        _pace(run)
    with columns[3]:
        _beta(run)
    if columns[4].button("Back to plan", width="stretch", help="β follows the run's own schedule again."):
        _post(run, SetBeta(schedule=config_of(run).beta))
    with columns[5]:
        _branch(run)


def _pace(run: Run) -> None:
    """How long the run is spread over; the pace it has is the one with a border."""
    key = f"pace-{run.name}"
    now = st.session_state.get(key, run.status().pace)

    def post(seconds: float) -> None:
        st.session_state[key] = seconds  # the worker's own word comes a moment later
        _post(run, Pace(seconds=seconds))

    with st.container(horizontal=True, gap="xxsmall"):
        for name, seconds in PACES.items():
            kind = "secondary" if now == seconds else "tertiary"
            st.button(name, type=kind, key=f"{key}-{name}", help=_spread(seconds), on_click=post, args=(seconds,))


def _spread(seconds: float) -> str:
    return f"The whole run in about {seconds:.0f} s." if seconds else "As fast as this computer can."


def _beta(run: Run) -> None:
    """β for the rest of the run; the slider speaks only when it is moved."""
    key = f"beta-{run.name}"
    config = config_of(run)
    planned = min(2.0, config.beta(config.steps))

    def post() -> None:
        _post(run, SetBeta(schedule=Constant(value=float(st.session_state[key]))))

    st.slider("β from now on", 0.0, 2.0, planned, 0.01, key=key, on_change=post, format="set β = %.2f",
              label_visibility="collapsed", help="Moves the running model. 1 is the ELBO itself.")  # fmt: skip


def _ended(run: Run) -> None:
    step, steps = run.status().step, config_of(run).steps
    columns = st.columns([1, 1.1, 4] if step < steps else [1.1, 5], vertical_alignment="center")
    if step < steps and columns[0].button("Resume", width="stretch", key=f"again-{run.name}"):
        with told():
            resume(run)
            ensure_engine(store())
            st.rerun()
    with columns[-2]:
        _branch(run)
    columns[-1].caption(safe(run.message) if run.message else f"{step:,} of {steps:,} steps are trained.")


def _branch(run: Run) -> None:
    """A new run from a step of this one, with another β from there."""
    with st.popover("Branch here", width="stretch"):
        kept = points(run)
        if not kept:
            st.caption("The run has no checkpoint or snapshot yet.")
            return
        config = config_of(run)
        step = st.select_slider(
            "From step", list(kept), max(kept), format_func=lambda at: f"{at:,}", key=f"from-{run.name}"
        )
        beta = st.number_input("β from there", 0.0, 1000.0, 1.0, 0.1, key=f"branch-beta-{run.name}")
        steps = st.number_input(
            "Steps in all", 1, 10_000_000, max(config.steps, step + config.steps // 2), key=f"more-{run.name}"
        )
        st.caption("With the optimiser's state." if kept[step] else "From a snapshot: the optimiser starts fresh.")
        if st.button("Start the branch", type="primary", key=f"go-{run.name}"):
            with told():
                changed = type(config).model_validate(config.model_copy(update={"steps": int(steps)}))
                child = branch(run, step, store(), config=changed, beta=Constant(value=beta), pace=PACES["Lesson"])
                ensure_engine(store())
                st.switch_page(page("watch"), query_params={"run": child.name})


def _post(run: Run, command: Command) -> None:
    with told():
        post(run, command)
