"""What the posteriors alone tell: the price of each dimension, which of them move with the image, which collapsed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vae_core.diagnostics.encoded import Encoded

ACTIVE = 0.01
EPSILON = DELTA = 0.01
WIDE, NARROW = 0.9, 0.5  # mean σ² from which a dimension is as wide as the prior, and below which it says something


def kl_per_dimension(e: Encoded) -> Float[Tensor, "d"]:
    """Mean over the images of KL(q(z_j|x)‖p(z_j)), in nats: what each dimension of the code costs.

    Shapes: posterior over [n, d] -> [d]. Zero for a collapsed dimension.
    """
    return e.posterior.kl().mean(0)


def kl_quantiles(e: Encoded, levels: Float[Tensor, "q"]) -> Float[Tensor, "q d"]:
    """How the price of each dimension, in nats, differs between images: its quantiles at the given levels.

    Shapes: levels [q] between 0 and 1, posterior over [n, d] -> [q, d]. A mean can hide that few images pay it all.
    """
    return torch.quantile(e.posterior.kl(), levels, dim=0)


def variance_of_means(e: Encoded) -> Float[Tensor, "d"]:
    """How far each dimension's posterior mean moves from image to image: its population variance.

    Shapes: posterior over [n, d] -> [d].
    """
    return e.posterior.mean.var(0, correction=0)


def active_units(e: Encoded) -> Int[Tensor, ""]:
    """How many dimensions move with the image: Var_x(μ_j) > 0.01, population variance (Burda et al. 2015).

    Not a score of quality: free bits raise it while the ELBO gets worse. Read it beside the ELBO.
    """
    return (variance_of_means(e) > ACTIVE).sum()


def active_units_curve(e: Encoded, thresholds: Float[Tensor, "t"]) -> Int[Tensor, "t"]:
    """How many dimensions would count as active at each threshold of Var_x(μ_j): a flat stretch makes 0.01 harmless.

    Shapes: thresholds [t], posterior over [n, d] -> [t]. Never rises with the threshold.
    """
    return (variance_of_means(e) > thresholds[:, None]).sum(1)


def collapsed(e: Encoded, epsilon: float = EPSILON, delta: float = DELTA) -> Bool[Tensor, "d"]:
    """Which dimensions are (ε, δ)-collapsed: KL_j(x) < ε for a share of at least 1 − δ of the images.

    Shapes: posterior over [n, d] -> [d]; ε in nats (Lucas et al. 2019).
    """
    share = (e.posterior.kl() < epsilon).double().mean(0)
    return share >= 1 - delta


def collapsed_fraction(e: Encoded) -> Float[Tensor, ""]:
    """The share of dimensions that are (0.01, 0.01)-collapsed: for 99 % of the images they cost less than 0.01 nats.

    Stricter than the count of active units: a dimension that serves every fiftieth image is not collapsed.
    """
    return collapsed(e).float().mean()


def collapsed_curve(e: Encoded, epsilons: Float[Tensor, "t"], delta: float = DELTA) -> Float[Tensor, "t"]:
    """The share of dimensions that are (ε, δ)-collapsed, against ε in nats: a step means that nothing is in between.

    Shapes: epsilons [t], posterior over [n, d] -> [t]. Never falls with ε.
    """
    shares = (e.posterior.kl() < epsilons[:, None, None]).double().mean(1)
    return (shares >= 1 - delta).float().mean(1)


def sigma_per_dimension(e: Encoded) -> Float[Tensor, "d"]:
    """Mean over the images of σ_j, how unsure the encoder is of each dimension: 1 where it says nothing.

    Shapes: posterior over [n, d] -> [d].
    """
    return e.posterior.std.mean(0)


class Regime(NamedTuple):
    """What each dimension does, by two numbers: Var_x(μ_j) and the mean over the images of σ_j².

    Shapes: variance [d], noise [d], active [d], passive [d]. What is neither active nor passive is mixed.
    """

    variance: Float[Tensor, "d"]
    noise: Float[Tensor, "d"]
    active: Bool[Tensor, "d"]
    passive: Bool[Tensor, "d"]

    @property
    def names(self) -> list[str]:
        """One of "active", "passive" and "mixed" for each dimension."""
        pairs = zip(self.active.tolist(), self.passive.tolist(), strict=True)
        return ["active" if active else "passive" if passive else "mixed" for active, passive in pairs]


def polarised_regime(e: Encoded) -> Regime:
    """Where each dimension stands between informative (σ² far below 1) and switched off (μ still, σ² = 1).

    Active: Var_x(μ_j) > 0.01 and mean σ_j² < 0.5. Passive: Var_x(μ_j) ≤ 0.01 and mean σ_j² ≥ 0.9. Trained VAEs have
    little in between (Rolinek et al. 2019); mixed dimensions serve some images only, or are on their way.
    """
    variance, noise = variance_of_means(e), e.posterior.logvar.exp().mean(0)
    moves = variance > ACTIVE
    return Regime(variance, noise, moves & (noise < NARROW), ~moves & (noise >= WIDE))
