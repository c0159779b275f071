"""Encoded: images as a model saw them, with their codes. Every diagnostic is a function of it alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian
from vae_core.vae import VAE, Elbo

EVALUATION_SEED = 99
PAIRS = 1000


@dataclass(frozen=True)
class Encoded:
    """Images as the likelihood saw them (binarised once), their posteriors, and the model they came from."""

    posterior: DiagonalGaussian
    images: Float[Tensor, "n c h w"]
    vae: VAE
    labels: Int[Tensor, "n"] | None = None

    def first(self, count: int) -> Encoded:
        """The same of the first `count` images."""
        q, labels = self.posterior, None if self.labels is None else self.labels[:count]
        return Encoded(DiagonalGaussian(q.mean[:count], q.logvar[:count]), self.images[:count], self.vae, labels)


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
    z = e.posterior.mean + e.posterior.std * fixed_noise(e.posterior.mean)
    parts = zip(z.split(PAIRS), e.images.split(PAIRS), strict=True)
    log_likelihood = torch.cat([e.vae.likelihood.log_prob(e.vae.decode(codes), x) for codes, x in parts])
    return Elbo(log_likelihood, e.posterior.kl())


def fixed_noise(like: Tensor) -> Tensor:
    """Standard normal noise of this shape, the same at every call."""
    generator = torch.Generator().manual_seed(EVALUATION_SEED)
    return torch.randn(like.shape, generator=generator).to(like.device)
