"""The recorder: everything a run writes down about its numbers. What it writes depends on config and journal alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from vae_core import frames, records
from vae_core.checkpoints import BadCheckpoint, save_checkpoint, save_snapshot
from vae_core.config import RunConfig
from vae_core.diagnostics import PAIRS, encode_prepared, prepare_once
from vae_core.evaluation import baseline, measure
from vae_core.runs import Run
from vae_core.spec import Split
from vae_core.training.course import Course
from vae_core.training.fit import Step
from vae_core.vae import VAE


class NonFinite(ArithmeticError):
    """The loss or a test number stopped being a number, at this step."""

    def __init__(self, step: int, what: str) -> None:
        self.step = step
        super().__init__(f"{what} is not finite at step {step:,}")


def forget_after(run: Run, step: int) -> None:
    """Cut off the rows that a run resumed after `step` updates will write again."""
    path = run.path / "metrics.jsonl"
    records.cut(path, lambda row: row["step"] < step or (row["step"] == step and row["split"] == "test"))


class Recorder:
    """Writes rows, evaluations, snapshots, frames and checkpoints of one run."""

    def __init__(self, run: Run, vae: VAE, optimiser: Adam, train: Split, test: Split, course: Course) -> None:
        self.run, self.vae, self.optimiser, self.course = run, vae, optimiser, course
        self.config: RunConfig = run.config
        count = min(PAIRS, len(test))
        labels = None if test.labels is None else test.labels[:count]
        self._train = train
        self._test = Split(vae.likelihood.once(test.images[:count], test.top), labels, test.top)
        self._seen = prepare_once(vae, self._test.images)  # binarised once for the whole run
        self._shown = frames.chosen(self._test)
        self._evaluations = set(self.config.evaluations())
        self._snapshots = set(self.config.snapshots())
        self._frames = frames.steps(self.config.evaluations())
        self._budget = frames.BUDGET * 9 // 10 // len(self._frames)
        self._log = records.Log(run.path / "metrics.jsonl")

    def step(self, step: Step) -> None:
        """The row of a training batch, at the config's cadence; stops the run at the first non-finite loss."""
        finite = math.isfinite(step.loss)
        if finite and not self.config.logs(step.index):
            return
        kl = step.elbo.kl.mean(0)
        reconstruction, total = float(step.elbo.log_likelihood.mean()), float(kl.sum())
        row: dict[str, Any] = {"step": step.index, "split": "train", "beta": step.beta, "elbo": reconstruction - total}
        row |= {"reconstruction": reconstruction, "kl": total, "loss": float(step.loss)}
        row |= {"learning_rate": self.config.rate(step.index)}
        row |= {f"gradient_norm_{name}": _gradient_norm(getattr(self.vae, name)) for name in ("encoder", "decoder")}
        row["kl_per_dimension"] = kl.tolist()
        self._log.append(row)
        if not finite:
            raise NonFinite(step.index, "the loss")

    def boundary(self, step: int) -> None:
        """What is due after `step` updates: evaluation with its frame and snapshot, then a checkpoint."""
        if step in self._evaluations:
            self.evaluate(step)
        if step and (step % self.config.checkpoint_every == 0 or step == self.config.steps):
            self.checkpoint(step)

    def evaluate(self, step: int) -> None:
        """Measure the test images, with the same noise each time, and keep what replay needs."""
        e = encode_prepared(self.vae, self._seen, self._test.labels)
        row = {"step": step, "split": "test", "beta": self.course.before(step), **measure(e)}
        if step == 0:
            top = self._train.top
            train = self.vae.likelihood.once(self._train.images, top)
            row["baseline"] = baseline(self.vae.likelihood, train, e.images, top)
            frames.write_inputs(self._folder("frames"), self._test, e)
        self._log.append(row)
        if not math.isfinite(row["elbo"]):
            raise NonFinite(step, "the test ELBO")
        if step in self._frames:
            frames.write_frame(self._folder("frames"), step, self.vae, e, self._shown, self._budget)
        if step in self._snapshots:
            save_snapshot(self._folder("snapshots") / f"{step:08d}.safetensors", step, self.vae)

    def checkpoint(self, step: int, asked: bool = False) -> None:
        """Write the full state, unless a number in it is not finite."""
        try:
            save_checkpoint(self._folder("checkpoints"), step, self.vae, self.optimiser, asked)
        except BadCheckpoint:
            raise NonFinite(step, "the model") from None

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()

    def _folder(self, name: str) -> Path:
        return self.run.path / name


def _gradient_norm(module: torch.nn.Module) -> float:
    gradients: list[Tensor] = [p.grad for p in module.parameters() if p.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
