"""Images from a linear-Gaussian model: the one dataset whose ln p(x) and posterior are known."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from vae_core.datasets.source import Source
from vae_core.spec import Shape, Split

HELD_OUT = 1000
BIAS = 0.5
SPREAD = 0.1  # the largest standard deviation of a pixel: black and white are five of them from the bias


class LinearGaussian(Source):
    """x = W z + b + σ ε with z ~ N(0, I) and ε ~ N(0, I), stored as round(255 x).

    The columns of W are orthogonal and shrink, so that the eigenvalues of W Wᵀ + σ² I are well separated; b = 0.5.
    No pixel has a standard deviation above 0.1, so that about one value in two million would leave [0, 1]. Rounding
    adds a variance of 1 / (12 · 255²), 1.3e-6, to each pixel: 0.05 % of σ² at σ = 0.05, 5 % at the smallest σ.
    """

    title: ClassVar[str] = "Linear-Gaussian"
    about: ClassVar[str] = "Images drawn from a known linear-Gaussian model, as many as you like."
    values: ClassVar[str] = "grey 0–255"
    expects: ClassVar[str] = "A Gaussian with the true σ is the model itself: a perfect VAE reaches the known ln p(x)."

    kind: Literal["linear-gaussian"] = "linear-gaussian"
    observed: int = Field(
        default=16, ge=4, le=64, title="Pixels", description="A perfect square, 4 to 64: the image is a square too."
    )
    latent: int = Field(
        default=4, ge=1, le=64, title="True latent dimensions", description="At most as many as pixels."
    )
    sigma: float = Field(
        default=0.05, ge=0.005, le=0.08, title="True σ", description="Noise of a pixel, where white is 1."
    )
    size: int = Field(default=5000, ge=100, le=100_000, title="Training images")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, title="Seed of W and of the images")

    @field_validator("observed")
    @classmethod
    def _square(cls, observed: int) -> int:
        if math.isqrt(observed) ** 2 != observed:
            raise ValueError(f"the number of pixels must be a perfect square, and {observed} is none")
        return observed

    @model_validator(mode="after")
    def _fewer_causes(self) -> LinearGaussian:
        if self.latent > self.observed:
            raise ValueError(f"{self.latent} latent dimensions are more than the {self.observed} pixels")
        return self

    @property
    def shape(self) -> Shape:
        """One grey image of √D×√D pixels."""
        return Shape(1, math.isqrt(self.observed), math.isqrt(self.observed))

    @property
    def sizes(self) -> tuple[int, int]:
        """As many as asked for to train on, 1,000 to test on."""
        return self.size, HELD_OUT

    def load(self) -> tuple[Split, Split]:
        """Independent draws for training and for testing, without labels."""
        # W and the test images stay the same however many training images are asked for.
        train, test = (
            _images(self.observed, self.latent, self.sigma, self.seed, stream, count)
            for stream, count in enumerate(self.sizes, start=1)
        )
        return Split(train), Split(test)

    def truth(self) -> tuple[Float64[Tensor, "d j"], Float64[Tensor, " d"], float]:
        """W, b and σ of the model, for x between 0 and 1."""
        bias = torch.full((self.observed,), BIAS, dtype=torch.float64)
        return _weight(self.observed, self.latent, self.sigma, self.seed), bias, self.sigma


@lru_cache(maxsize=8)
def _images(
    observed: int, latent: int, sigma: float, seed: int, stream: int, count: int
) -> UInt8[Tensor, "n 1 side side"]:
    """Samples of x as images."""
    noise = torch.from_numpy(np.random.default_rng([seed, stream]).standard_normal((count, latent + observed)))
    z, epsilon = noise.split([latent, observed], dim=1)
    x = z @ _weight(observed, latent, sigma, seed).T + BIAS + sigma * epsilon
    side = math.isqrt(observed)
    return (255 * x).round().clamp(0, 255).to(torch.uint8).reshape(count, 1, side, side)


def _weight(observed: int, latent: int, sigma: float, seed: int) -> Float64[Tensor, "d j"]:
    """Orthogonal columns of lengths 1 to 0.4, all scaled so that the most restless pixel varies by SPREAD."""
    basis, upper = np.linalg.qr(np.random.default_rng([seed, 0]).standard_normal((observed, latent)))
    # The signs of a QR decomposition are the library's choice; these make W the same everywhere.
    columns = basis * np.sign(np.diag(upper)) * np.linspace(1.0, 0.4, latent)
    scale = math.sqrt((SPREAD**2 - sigma**2) / (columns**2).sum(1).max())
    return torch.from_numpy(scale * columns)
