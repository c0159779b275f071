"""The evidence ln p(x): estimated by importance sampling with q(z|x) as the proposal."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian, standard_normal_log_prob
from vae_core.spec import InputError
from vae_core.vae import VAE

ROWS = 8192  # codes decoded at a time: memory stays bounded for any number of samples


@torch.no_grad()
def importance_log_evidence(
    vae: VAE, x: Float[Tensor, "n c h w"], samples: int = 100, generator: torch.Generator | None = None
) -> Float[Tensor, "n"]:
    """ln p̂(x) = ln (1/K) Σ_k p(x, z_k) / q(z_k|x) for each image, in nats (Burda et al. 2015, eq. 8).

    Shapes: x [n, c, h, w] as the likelihood sees it -> [n]. p̂ is unbiased; ln p̂ errs low, by about χ²/(2K).
    Memory does not grow with `samples`. Refuses grey values under a Bernoulli, which have no p(x).
    """
    if not vae.likelihood.normalised:
        raise InputError(
            "grey values under a Bernoulli are not a likelihood, so there is no ln p(x)",
            fix="binarise, or choose a Gaussian, Binomial or continuous-Bernoulli likelihood",
        )
    if samples < 1:
        raise InputError(f"{samples} importance samples", limit="at least 1 is needed")
    images = max(1, min(len(x), ROWS // min(samples, ROWS)))
    parts = [_log_evidence(vae, part, samples, generator) for part in x.split(images) if len(part)]
    return torch.cat(parts) if parts else x.new_empty(0)


def _log_evidence(vae: VAE, x: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
    q = vae.encode(x)
    total = torch.full((len(x),), -math.inf, device=x.device)
    at_once = max(1, ROWS // len(x))
    for start in range(0, samples, at_once):
        weights = log_weights(vae, x, q, min(at_once, samples - start), generator)
        total = torch.logaddexp(total, torch.logsumexp(weights, 0))
    return total - math.log(samples)


def log_weights(
    vae: VAE, x: Float[Tensor, "n c h w"], q: DiagonalGaussian, count: int, generator: torch.Generator | None = None
) -> Float[Tensor, "k n"]:
    """ln p(x|z) + ln p(z) − ln q(z|x) for `count` codes of each image, in nats."""
    z = q.samples(count, generator)
    parameters = vae.decode(z.flatten(0, 1))
    likelihood = vae.likelihood.log_prob(parameters, x.repeat(count, 1, 1, 1)).view(count, len(x))
    return likelihood + standard_normal_log_prob(z) - q.log_prob(z)


def effective_sample_size(log_weights: Float[Tensor, "k *n"]) -> Float[Tensor, "*n"]:
    """(Σ w)² / Σ w²: how many equally weighted samples these are worth, between 1 and K."""
    return (2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0)).exp()
