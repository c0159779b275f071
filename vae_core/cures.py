"""Cures: a run's config, changed in the one thing that would have kept its code."""

from __future__ import annotations

from typing import Any

from vae_core.config import RunConfig
from vae_core.likelihoods import Gaussian
from vae_core.nets import Mlp
from vae_core.schedules import Delayed, Warmup

# A rise over fewer steps did not rescue every net that one over so many did; deep nets need a time at β = 0 before it.
RISE, DELAY = 1000, 800
FACTOR = 10
FINISHES = 64
MOST = 10_000_000
TIMING = ("beta", "steps")
LOOKS = 1000  # steps at which two schedules are compared


def slower(config: RunConfig, *, delayed: bool = False) -> RunConfig:
    """β rises over half the steps and at least 1,000; `delayed`: only after a quarter of them at β = 0."""
    if delayed:
        steps = max(config.steps, 4 * DELAY)
        return changed(config, steps=steps, beta=Delayed(wait=steps // 4, ramp=steps // 4))
    steps = max(config.steps, 2 * RISE)
    return changed(config, steps=steps, beta=Warmup(steps=steps // 2))


def gentler(config: RunConfig) -> RunConfig:
    """A tenth of the learning rate, and no more than 0.004."""
    return changed(config, learning_rate=min(config.learning_rate / FACTOR, 4e-3))


def smoother(config: RunConfig) -> RunConfig | None:
    """The same layers with tanh, which were seen to keep their code at depths where others lose it; β rises slowly.

    None for a net that has tanh already, or has no choice of it.
    """
    if not isinstance(config.net, Mlp) or config.net.activation == "tanh":
        return None
    return changed(slower(config), net=config.net.model_copy(update={"activation": "tanh", "gain": 1.0}))


def untried(config: RunConfig, *cures: RunConfig | None) -> RunConfig | None:
    """The first of these cures that is not what the run was trained by, or less than that; None if all are."""
    return next((cure for cure in cures if cure is not None and _new(config, cure)), None)


def _new(config: RunConfig, cure: RunConfig) -> bool:
    """Whether a cure changes more than β and the number of steps, or has a lower β at some step."""
    fields = [name for name in type(config).model_fields if not name.endswith("_every") and name not in TIMING]
    if any(getattr(config, name) != getattr(cure, name) for name in fields):
        return True
    return any(cure.beta(step) < config.beta(step) for step in range(0, cure.steps, max(1, cure.steps // LOOKS)))


def longer(config: RunConfig) -> RunConfig:
    """Three times the steps."""
    return changed(config, steps=min(3 * config.steps, MOST))


def finished(config: RunConfig) -> RunConfig:
    """Half as many steps again as the schedule needs to reach 1; a schedule that never does rises to it instead."""
    for times in range(1, FINISHES + 1):
        if config.beta(times * config.steps) >= 0.995:
            return changed(config, steps=min(3 * times * config.steps // 2, MOST))
    return slower(config)


def quieter(config: RunConfig, eigenvalue: float) -> RunConfig | None:
    """The change that makes a code worth its price: a σ² of a tenth of the eigenvalue, and β = 1; None if none does."""
    now = config.likelihood
    if isinstance(now, Gaussian) and now.noise == "fixed" and now.sigma**2 > eigenvalue / FACTOR:
        sigma = max(1e-3, float(f"{(eigenvalue / FACTOR) ** 0.5:.2g}"))
        return changed(slower(config), likelihood=Gaussian(sigma=sigma))
    return slower(config) if config.beta(config.steps) > 1 else None


def changed(config: RunConfig, **changes: Any) -> RunConfig:
    """The config with these fields, checked; the cadences follow the number of steps again if it changes."""
    fields = {name: getattr(config, name) for name in type(config).model_fields}
    if changes.get("steps", config.steps) != config.steps:
        fields = {name: value for name, value in fields.items() if not name.endswith("_every")}
    return type(config)(**(fields | changes))
