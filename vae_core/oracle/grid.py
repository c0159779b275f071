"""A posterior on a grid: one or two latents, evenly spaced, where sums are integrals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian


@dataclass(frozen=True)
class GridPosterior:
    """ln p(x, z) of one x at evenly spaced codes. The grid must hold the posterior: what is outside counts as nothing.

    Shapes: one axis [g] for each of the d ≤ 2 latents; log_joint [g] or [g, h], in nats.
    """

    axes: tuple[Float[Tensor, "_"], ...]
    log_joint: Float[Tensor, "*g"]

    @property
    def codes(self) -> Float[Tensor, "k d"]:
        """Every point of the grid, in the order of `log_joint.flatten()`."""
        return grid_codes(self.axes)

    @property
    def cell(self) -> float:
        """The volume that each point stands for."""
        return math.prod(float(axis[1] - axis[0]) for axis in self.axes)

    @property
    def log_evidence(self) -> float:
        """ln p(x) = ln ∫ p(x, z) dz."""
        return float(self.log_joint.flatten().logsumexp(0)) + math.log(self.cell)

    @property
    def log_density(self) -> Float[Tensor, "*g"]:
        """ln p(z|x) at each point."""
        return self.log_joint - self.log_evidence

    @property
    def density(self) -> Float[Tensor, "*g"]:
        """p(z|x) at each point; times `cell` it sums to 1."""
        return self.log_density.exp()

    def moments(self) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
        """Mean [d] and covariance [d, d] of p(z|x)."""
        mass, codes = self.density.flatten() * self.cell, self.codes
        mean = mass @ codes
        centred = codes - mean
        return mean, (mass[:, None] * centred).T @ centred

    def kl_from(self, mean: Float[Tensor, "d"], std: Float[Tensor, "d"]) -> float:
        """KL(q‖p(z|x)) of q = N(mean, diag(std²)), in nats."""
        q = DiagonalGaussian(mean.to(self.log_joint)[None], 2 * std.to(self.log_joint)[None].log())
        log_q = q.log_prob(self.codes[:, None])[:, 0]
        terms = log_q.exp() * (log_q - self.log_density.flatten())
        return float(terms.where(log_q > -700, torch.zeros_like(terms)).sum() * self.cell)


def grid_codes(axes: tuple[Float[Tensor, "_"], ...]) -> Float[Tensor, "k d"]:
    """Every point of a grid, the last axis fastest."""
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
