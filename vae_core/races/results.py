"""What a heat's runs came to: the numbers of `evaluate` beside each run, and the results that a race is held to."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

from vae_core.diagnostics import prepare_once
from vae_core.evaluation import baseline, evaluate
from vae_core.races.heats import Heat
from vae_core.races.running import IMAGES, SAMPLES, Race, Result
from vae_core.runs import Run
from vae_core.spec import InputError, atomic_write

FILE = "evaluation.json"
MEASURING = 60.0  # seconds in which whoever trained a run measures it
TRIES = 3


def write_evaluation(run: Run) -> None:
    """Measure the newest model of a run on the whole test split, and write the numbers beside it, nats per image.

    `baseline` is the ELBO of a model without a code; the rest as in `evaluation.evaluate`, with K = 100 on 500 images.
    """
    atomic_write(run.path / FILE, json.dumps({"tries": _tries(run) + 1}).encode(), durable=False)
    step, vae = run.model()
    training, test = run.config.dataset.load()
    likelihood = vae.likelihood
    numbers = evaluate(vae, test, SAMPLES, IMAGES)
    x = prepare_once(vae, likelihood.once(test.images, test.top))
    alone = baseline(likelihood, likelihood.once(training.images, training.top), x, training.top)
    atomic_write(run.path / FILE, json.dumps({**numbers, "baseline": alone, "step": step}).encode())


def evaluation(run: Run) -> dict[str, Any]:
    """The numbers of `write_evaluation`; empty before there are any of the run's last step."""
    numbers = _written(run)
    return numbers if numbers.get("step") == run.config.steps else {}


def _written(run: Run) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        numbers = json.loads((run.path / FILE).read_bytes())
        if isinstance(numbers, dict):
            return numbers
    return {}


def _tries(run: Run) -> int:
    """How often somebody has begun to measure it, and has not come to an end."""
    tries = _written(run).get("tries", 0)
    return tries if isinstance(tries, int) else 0


def results(heat: Heat) -> list[Result]:
    """Of each run that was evaluated, and whose weights can be read, in order of the lanes."""
    found = []
    for lane, run in heat.entries():
        if numbers := evaluation(run):
            with contextlib.suppress(InputError):
                found.append(Result(lane, run.config, run.model()[1], numbers, numbers["baseline"]))
    return found


def missing(heat: Heat, race: Race) -> list[str]:
    """The lanes of a race that have no run in a heat of it: without them its prediction cannot be checked."""
    here = {lane for lane, _ in heat.entries()}
    return [lane.name for lane in race.lanes if lane.name not in here]


def is_awaited(run: Run) -> bool:
    """Whether the numbers of a run that is done are still to come: they are not after three tries that came to none."""
    return not evaluation(run) and (_tries(run) < TRIES or run.locked())


def neglected(heat: Heat) -> list[Run]:
    """The runs that are done and that nobody measures: what trained them died in between. Queue them once more."""
    return [run for _, run in heat.entries() if _is_neglected(run)]


def _is_neglected(run: Run) -> bool:
    status = run.status()
    late = status.state == "done" and time.time() - status.heartbeat > MEASURING
    return late and not evaluation(run) and _tries(run) < TRIES and not run.locked()


def evaluate_members(runs: list[Run]) -> None:
    """Measure those that are done and were not measured yet."""
    for run in runs:
        with contextlib.suppress(InputError, OSError):  # removed, or its weights are bad: the page says so
            if run.status().state == "done" and not evaluation(run):
                write_evaluation(run)
