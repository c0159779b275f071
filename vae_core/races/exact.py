"""A trained linear VAE against the closed forms of probabilistic PCA (Tipping & Bishop 1999, Lucas et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian
from vae_core.heads import LearnedNoise
from vae_core.likelihoods import Gaussian
from vae_core.oracle import LinearGaussian, ppca_optimum
from vae_core.races.running import Result

USED = 0.01  # nats of mean KL above which a dimension counts as in use


@dataclass(frozen=True)
class Exact:
    """What a linear VAE reached on its training images, and where its objective has its optimum; nats per image.

    `kl` and `best_kl` are the mean KL of each dimension, the largest first; `noise` and `best_noise` are σ².
    """

    elbo: float
    best_elbo: float
    kl: Float[Tensor, "d"]
    best_kl: Float[Tensor, "d"]
    noise: float
    best_noise: float

    @property
    def gap(self) -> float:
        """How far the trained ELBO is below that of the optimum."""
        return self.best_elbo - self.elbo

    @property
    def active(self) -> int:
        """Dimensions in use."""
        return int((self.kl > USED).sum())

    @property
    def best_active(self) -> int:
        """Eigenvalues above βσ²: what no schedule can change."""
        return int((self.best_kl > 0).sum())

    @property
    def furthest(self) -> float:
        """The largest difference between a dimension's KL and its closed form."""
        return float((self.kl - self.best_kl).abs().max())


@torch.no_grad()
def exact(result: Result) -> Exact:
    """The closed forms of a linear net with a Gaussian likelihood, at the β at which the run ended.

    Dimension j is in use iff λ_j > βσ², with a mean KL of ½ ln(λ_j/βσ²); at β = 1 a learned σ² ends at the mean of the
    eigenvalues that are left over.
    """
    config, vae = result.config, result.vae
    images = config.dataset.load()[0].images
    x = vae.prepare(images).to(next(vae.parameters()).device)
    q = vae.encode(x)
    covariance = torch.cov(x.flatten(1).double().T.cpu(), correction=0)
    head = vae.head if isinstance(vae.head, LearnedNoise) else None
    noise = float(head.logvar.double().exp()) if head else _sigma(result) ** 2
    best = ppca_optimum(covariance, config.latent, None if head else noise**0.5, config.beta(config.steps))
    last = vae.decoder[-1]  # type: ignore[index]
    model = LinearGaussian(last.weight.cpu(), last.bias.cpu(), noise**0.5)
    return Exact(
        elbo=float(model.elbo(x.flatten(1).cpu(), q.mean.cpu(), q.std.cpu()).mean()),
        best_elbo=best.elbo,
        kl=_mean_kl(q),
        best_kl=best.kl,
        noise=noise,
        best_noise=best.noise,
    )


def _mean_kl(q: DiagonalGaussian) -> Float[Tensor, "d"]:
    return q.kl().mean(0).double().cpu().sort(descending=True).values


def _sigma(result: Result) -> float:
    likelihood = result.config.likelihood
    return likelihood.sigma if isinstance(likelihood, Gaussian) else math.nan
