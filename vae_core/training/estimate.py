"""How long a run will take here: a few steps of the real thing, timed."""

from __future__ import annotations

import time
from itertools import pairwise

import torch

from vae_core.config import RunConfig
from vae_core.training.fit import fit

TRIALS = 5


def seconds_per_step(config: RunConfig) -> float:
    """Seconds of one update of this model on this machine's CPU, from a few steps on made images.

    An estimate: one thread of a warm process, without logging; other work on the machine stretches it. An encoder that
    runs ahead is taken to do so to the end, which is the longest that it can take.
    """
    shape, size = config.dataset.shape, config.dataset.sizes[0]
    count = min(TRIALS * (config.batch or size), size)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, shape.top + 1, (count, *shape[:3]), dtype=torch.uint8, generator=generator)
    few = config.model_copy(update={"steps": TRIALS})
    times = [time.perf_counter()]
    times += [time.perf_counter() for _ in fit(few.build(images), images, few)]
    return sorted(after - before for before, after in pairwise(times))[TRIALS // 2]
