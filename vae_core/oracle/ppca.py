"""The optimum of a linear VAE: probabilistic PCA (Tipping & Bishop 1999; Lucas et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.spec import LOG_2PI, InputError

VANISHING = 1e-12  # a share of the variance that is rounding


@dataclass(frozen=True)
class PpcaOptimum:
    """Where a linear VAE of J latents ends at a given β, in closed form; `noise` is σ², in squared pixel units.

    Shapes: `eigenvalues` [D] of the data's covariance, the largest first.
    """

    eigenvalues: Float[Tensor, "D"]
    latent: int
    noise: float
    beta: float = 1.0

    @property
    def price(self) -> float:
        """βσ²: the eigenvalue above which a direction is worth a latent."""
        return self.beta * self.noise

    @property
    def active(self) -> int:
        """How many latents are used: those with λ_j > βσ²."""
        return int(self._used.sum())

    @property
    def kl(self) -> Float[Tensor, "J"]:
        """Mean KL of each latent, the largest first: ½ ln(λ_j/βσ²), or 0."""
        return 0.5 * torch.where(self._used, self._top / self.price, 1.0).log()

    @property
    def squared_norms(self) -> Float[Tensor, "J"]:
        """‖w_j‖² of each column of the decoder: λ_j − βσ², or 0."""
        return (self._top - self.price).clamp_min(0)

    @property
    def variance_of_means(self) -> Float[Tensor, "J"]:
        """Var_x(μ_j), what active units are counted by: 1 − βσ²/λ_j, or 0."""
        return torch.where(self._used, 1 - self.price / self._top, 0.0)

    @property
    def elbo(self) -> float:
        """The mean ELBO there, at β = 1 whatever β led to it. Where that was 1 the bound is tight: the best ln p(x)."""
        used, size = self.active, len(self.eigenvalues)
        misfit = float(self.eigenvalues[used:].sum()) / self.noise + self.beta * used
        return -0.5 * (size * (LOG_2PI + math.log(self.noise)) + misfit) - float(self.kl.sum())

    @property
    def _used(self) -> Tensor:
        return self._top > self.price

    @property
    def _top(self) -> Tensor:
        """The eigenvalues of J latents; there may be more latents than directions."""
        missing = max(0, self.latent - len(self.eigenvalues))
        return torch.cat([self.eigenvalues[: self.latent], self.eigenvalues.new_zeros(missing)])


def ppca_optimum(
    covariance: Float[Tensor, "D D"], latent: int, sigma: float | None = None, beta: float = 1.0
) -> PpcaOptimum:
    """The optimum of a linear VAE on data with this (biased) covariance, for a fixed σ, or for a learned one (None).

    At β = 1 a learned σ² is the mean of the eigenvalues left over. InputError where a learned σ would become 0.
    """
    eigenvalues = torch.linalg.eigvalsh(covariance.double()).flip(0).clamp_min(0)
    noise = _learned_noise(eigenvalues, latent, beta) if sigma is None else sigma**2
    return PpcaOptimum(eigenvalues, latent, noise, beta)


def _learned_noise(eigenvalues: Tensor, latent: int, beta: float) -> float:
    """The root of Σ λ_left − (D − βq) σ² = 0, with q latents used at that σ²; its left side is concave."""
    size = len(eigenvalues)
    for used in range(min(latent, size), -1, -1):
        left, free = float(eigenvalues[used:].sum()), size - beta * used
        if free > 0 and (not used or eigenvalues[used - 1] >= beta * left / free):
            if left <= VANISHING * float(eigenvalues.sum()):
                break
            return left / free
    raise InputError(
        "a learned σ has no optimum here", limit="some variance must be left over", fix="use fewer latents"
    )
