"""Diagnostics: what the codes of a set of images say about a model. Each is a function of `Encoded` alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian
from vae_core.spec import LOG_2PI
from vae_core.vae import VAE, Elbo

EVALUATION_SEED = 99
ACTIVE = 0.01
PAIRS = 1000


@dataclass(frozen=True)
class Encoded:
    """Images as the likelihood saw them (binarised once), their posteriors, and the model they came from."""

    posterior: DiagonalGaussian
    images: Float[Tensor, "n c h w"]
    vae: VAE
    labels: Int[Tensor, "n"] | None = None


Diagnostic = Callable[[Encoded], Tensor]


@torch.no_grad()
def encode(
    vae: VAE, images: UInt8[Tensor, "n c h w"], labels: Int[Tensor, "n"] | None = None, seed: int = EVALUATION_SEED
) -> Encoded:
    """The posteriors of `images`, prepared once with fixed noise, so that curves of one run do not jitter."""
    return encode_prepared(vae, prepare_once(vae, images, seed), labels)


def prepare_once(vae: VAE, images: UInt8[Tensor, "n c h w"], seed: int = EVALUATION_SEED) -> Float[Tensor, "n c h w"]:
    """`images` as the likelihood sees them, binarised with fixed noise, on the model's device."""
    return vae.prepare(images, torch.Generator().manual_seed(seed)).to(next(vae.parameters()).device)


@torch.no_grad()
def encode_prepared(vae: VAE, x: Float[Tensor, "n c h w"], labels: Int[Tensor, "n"] | None = None) -> Encoded:
    """The posteriors of images that were prepared before, and are on the model's device."""
    posteriors = [vae.encode(part) for part in x.split(PAIRS)]
    mean, logvar = (torch.cat([getattr(q, name) for q in posteriors]) for name in ("mean", "logvar"))
    return Encoded(DiagonalGaussian(mean, logvar), x, vae, labels)


@torch.no_grad()
def elbo(e: Encoded) -> Elbo:
    """The bound of each image, in nats, from one code each, drawn with fixed noise."""
    z = e.posterior.mean + e.posterior.std * _fixed_noise(e.posterior.mean)
    parts = zip(z.split(PAIRS), e.images.split(PAIRS), strict=True)
    log_likelihood = torch.cat([e.vae.likelihood.log_prob(e.vae.decode(codes), x) for codes, x in parts])
    return Elbo(log_likelihood, e.posterior.kl())


def kl_per_dimension(e: Encoded) -> Float[Tensor, "d"]:
    """Mean over the images of KL(q(z_j|x)‖p(z_j)), in nats: what each dimension of the code costs.

    Shapes: posterior over [n, d] -> [d]. Zero for a collapsed dimension.
    """
    return e.posterior.kl().mean(0)


def active_units(e: Encoded) -> Int[Tensor, ""]:
    """How many dimensions move with the image: Var_x(μ_j) > 0.01, population variance (Burda et al. 2015).

    Not a score of quality: free bits raise it while the ELBO gets worse. Read it beside the ELBO.
    """
    return (e.posterior.mean.var(0, correction=0) > ACTIVE).sum()


def mutual_information(e: Encoded) -> Float[Tensor, ""]:
    """I_q(x; z) in nats over the first 1,000 images, by the N × N estimator (Hoffman & Johnson 2016).

    E ln q(z|x) − E ln (1/N) Σ_m q(z|x_m): never above its ceiling ln N, and close to it it measures N.
    """
    mean, logvar = (part[:PAIRS].double() for part in (e.posterior.mean, e.posterior.logvar))
    noise = _fixed_noise(mean.float()).double()
    z = mean + (0.5 * logvar).exp() * noise
    own = -0.5 * (noise.square() + logvar + LOG_2PI).sum(1)
    pairs = pairwise_log_prob(z, mean, logvar)
    # The matrix products lose digits where codes are sharp and far; the diagonal is known exactly.
    pairs.diagonal().copy_(own)
    aggregate = torch.logsumexp(pairs.float(), 1) - math.log(len(z))
    return (own.float() - aggregate).mean().clamp_max(math.log(len(z)))


def mutual_information_ceiling(e: Encoded) -> float:
    """ln N, which the estimate of the mutual information cannot exceed; in nats."""
    return math.log(min(PAIRS, len(e.images)))


def pairwise_log_prob(
    z: Float[Tensor, "n d"], mean: Float[Tensor, "m d"], logvar: Float[Tensor, "m d"]
) -> Float[Tensor, "n m"]:
    """ln q(z_i|x_j) of every code under every posterior, as one matrix product; pass float64."""
    precision = (-logvar).exp()
    constant = (mean.square() * precision + logvar + LOG_2PI).sum(1, keepdim=True)
    codes = torch.cat([z.square(), z, torch.ones_like(z[:, :1])], 1)
    return codes @ torch.cat([-0.5 * precision, mean * precision, -0.5 * constant], 1).T


def _fixed_noise(like: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(EVALUATION_SEED)
    return torch.randn(like.shape, generator=generator).to(like.device)


DIAGNOSTICS: tuple[Diagnostic, ...] = (kl_per_dimension, active_units, mutual_information)
