"""Annealed importance sampling: ln p(x) by walking from the prior to the posterior (Neal 2001; Wu et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.evidence.importance import LogLikelihood, chi_square, image_log_likelihood, require_slope
from vae_core.gaussian import standard_normal_log_prob
from vae_core.spec import InputError
from vae_core.vae import VAE

LARGEST = 16  # images at once: it is a slow check, not a measurement of a data set
STEEPNESS = 4.0
ACCEPTED, ADAPTATION = 0.65, 0.1  # the share of proposals to accept, and how fast step sizes follow it
FIRST_STEP = 0.1
Tell = Callable[[float], None]


@dataclass(frozen=True)
class Annealed:
    """The end of M chains for each of n images. Shapes: log_weights [m, n] in nats; acceptance [n], a share of 1."""

    log_weights: Float[Tensor, "m n"]
    acceptance: Float[Tensor, "n"]
    temperatures: int

    @property
    def log_evidence(self) -> Float[Tensor, "n"]:
        """ln p̂(x) from all chains: errs low on average, and from few chains by chance also high."""
        return self.log_weights.logsumexp(0) - math.log(len(self.log_weights))

    @property
    def error(self) -> Float[Tensor, "n"]:
        """Its standard error √(χ²/M), from the scatter of the chains' weights."""
        return (chi_square(self.log_weights) / len(self.log_weights)).sqrt()


def annealed_evidence(
    vae: VAE,
    x: Float[Tensor, "n c h w"],
    temperatures: int = 500,
    chains: int = 16,
    generator: torch.Generator | None = None,
    tell: Tell | None = None,
) -> Annealed:
    """AIS for images x as the likelihood sees them; `tell` is called with the share that is done.

    InputError above 16 images, and for grey values under a Bernoulli.
    """
    if len(x) > LARGEST:
        raise InputError(f"{len(x)} images", limit=f"annealing takes {LARGEST} at the most", fix="choose fewer")
    start = torch.randn(chains, len(x), vae.latent, generator=generator, dtype=x.dtype, device=x.device)
    return anneal(image_log_likelihood(vae, x), start, temperatures, generator=generator, tell=tell)


def anneal(
    log_likelihood: LogLikelihood,
    start: Float[Tensor, "m n d"],
    temperatures: int = 500,
    leapfrog: int = 10,
    generator: torch.Generator | None = None,
    tell: Tell | None = None,
) -> Annealed:
    """AIS with `start` drawn from the prior N(0, I), through p(z) p(x|z)^β with β from 0 to 1 along a sigmoid.

    One Hamiltonian move of `leapfrog` steps at each β. The step size of each image follows the share of its chains
    that accept, to 0.65; while it does, the estimate is unbiased only approximately.
    """
    z, (log_p, slope) = start, _with_slope(log_likelihood, start)
    weights, accepted = torch.zeros_like(log_p), torch.zeros_like(log_p[0])
    size = torch.full_like(log_p[0], FIRST_STEP)
    betas = schedule(temperatures)
    for step, (before, beta) in enumerate(pairwise(betas), 1):
        weights = weights + (beta - before) * log_p
        z, log_p, slope, share = _move(log_likelihood, (z, log_p, slope), beta, size[:, None], leapfrog, generator)
        size = size * torch.exp(ADAPTATION * (share - ACCEPTED))
        accepted = accepted + share
        if tell is not None:
            tell(step / temperatures)
    return Annealed(weights, accepted / temperatures, temperatures)


def schedule(temperatures: int) -> list[float]:
    """β at each temperature, from 0 to 1: a sigmoid over −4 to 4, slow at both ends."""
    at = torch.sigmoid(torch.linspace(-STEEPNESS, STEEPNESS, temperatures + 1, dtype=torch.float64))
    return ((at - at[0]) / (at[-1] - at[0])).tolist()


def _move(
    log_likelihood: LogLikelihood,
    state: tuple[Tensor, Tensor, Tensor],
    beta: float,
    size: Tensor,
    leapfrog: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One Hamiltonian move of every chain: where it is then, with ln p(x|z) and its slope, and the share accepted."""
    z, log_p, slope = state
    momentum = torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device)
    new, new_log_p, new_slope = state
    moving = momentum + 0.5 * size * (beta * slope - z)
    for step in range(1, leapfrog + 1):
        new = new + size * moving
        new_log_p, new_slope = _with_slope(log_likelihood, new)
        moving = moving + (size if step < leapfrog else 0.5 * size) * (beta * new_slope - new)
    gain = _energy(new, new_log_p, moving, beta) - _energy(z, log_p, momentum, beta)
    chance = gain.clamp_max(0).exp().nan_to_num(0.0)  # a move that ran away is refused
    taken = torch.rand(chance.shape, generator=generator, dtype=z.dtype, device=z.device) < chance
    wide = taken[..., None]
    return (
        torch.where(wide, new, z), torch.where(taken, new_log_p, log_p), torch.where(wide, new_slope, slope),
        chance.mean(0),
    )  # fmt: skip


def _energy(z: Tensor, log_p: Tensor, momentum: Tensor, beta: float) -> Tensor:
    """The logarithm of what the move leaves invariant."""
    return beta * log_p + standard_normal_log_prob(z) + standard_normal_log_prob(momentum)


@torch.enable_grad()
def _with_slope(log_likelihood: LogLikelihood, z: Tensor) -> tuple[Tensor, Tensor]:
    z = z.detach().requires_grad_()
    log_p = log_likelihood(z)
    require_slope(log_p)
    (slope,) = torch.autograd.grad(log_p.sum(), z)
    return log_p.detach(), slope
