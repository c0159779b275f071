"""The two halves of the KL to the prior, ∫q ln q and ∫q ln p, and the KL from draws with the error to expect of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian
from vae_core.spec import LOG_2PI, InputError


def expected_log_prior(q: DiagonalGaussian) -> Float[Tensor, "n d"]:
    """∫ q ln p = −½ ln 2π − ½(μ² + σ²) of each dimension, in nats, for p = N(0, 1). Shapes: q over [n, d] -> [n, d]."""
    return -0.5 * (LOG_2PI + q.mean.square() + q.logvar.exp())


def expected_log_posterior(q: DiagonalGaussian) -> Float[Tensor, "n d"]:
    """∫ q ln q = −½ ln 2π − ½(1 + ln σ²) of each dimension: the negative entropy, in nats. [n, d] -> [n, d]."""
    return -0.5 * (LOG_2PI + 1 + q.logvar)


def sampled_kl(q: DiagonalGaussian, samples: int, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
    """The KL of each dimension as a mean of ln q(z) − ln p(z) over `samples` draws, in nats: unbiased.

    Shapes: q over [n, d] -> [n, d]. InputError for less than one sample.
    """
    if samples < 1:
        raise InputError(f"{samples} samples", limit="at least 1 is needed")
    z = q.samples(samples, generator)
    return 0.5 * (z.square() - q.noise(z).square() - q.logvar).mean(0)


def sampled_kl_error(q: DiagonalGaussian, samples: int = 1) -> Float[Tensor, "n d"]:
    """The standard error of `sampled_kl`: √((σ² − 1)²/2 + μ²σ²) / √samples, exact. [n, d] -> [n, d], in nats."""
    variance = q.logvar.exp()
    return (0.5 * (variance - 1).square() + q.mean.square() * variance).div(samples).sqrt()
