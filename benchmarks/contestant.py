"""Ours, for speed comparisons: `make(data, shape)` gives an object that trains by epochs, with all logging on."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import torch

from vae_core.config import RunConfig
from vae_core.datasets import Mnist
from vae_core.diagnostics import elbo, encode
from vae_core.likelihoods import Bernoulli
from vae_core.nets import Conv, Mlp
from vae_core.runs import RunStore
from vae_core.spec import Split
from vae_core.training import Step, adam, fit
from vae_core.training.course import Course
from vae_core.training.process import set_up
from vae_core.training.recorder import Recorder

LOGGED_EPOCHS = 20
LONGEST = 1000


class Contestant:
    """One long-lived `fit`, recorded as a run of 20 epochs would be: rows, evaluations, frames, checkpoints."""

    def __init__(self, data: SimpleNamespace, shape: SimpleNamespace) -> None:
        set_up(torch.get_num_threads())
        side = round(data.train.shape[1] ** 0.5)
        self.train, self.test = (Split(part.view(-1, 1, side, side)) for part in (data.train, data.test))
        self.steps = len(self.train) // shape.batch
        self.batch = shape.batch
        net = Conv() if shape.kind == "conv" else Mlp(widths=(400,), activation="relu")
        logged = LOGGED_EPOCHS * self.steps
        config = RunConfig(
            dataset=Mnist(), net=net, likelihood=Bernoulli(binarise="never"), latent=shape.latent, batch=shape.batch,
            learning_rate=1e-3, seed=shape.seed, threads=torch.get_num_threads(), steps=LONGEST * self.steps,
            log_every=max(1, logged // 100), evaluate_every=max(1, logged // 25), checkpoint_every=max(1, logged // 10),
        )  # fmt: skip
        self.folder = tempfile.TemporaryDirectory()
        run = RunStore(Path(self.folder.name)).create(config)
        self.vae = config.build(self.train.images, self.train.shape)
        optimiser = adam(self.vae, config)
        course = Course(run)
        self.recorder = Recorder(run, self.vae, optimiser, self.train, self.test, course)
        self.recorder.boundary(0)
        self.fit: Iterator[Step] = fit(self.vae, self.train.images, config, beta=course, optimiser=optimiser)

    def epoch(self) -> int:
        """Train one more epoch; returns the images trained on."""
        for step in itertools.islice(self.fit, self.steps):
            self.recorder.step(step)
            self.recorder.boundary(step.index + 1)
        return self.steps * self.batch

    def elbo(self) -> float:
        """Mean negative ELBO of the test images, in nats."""
        self.vae.eval()
        value = -float(elbo(encode(self.vae, self.test.images)).value().mean())
        self.vae.train()
        return value


def make(data: SimpleNamespace, shape: SimpleNamespace) -> Contestant:
    """`data.train`, `data.test`: uint8 [n, 784]; `shape`: kind ("mlp" or "conv"), batch, latent, seed."""
    return Contestant(data, shape)
