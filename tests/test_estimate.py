"""The estimate of a run's time follows what a step has to do: here a clock counts the work instead of seconds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vae_core.config import RunConfig
from vae_core.datasets import LinearGaussian
from vae_core.nets import Mlp
from vae_core.objectives import Iwae
from vae_core.training import estimate
from vae_core.training.estimate import seconds_per_step
from vae_core.vae import VAE

BATCH = 16


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def few(**changes: Any) -> RunConfig:
    """A net that no step is written out for."""
    net = Mlp(widths=(8,), activation="gelu")
    return RunConfig(**({"dataset": LinearGaussian(size=100), "net": net, "latent": 2, "batch": BATCH} | changes))


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the clock be the number of rows that a method of the VAE was given so far."""
    rows, method = [0], getattr(VAE, name)

    def count(vae: VAE, given: torch.Tensor, *others: Any) -> Any:
        rows[0] += len(given)
        return method(vae, given, *others)

    monkeypatch.setattr(VAE, name, count)
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: float(rows[0]))


@pytest.mark.parametrize("samples", [1, 7])
def test_as_many_codes_as_an_image_has_are_decoded(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, "decode")
    assert seconds_per_step(few(objective=Iwae(samples=samples))) == samples * BATCH


@pytest.mark.parametrize("ahead", [1, 5, 20])
def test_an_encoder_that_runs_ahead_takes_its_own_steps(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, "encode")
    assert seconds_per_step(few(encoder_steps=ahead)) == (BATCH if ahead == 1 else (ahead + 1) * BATCH)


@pytest.mark.parametrize(("batch", "rows"), [(0, 100), (1, 1), (64, 64), (1000, 100)])
def test_no_batch_is_larger_than_the_data(batch: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, "encode")
    assert seconds_per_step(few(batch=batch)) == rows


def test_the_estimate_of_a_step_that_is_written_out_is_a_time() -> None:
    assert 0 < seconds_per_step(RunConfig(steps=1)) < 60
