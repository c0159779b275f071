"""Change of variables: ln q(z) = ln p(ε) − ln|det ∂z/∂ε|, for invertible maps of a standard normal ε."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jacrev, vmap

from vae_core.gaussian import standard_normal_log_prob
from vae_core.spec import LOG_2PI, InputError


@dataclass(frozen=True)
class Affine:
    """z = shift + factor ε with a lower triangular factor: any Gaussian; z = μ + σε where the factor is diagonal.

    Shapes: shift [d], factor [d, d] with a positive diagonal.
    """

    shift: Float[Tensor, "d"]
    factor: Float[Tensor, "d d"]

    def __post_init__(self) -> None:
        if not torch.equal(self.factor, self.factor.tril()) or not bool((self.factor.diagonal() > 0).all()):
            raise InputError("the factor", limit="it must be lower triangular with a diagonal above 0")

    @classmethod
    def scaled(cls, mean: Float[Tensor, "d"], std: Float[Tensor, "d"]) -> Affine:
        """z = mean + std ε, the reparametrisation of a factorised posterior."""
        return cls(mean, torch.diag(std))

    def __call__(self, noise: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """ε to z."""
        return self.shift + noise @ self.factor.T

    def inverse(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """z back to ε."""
        return torch.linalg.solve_triangular(self.factor, (z - self.shift).unsqueeze(-1), upper=False).squeeze(-1)

    def log_density(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """ln N(z; shift, factor factorᵀ), from the covariance."""
        covariance = self.factor @ self.factor.T
        offset = z - self.shift
        distance = (offset * torch.linalg.solve(covariance, offset.unsqueeze(-1)).squeeze(-1)).sum(-1)
        return -0.5 * (distance + torch.logdet(covariance) + len(self.shift) * LOG_2PI)


@dataclass(frozen=True)
class Bent:
    """An affine map, then bent in every dimension: sinh(b y)/b for b > 0, asinh(−b y)/−b for b < 0.

    A bend of −b undoes a bend of b; a bend of 0 does nothing. Its Jacobian differs from place to place.
    """

    affine: Affine
    bend: float

    def __call__(self, noise: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """ε to z."""
        return _bent(self.affine(noise), self.bend)

    def inverse(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """z back to ε."""
        return self.affine.inverse(_bent(z, -self.bend))

    def log_density(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """The affine map's density where z came from, plus ln|d straight / d bent| of every dimension."""
        return self.affine.log_density(_bent(z, -self.bend)) + _log_slope(z, -self.bend).sum(-1)


@dataclass(frozen=True)
class Density:
    """Both sides of the formula for n codes, in nats, and what the right one is made of. Shapes: z [n, d], others [n].

    `direct` is ln q(z) in closed form; `changed` is `log_noise` − `log_volume`, with the Jacobian by autograd.
    """

    z: Float[Tensor, "n d"]
    direct: Float[Tensor, "n"]
    log_noise: Float[Tensor, "n"]
    log_volume: Float[Tensor, "n"]

    @property
    def changed(self) -> Float[Tensor, "n"]:
        """ln p(ε) − ln|det ∂z/∂ε|."""
        return self.log_noise - self.log_volume


def both_densities(invertible: Affine | Bent, noise: Float[Tensor, "n d"]) -> Density:
    """ln q(z) of z = f(ε) computed twice, by two ways that share nothing but the map."""
    jacobians = vmap(jacrev(invertible))(noise)
    z = invertible(noise)
    log_volume = torch.linalg.slogdet(jacobians).logabsdet
    return Density(z, invertible.log_density(z), standard_normal_log_prob(noise), log_volume)


def _bent(y: Tensor, bend: float) -> Tensor:
    if bend == 0:
        return y
    return torch.sinh(bend * y) / bend if bend > 0 else torch.asinh(-bend * y) / -bend


def _log_slope(y: Tensor, bend: float) -> Tensor:
    """ln of the derivative of `_bent`: ln cosh(b y), or −½ ln(1 + b² y²). Written so that it does not overflow."""
    if bend <= 0:
        return -0.5 * torch.log1p((bend * y).square())
    size = (bend * y).abs()
    return size + torch.log1p(torch.exp(-2 * size)) - math.log(2)
