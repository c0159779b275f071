"""Ways on: which link stands at the foot of a page."""

from __future__ import annotations

from ui.data import summaries, summary
from ui.parts import next_step, safe
from vae_core.opened import Opened
from vae_core.runs import LIVE, Run

SLOW = 0.25  # of the run: a warm-up shorter than this is not called slow


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
    """To what it learned; where it learned nothing, or has not ended, to another training, with what to change."""
    row = summary(run)
    if Opened.of(run) or (row.state not in LIVE and row.measured and row.in_use):
        next_step("Touch what it learned", "latent", run=run.name)
        return
    label, preset = advice(run)
    next_step(label, "train", **({"preset": preset} if preset else {}))


def advice(run: Run) -> tuple[str, str]:
    """What to try after this run, and the example that does it; no example while it is not known how the run ends."""
    row = summary(run)
    config = row.config
    if row.state in LIVE or not row.measured:
        return "Train another", ""
    data = "mnist" if config.dataset.kind == "mnist" else "digits"
    if row.in_use:
        rises = config.beta(0) < 1
        return ("Try β = 1 from the start", f"{data}-collapsed") if rises else ("See β rise slowly", f"{data}-annealed")
    if config.beta(round(SLOW * config.steps)) < 1:
        return "Try a net that needs no cure", "digits-healthy"
    return "Start again with β rising slowly", f"{data}-annealed"
