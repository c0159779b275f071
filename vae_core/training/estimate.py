"""How long a run will take here: a few steps of the real thing, timed."""

from __future__ import annotations

import time

import torch

from vae_core.config import RunConfig
from vae_core.training.fit import adam, train_step

TRIALS = 5


def seconds_per_step(config: RunConfig) -> float:
    """Seconds of one update of this model on this machine's CPU, from a few steps on made images.

    An estimate: one thread of a warm process, without logging; other work on the machine stretches it.
    """
    shape = config.dataset.shape
    batch = min(config.batch or config.dataset.sizes[0], config.dataset.sizes[0])
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, shape.top + 1, (batch, *shape[:3]), dtype=torch.uint8, generator=generator)
    vae = config.build(images)
    optimiser = adam(vae, config)
    times = []
    for _ in range(TRIALS):
        begun = time.perf_counter()
        train_step(vae, optimiser, config.objective, vae.prepare(images, generator), 1.0, generator)
        times.append(time.perf_counter() - begun)
    return sorted(times)[TRIALS // 2]
