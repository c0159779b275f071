"""What diagnostics cost: `python -m benchmarks.diagnostics [EPOCHS]`. One thread; MNIST (see VAE_DATA_DIR) and digits.

First each of them on N = 1,000 images of MNIST with d = 50 latents (MLP 784-400-50, untrained), the median of many
calls, and beside it what it is as a multiple of one training step of that model. Then the share that measuring and
writing down take of whole trainings at the default cadence: MNIST, MLP 784-400-20, for EPOCHS (20), and the headline
run on digits.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vae_core import diagnostics
from vae_core.config import RunConfig
from vae_core.datasets import Mnist
from vae_core.diagnostics import DIAGNOSTICS, encode
from vae_core.evaluation import measure
from vae_core.nets import Mlp
from vae_core.presets import preset
from vae_core.report import report
from vae_core.report.making import LEVELS, THRESHOLDS
from vae_core.runs import RunStore
from vae_core.schedules import Warmup
from vae_core.training import recorder, train
from vae_core.training.process import set_up
from vae_core.training.recorder import Recorder

BATCH, LATENT = 128, 50
OF_CODES = (
    diagnostics.mutual_information, diagnostics.mutual_information_bracket, diagnostics.polarised_regime,
    diagnostics.sigma_per_dimension, diagnostics.kl_per_dimension, diagnostics.active_units,
    diagnostics.collapsed_fraction,
)  # fmt: skip
OF_NETWORKS = (
    diagnostics.elbo, diagnostics.shuffle_cost, diagnostics.zeroing_cost, diagnostics.decoder_response,
    diagnostics.dead_units, diagnostics.encoder_signal,
)  # fmt: skip
CURVES = (
    lambda e: diagnostics.kl_quantiles(e, torch.tensor(LEVELS)),
    lambda e: diagnostics.active_units_curve(e, torch.tensor(THRESHOLDS)),
    lambda e: diagnostics.collapsed_curve(e, torch.tensor(THRESHOLDS)),
    lambda e: diagnostics.dead_units(e, "encoder"),
    lambda e: diagnostics.silent_units(e, e.vae.decoder),
    lambda e: diagnostics.decoder_responses(e, e.vae.decoder),
)


def median(function: Callable[[], Any], times: int = 15) -> float:
    """Milliseconds."""
    function()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        function()
        taken.append(time.perf_counter() - begun)
    return 1e3 * sorted(taken)[times // 2]


def each() -> None:
    """One line for each diagnostic, for what a worker logs at an evaluation, and for the whole report."""
    config = RunConfig(
        dataset=Mnist(), net=Mlp(widths=(400,), activation="relu"), latent=LATENT, batch=BATCH, steps=20, threads=1
    )
    train_split, test = config.dataset.load()
    vae = config.build(train_split.images).eval()
    e = encode(vae, test.images[:1000])
    step = 1e3 * seconds_of_a_step(config)
    for function in (*OF_CODES, *OF_NETWORKS):
        show(function.__name__, median(lambda function=function: function(e)), step)
    whole = (*OF_CODES[1:], *CURVES, *OF_NETWORKS)  # the first is the lower end of the second
    show("every one of them, once", median(lambda: [function(e) for function in whole]), step)
    show("all that a worker logs", median(lambda: [function(e) for function in DIAGNOSTICS]), step)
    show("an evaluation, bound included", median(lambda: measure(e)), step)
    with tempfile.TemporaryDirectory() as folder:
        run = RunStore(Path(folder)).create(config)
        train(str(run.path))
        show("a report, of a run on disk", median(lambda: report(run), 7), step)


def seconds_of_a_step(config: RunConfig) -> float:
    """One update, logging aside."""
    from vae_core.training.estimate import seconds_per_step

    return min(seconds_per_step(config) for _ in range(3))


def show(name: str, milliseconds: float, step: float) -> None:
    """One line."""
    print(f"{name:32} {milliseconds:8.2f} ms  {milliseconds / step:7.2f} training steps")


def shares(name: str, config: RunConfig) -> None:
    """Train, and say which share of the time went into what."""
    spent: dict[str, float] = {}
    undo = [
        timed(recorder, "measure", spent), timed(recorder, "_gradient_norm", spent),
        timed(Recorder, "evaluate", spent), timed(Recorder, "step", spent), timed(Recorder, "checkpoint", spent),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run = RunStore(Path(folder)).create(config)
        begun = time.perf_counter()
        train(str(run.path))
        total = time.perf_counter() - begun
    for restore in undo:
        restore()
    parts = {f"{part}_percent": round(100 * seconds / total, 2) for part, seconds in spent.items()}
    print(json.dumps({"run": name, "seconds": round(total, 1), "evaluations": len(config.evaluations()), **parts}))


def timed(owner: Any, name: str, spent: dict[str, float]) -> Callable[[], None]:
    """Count the time that a function takes; returns what undoes this."""
    function = getattr(owner, name)

    def counted(*arguments: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - begun

    setattr(owner, name, counted)
    return lambda: setattr(owner, name, function)


def main(epochs: int) -> None:
    """Costs, then shares; an evaluation's share includes that of `measure`, a row's that of the gradient norms."""
    set_up(1)
    torch.manual_seed(0)
    each()
    shares("digits-annealed", preset("digits-annealed").config)
    steps = epochs * (60_000 // BATCH)
    net = Mlp(widths=(400,), activation="relu")
    shares(
        f"mnist 784-400-20, {epochs} epochs",
        RunConfig(
            dataset=Mnist(), net=net, latent=20, batch=BATCH, steps=steps, learning_rate=1e-3, threads=1,
            beta=Warmup(steps=2000),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 20)
