"""Ways on: which link stands at the foot of a page."""

from __future__ import annotations

import contextlib

from ui.data import store, summaries, summary
from ui.parts import next_step, safe
from vae_core.opened import Opened
from vae_core.runs import LIVE, Run
from vae_core.spec import InputError
from vae_core.verdicts import Verdict

TOUCH = "Touch what it learned"


def cured_run(run: Run) -> str:
    """The name of the run that this one is the cure of; empty if it is none's, or that one is gone."""
    match run.origin:
        case {"cure_of": str(name)}:
            with contextlib.suppress(InputError):
                return store()[name].name
    return ""


def after_train() -> None:
    """To the newest run."""
    newest = next(iter(summaries()), None)
    if newest is None:
        return
    if newest.shipped:
        next_step("Watch a recorded run", "watch", run=newest.name)
    else:
        next_step(f"Watch the newest run, {safe(newest.title)}", "watch", run=newest.name)


def after_watch(run: Run) -> None:
    """To what it learned; where it learned nothing, to the reason; while that is not known, to another training."""
    row = summary(run)
    if Opened.of(run) or (row.state not in LIVE and row.measured and row.in_use):
        next_step(TOUCH, "latent", run=run.name)
    elif row.state not in LIVE and row.measured:
        next_step("See why it collapsed", "collapse", run=run.name)
    else:
        next_step("Train another", "train")


def after_collapse(run: Run, said: Verdict | None) -> None:
    """Where the code is in use, to the code; where there is none, to a race of its kind; else to what is known.

    A cure that worked is put beside what it cured.
    """
    ill = cured_run(run)
    if said is not None and ill and said.kind in ("healthy", "healthy-unused"):
        next_step("See it beside the run it cured", "compare", run=[ill, run.name])
    elif said is None or (said.kind == "too-early" and run.state in LIVE):
        next_step("Watch it learn", "watch", run=run.name)
    elif said.kind == "optimal":
        next_step("Race where no schedule helps", "race", kind="no-help")
    elif said.kind in ("stuck", "dead") or (said.kind == "too-early" and said.cure is not None):
        next_step("Watch a race: who escapes?", "race")
    else:
        next_step(TOUCH, "latent", run=run.name)
