"""Importance sampling: ln p(x) from codes of a proposal, each weighed by p(x, z)/q(z)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian, standard_normal_log_prob
from vae_core.heads import Normal
from vae_core.spec import InputError
from vae_core.vae import VAE

ROWS, PIXELS = 8192, 2**19  # codes, and pixels of theirs, decoded at a time: what stays in a processor's cache
# Codes [k, n, d] of n images -> ln p(x|z) [k, n], in nats.
LogLikelihood = Callable[[Tensor], Tensor]


@torch.no_grad()
def importance_log_evidence(
    vae: VAE,
    x: Float[Tensor, "n c h w"],
    samples: int = 100,
    generator: torch.Generator | None = None,
    proposal: DiagonalGaussian | None = None,
) -> Float[Tensor, "n"]:
    """ln p̂(x) = ln (1/K) Σ_k p(x, z_k) / q(z_k|x) for each image, in nats (Burda et al. 2015, eq. 8).

    Shapes: x [n, c, h, w] as the likelihood sees it -> [n]. q is the encoder's, unless a `proposal` [n, d] is given.
    p̂ is unbiased; ln p̂ errs low, by about χ²/(2K). Memory grows by one number a sample. InputError for grey values
    under a Bernoulli, which have no p(x).
    """
    parts = [part.logsumexp(0) - math.log(samples) for part in weight_parts(vae, x, samples, generator, proposal)]
    return torch.cat(parts) if parts else x.new_empty(0)


@torch.no_grad()
def importance_weights(
    vae: VAE,
    x: Float[Tensor, "n c h w"],
    samples: int,
    generator: torch.Generator | None = None,
    proposal: DiagonalGaussian | None = None,
) -> Float[Tensor, "k n"]:
    """The `samples` log weights of each image that `importance_log_evidence` averages, in nats."""
    parts = list(weight_parts(vae, x, samples, generator, proposal))
    return torch.cat(parts, 1) if parts else x.new_empty(samples, 0)


def weight_parts(
    vae: VAE, x: Tensor, samples: int, generator: torch.Generator | None, proposal: DiagonalGaussian | None = None
) -> Iterator[Float[Tensor, "k _"]]:
    """The log weights of some images after the others: `samples` of each, as many images at a time as fit."""
    require_density(vae)
    if samples < 1:
        raise InputError(f"{samples} importance samples", limit="at least 1 is needed")
    rows = _rows_at_once(vae)
    images = max(1, rows // samples)
    for start in range(0, len(x), images):
        part = x[start : start + images]
        q = vae.encode(part) if proposal is None else _cut(proposal, start, images)
        at_once = max(1, rows // len(part))
        counts = [min(at_once, samples - done) for done in range(0, samples, at_once)]
        yield torch.cat([log_weights(vae, part, q, count, generator) for count in counts])


def log_weights(
    vae: VAE, x: Float[Tensor, "n c h w"], q: DiagonalGaussian, count: int, generator: torch.Generator | None = None
) -> Float[Tensor, "k n"]:
    """ln p(x|z) + ln p(z) − ln q(z|x) for `count` codes of each image, in nats."""
    return weights_of(lambda z: _log_likelihood(vae, x, z), q, count, generator)


def weights_of(
    log_likelihood: LogLikelihood, q: DiagonalGaussian, count: int, generator: torch.Generator | None = None
) -> Float[Tensor, "k n"]:
    """The same of any model with a standard normal prior, `count` codes of each image at once."""
    z = q.samples(count, generator)
    return log_likelihood(z) + standard_normal_log_prob(z) - q.log_prob(z)


def image_log_likelihood(vae: VAE, x: Float[Tensor, "n c h w"]) -> LogLikelihood:
    """ln p(x_i|z) of these images as a function of codes [k, n, d]; it decodes a few hundred codes at a time."""
    require_density(vae)
    at_once = max(1, _rows_at_once(vae) // max(1, len(x)))

    def log_likelihood(z: Tensor) -> Tensor:
        return torch.cat([_log_likelihood(vae, x, part) for part in z.split(at_once)])

    return log_likelihood


def effective_sample_size(log_weights: Float[Tensor, "k *n"]) -> Float[Tensor, "*n"]:
    """(Σ w)² / Σ w²: how many equally weighted samples these are worth, between 1 and K."""
    return (2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0)).exp()


def chi_square(log_weights: Float[Tensor, "k *n"]) -> Float[Tensor, "*n"]:
    """χ²(p(z|x)‖q) as these weights have it, K/ESS − 1: too low where a few large weights have not been met yet.

    ln p̂ from K codes errs low by about χ²/(2K), with a standard deviation of about √(χ²/K).
    """
    return (len(log_weights) / effective_sample_size(log_weights) - 1).clamp_min(0)


def require_density(vae: VAE) -> None:
    """InputError where there is no ln p(x)."""
    if not vae.likelihood.normalised:
        raise InputError(
            "grey values under a Bernoulli are not a likelihood, so there is no ln p(x)",
            fix="binarise, or choose a Gaussian, Binomial or continuous-Bernoulli likelihood",
        )


def require_slope(log_likelihood: Tensor) -> None:
    """InputError where ln p(x|z) does not say how it changes with z: networks of an opened model do not."""
    if not log_likelihood.requires_grad:
        raise InputError("this decoder gives no slope to follow", limit="a run trained here has one")


def _log_likelihood(vae: VAE, x: Tensor, z: Tensor) -> Tensor:
    """ln p(x_i|z) for codes [k, n, d] -> [k, n]; the images are broadcast, not repeated."""
    parameters = vae.decode(z.flatten(0, 1))
    shape = (*z.shape[:2], *x.shape[1:])
    if isinstance(parameters, Normal):
        return vae.likelihood.log_prob(Normal(parameters.mean.view(shape), parameters.logvar), x.expand(shape))
    return vae.likelihood.log_prob(parameters.view(shape), x.expand(shape))


def _rows_at_once(vae: VAE) -> int:
    return max(1, min(ROWS, PIXELS // vae.shape.pixels))


def _cut(q: DiagonalGaussian, start: int, count: int) -> DiagonalGaussian:
    return DiagonalGaussian(q.mean[start : start + count], q.logvar[start : start + count])
