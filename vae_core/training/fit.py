"""The loop: one optimiser step after another, each a pure function of config, step and what came before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.optim import Adam

from vae_core.config import RunConfig
from vae_core.objectives import Objective
from vae_core.training.aggressive import Aggressive
from vae_core.training.batches import Batches, seed_of
from vae_core.training.byhand import ByHand
from vae_core.vae import VAE, Elbo


@dataclass(frozen=True)
class Step:
    """One update: the batch's bound, measured with the weights after `index` updates, and what was minimised."""

    index: int
    beta: float
    elbo: Elbo
    loss: Float[Tensor, ""]


def fit(
    vae: VAE,
    images: UInt8[Tensor, "n c h w"],
    config: RunConfig,
    *,
    beta: Callable[[int], float] | None = None,
    optimiser: Adam | None = None,
    start: int = 0,
) -> Iterator[Step]:
    """Train `vae` in place on uint8 `images`, yielding after every update; the caller logs, evaluates and stops.

    `beta` (default: the config's schedule) is asked at each step, so a running schedule can be changed. With a
    restored `optimiser` and `start`, training goes on as if it had never stopped.
    """
    beta = beta or config.beta
    optimiser = optimiser or adam(vae, config)
    device = next(vae.parameters()).device
    images = vae.likelihood.once(images, vae.shape.top).to(device)
    generator = torch.Generator(device)
    batches = Batches(len(images), config, device)
    ahead = Aggressive(vae, optimiser, config, images, batches) if config.encoder_steps > 1 else None
    by_hand = ByHand(vae, optimiser) if not ahead and ByHand.fits(vae, config.objective) else None
    for step in range(start, config.steps):
        if not vae.training:  # the caller may have looked at the model in between
            vae.train()
        generator.manual_seed(seed_of(config.seed, 1, step))
        weight = beta(step)
        optimiser.param_groups[0]["lr"] = config.rate(step)
        x = vae.prepare(batches.take(images, step), generator)
        if ahead:
            elbo, loss = ahead(step, x, weight, generator)
        elif by_hand:
            elbo, loss = by_hand(x, weight, generator)
        else:
            elbo, loss = train_step(vae, optimiser, config.objective, x, weight, generator)
        yield Step(step, weight, elbo, loss)


def train_step(
    vae: VAE,
    optimiser: Adam,
    objective: Objective,
    x: Float[Tensor, "n c h w"],
    beta: float,
    generator: torch.Generator | None = None,
) -> tuple[Elbo, Float[Tensor, ""]]:
    """One update on one batch; returns the bound term by term and the loss, both from before it."""
    elbo, loss = objective.bound(vae, x, beta, generator)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return Elbo(elbo.log_likelihood.detach(), elbo.kl.detach()), loss.detach()


def adam(vae: VAE, config: RunConfig) -> Adam:
    """Adam with PyTorch's fused update where the device has one."""
    device = next(vae.parameters()).device.type
    # An encoder that runs ahead is updated without the decoder, for which the lean one is too lean.
    kind = LeanAdam if config.encoder_steps == 1 else Adam
    return kind(vae.parameters(), lr=config.learning_rate, fused=device in ("cpu", "cuda"))


class LeanAdam(Adam):
    """Adam's fused update, without collecting its tensors anew at each step: 7 % of a small model's step on a CPU."""

    _slots: tuple[list[Tensor], ...] | None = None
    _count: Tensor  # updates so far: one number for each parameter, so that a saved state is Adam's own

    def step(self, closure: None = None) -> None:
        """One update; the first goes through Adam itself, which makes the moments."""
        if not self.defaults["fused"]:
            return super().step()
        if self._slots is None:
            super().step()
            tensors = [parameter for parameter in self.param_groups[0]["params"] if parameter in self.state]
            states = [self.state[parameter] for parameter in tensors]
            self._count = torch.stack([state["step"] for state in states])
            for state, count in zip(states, self._count, strict=True):
                state["step"] = count
            self._slots = tensors, *([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
            return
        group = self.param_groups[0]
        tensors, first, second, counts = self._slots
        gradients = [parameter.grad for parameter in tensors if parameter.grad is not None]
        with torch.no_grad():
            self._count += 1
            torch._fused_adam_(  # type: ignore[attr-defined]
                tensors, gradients, first, second, [], counts, amsgrad=False, lr=group["lr"], beta1=group["betas"][0],
                beta2=group["betas"][1], eps=group["eps"], weight_decay=0.0, maximize=False,
            )  # fmt: skip

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state."""
        super().load_state_dict(state_dict)
        self._slots = None
