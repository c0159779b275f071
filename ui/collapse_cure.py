"""What to do about a verdict: a cure is a config, which one button trains; where there is none, the page says so."""

from __future__ import annotations

import re

import streamlit as st

from ui.controls import PACES
from ui.data import config_of, store
from ui.host import ensure_engine
from ui.parts import page, told
from vae_core.config import OpenedConfig, RunConfig
from vae_core.report import words
from vae_core.runs import LIVE, Run
from vae_core.verdicts import Kind, Verdict

CURED = re.compile(r"-cured(-\d+)?$")
LONGEST_STEM = 50
TRIED = "Nothing that is known here: it was trained as every cure says. Try another seed or net."
RESUME = "Let it go on: Resume is on its Watch page"
OTHER = "Nothing needs a cure. For a code in use, ask for another objective"
NONE: dict[Kind, str] = {
    "healthy": "Nothing: there is nothing to cure.",
    "healthy-unused": "Nothing: there is nothing to cure.",
    "optimal": "Nothing: there is nothing to cure, for no change of β makes a code worth its price here.",
    "cannot-tell": "No cure is known, because the cause is not.",
    "stuck": TRIED,
    "dead": TRIED,
}


def what_to_do(run: Run, said: Verdict) -> None:
    """The cure and the button that starts it; where there is none, a sentence."""
    st.subheader("What to do", anchor=False)
    config, cure = config_of(run), said.cure
    if can_go_on(run):
        st.page_link(page("watch"), label=RESUME, query_params={"run": run.name})
    elif cure is None:
        st.markdown(without_cure(run, said))
    if cure is None:
        return
    optimal = said.kind == "optimal"
    if optimal:
        st.markdown(f"{OTHER}:")
    label = words.again(config, cure).removesuffix(".")
    if st.button(label, type="secondary" if optimal else "primary", key=f"cure-{run.name}"):
        _start(run, cure)
    waits = " It waits until this run has ended." if run.state in LIVE else ""
    st.caption(about(config, cure) + waits)


def in_words(run: Run, said: Verdict) -> str:
    """All of it as sentences, for paper."""
    config, cure = config_of(run), said.cure
    if cure is None:
        return f"{RESUME}." if can_go_on(run) else without_cure(run, said)
    first = f"{OTHER}: " if said.kind == "optimal" else f"{RESUME}. " if can_go_on(run) else ""
    return f"{first}{words.again(config, cure)} {about(config, cure)}"


def can_go_on(run: Run) -> bool:
    """Whether the run has ended before its last step."""
    status, config = run.status(), config_of(run)
    ended = run.state in LIVE or run.state == "done" or isinstance(config, OpenedConfig)
    return status.step < config.steps and not ended


def without_cure(run: Run, said: Verdict) -> str:
    """What is said where no other config is known to help."""
    more = "Let it go on." if run.state in LIVE else "Nothing at this step: move on to a later one."
    return NONE.get(said.kind, more)


def about(config: RunConfig, cure: RunConfig) -> str:
    """The rest of the new run: what the label does not tell, and what stays."""
    longer = f", {cure.steps:,} steps instead of {config.steps:,}" if cure.steps != config.steps else ""
    model = (cure.likelihood, cure.net) != (config.likelihood, config.net)
    stays = "data and seed" if model else "data, model and seed"
    return f"A new run{longer}; {stays} stay as they are."


def _start(run: Run, cure: RunConfig) -> None:
    """A run of one's own, paced as any that is started from a page; then to where it can be watched."""
    with told():
        made = store().create(cure, stem=cured_stem(run.name), pace=PACES["Lesson"], origin={"cure_of": run.name})
        ensure_engine(store())
        st.switch_page(page("watch"), query_params={"run": made.name})


def cured_stem(name: str) -> str:
    """What the cured run is called; the cure of a cure has no longer name."""
    return CURED.sub("", name)[:LONGEST_STEM] + "-cured"
