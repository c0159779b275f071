"""Training speed side by side: `python -m benchmarks.peers [mlp|conv] [epochs]`. Needs MNIST.

Each contestant lives in a process of its own; only one trains at a time. In each round all train one epoch, in a
shuffled order; the figure is the median over the rounds of the ratio within the round, which survives a noisy machine.
Ours logs, evaluates and writes checkpoints as in a run of 20 epochs, densely in the first three: 20 rounds are the
whole of it, and "whole_run" is the ratio of the total times.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing as mp
import random
import statistics
import sys
import time
from multiprocessing.connection import Connection
from types import SimpleNamespace

CONTESTANTS = {
    "resident": "benchmarks.resident:make",
    "resident, flushed": "benchmarks.resident:make_flushed",
    "ours": "benchmarks.contestant:make",
}


def contest(where: str, kind: str, images: int, pipe: Connection) -> None:
    """The body of a contestant's process: one epoch for each request."""
    import torch

    from vae_core.datasets import Mnist

    torch.set_num_threads(2)
    module, function = where.split(":")
    train, test = Mnist().load()
    data = SimpleNamespace(train=train.images[:images].flatten(1), test=test.images.flatten(1))
    shape = SimpleNamespace(kind=kind, batch=128, latent=20 if kind == "mlp" else 10, seed=0)
    contestant = getattr(importlib.import_module(module), function)(data, shape)
    pipe.send("ready")
    while pipe.recv():
        begun = time.perf_counter()
        trained = contestant.epoch()
        pipe.send((trained / (time.perf_counter() - begun), contestant.elbo()))


def main(kind: str = "mlp", rounds: int = 20) -> None:
    """Print rates, ratios and the ELBO reached."""
    context = mp.get_context("spawn")
    pipes = {}
    for name, where in CONTESTANTS.items():
        pipes[name], far = context.Pipe()
        images = 60_000 if kind == "mlp" else 5_120
        context.Process(target=contest, args=(where, kind, images, far), daemon=True).start()
        pipes[name].recv()
    rates: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    bounds: dict[str, float] = {}
    for number in range(rounds + 1):
        for name in random.Random(number).sample(list(CONTESTANTS), len(CONTESTANTS)):
            pipes[name].send(True)
            rate, bounds[name] = pipes[name].recv()
            rates[name] += [rate] * (number > 0)  # the first epoch warms up
    for pipe in pipes.values():
        pipe.send(False)
    report(kind, rates, bounds)


def report(kind: str, rates: dict[str, list[float]], bounds: dict[str, float]) -> None:
    """One JSON line for each contestant."""
    for name, own in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(rates["ours"], own, strict=True)]
        line = {"kind": kind, "contestant": name, "images_per_s": round(statistics.median(own))}
        line |= {"ours_over_it": round(statistics.median(ratios), 2), "lowest": round(min(ratios), 2)}
        line["whole_run"] = round(sum(1 / rate for rate in own) / sum(1 / rate for rate in rates["ours"]), 3)
        print(json.dumps(line | {"highest": round(max(ratios), 2), "negative_elbo": round(bounds[name], 2)}))


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(text) for text in sys.argv[2:3]))
