"""Likelihoods p(x|z): how pixels become x, and how surprising x is given the decoder's output.

A likelihood is a frozen value. `prepare` turns uint8 images into the x that both the encoder and `log_prob` see;
`head` maps the decoder's output to the parameters of p(x|z) and owns what is learned (σ) or refitted (optimal σ).
All log-probabilities are in nats, summed over the pixels of an image.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from pydantic import Field
from torch import Tensor, nn

from vae_core.heads import FLOOR, FixedNoise, Head, Images, LearnedNoise, Normal, OptimalNoise
from vae_core.spec import LOG_2PI, Shape, Variant


class Pixels(Variant):
    """What the likelihoods share: x is the pixel value over its top value."""

    @property
    def normalised(self) -> bool:
        """Whether this is a density of x, so that ln p(x) means something."""
        return True

    def once(self, images: UInt8[Tensor, "n c h w"], top: int) -> UInt8[Tensor, "n c h w"]:
        """What happens to a data set a single time, before training starts."""
        return images

    def prepare(
        self, images: UInt8[Tensor, "n c h w"], generator: torch.Generator | None = None, top: int = 255
    ) -> Images:
        """x in [0, 1] from uint8 pixels."""
        return images.to(torch.float32).mul_(1 / top)

    def head(self, shape: Shape) -> nn.Module:
        """The module between the decoder's output and the parameters of p(x|z)."""
        return Head()

    def outputs(self, mean: Images) -> Images:
        """The decoder's output at which the expected pixel is `mean`."""
        return torch.logit(mean.clamp(1e-3, 1 - 1e-3))

    def mean(self, parameters: Tensor | Normal) -> Images:
        """E[x|z], between 0 and 1: the picture to show."""
        return torch.sigmoid(_tensor(parameters))

    def mean_image(self, images: UInt8[Tensor, "n c h w"], top: int) -> Images:
        """The expected x, averaged over a data set: [1, c, h, w]."""
        return images.sum(0, keepdim=True, dtype=torch.int64).to(torch.float32) / (top * len(images))

    def constant(self, images: UInt8[Tensor, "n c h w"], top: int) -> Tensor | Normal:
        """The best parameters that do not depend on z: what a model that ignores its code would use."""
        return self.outputs(self.mean_image(images, top))

    def log_prob(self, parameters: Tensor | Normal, x: Images) -> Float[Tensor, "*n"]:
        """ln p(x|z) of each image, in nats."""
        raise TypeError("a family of likelihoods has no density of its own")


class Bernoulli(Pixels):
    """Pixels are coins: black or white, with the decoder's probability."""

    title: ClassVar[str] = "Bernoulli"
    kind: Literal["bernoulli"] = "bernoulli"
    binarise: Literal["stochastic", "fixed", "threshold", "never"] = Field(
        default="stochastic",
        title="Binarise",
        description="Stochastic: a new draw at every access (Burda et al.). Fixed: drawn once. "
        "Threshold: white from one half. Never: grey values stay, and then this is not a likelihood.",
    )

    @property
    def normalised(self) -> bool:
        """False for grey values, whose Bernoulli terms do not integrate to one."""
        return self.binarise != "never"

    def once(self, images: UInt8[Tensor, "n c h w"], top: int) -> UInt8[Tensor, "n c h w"]:
        """Fixed binarisation: every image is drawn a single time, with a seed of its own."""
        if self.binarise != "fixed":
            return images
        coins = torch.bernoulli(images / top, generator=torch.Generator().manual_seed(1))
        return (coins * top).to(torch.uint8)

    def prepare(
        self, images: UInt8[Tensor, "n c h w"], generator: torch.Generator | None = None, top: int = 255
    ) -> Images:
        """x in {0, 1}, or in [0, 1] when nothing is binarised."""
        grey = super().prepare(images, generator, top)
        if self.binarise == "never":
            return grey
        if self.binarise == "threshold":
            return (grey >= 0.5).to(torch.float32)
        return (grey > torch.rand(grey.shape, generator=generator, device=grey.device)).to(torch.float32)

    def mean_image(self, images: UInt8[Tensor, "n c h w"], top: int) -> Images:
        """The expected x; thresholding changes it, a draw does not."""
        if self.binarise != "threshold":
            return super().mean_image(images, top)
        return (2 * images.to(torch.int32) >= top).to(torch.float32).mean(0, keepdim=True)

    def log_prob(self, parameters: Tensor | Normal, x: Images) -> Float[Tensor, "*n"]:
        """Σ x ln p + (1 − x) ln(1 − p), from logits."""
        return -_over_pixels(_cross_entropy(_tensor(parameters), x))


class Binomial(Pixels):
    """Pixels are counts out of `trials`: exact for sklearn's digits, which count dark dots in 4 × 4 blocks."""

    title: ClassVar[str] = "Binomial"
    kind: Literal["binomial"] = "binomial"
    trials: int = Field(default=16, ge=1, le=255, title="Trials", description="16 for sklearn's digits.")

    def prepare(
        self, images: UInt8[Tensor, "n c h w"], generator: torch.Generator | None = None, top: int = 255
    ) -> Images:
        """x = count / trials, each pixel rounded to the nearest count."""
        return super().prepare(images, generator, top).mul_(self.trials).round_().div_(self.trials)

    def mean_image(self, images: UInt8[Tensor, "n c h w"], top: int) -> Images:
        """The expected x; rounding to counts changes it."""
        sums = [self.prepare(part, top=top).sum(0, keepdim=True) for part in images.split(4096)]
        return torch.stack(sums).sum(0) / len(images)

    def log_prob(self, parameters: Tensor | Normal, x: Images) -> Float[Tensor, "*n"]:
        """Σ ln C(n, k) + k ln p + (n − k) ln(1 − p), with k = n x."""
        n, k = self.trials, x * self.trials
        choose = math.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
        return _over_pixels(choose - n * _cross_entropy(_tensor(parameters), x))


class ContinuousBernoulli(Pixels):
    """A proper density for grey values in [0, 1] (Loaiza-Ganem & Cunningham 2019)."""

    title: ClassVar[str] = "Continuous Bernoulli"
    kind: Literal["continuous-bernoulli"] = "continuous-bernoulli"

    def log_prob(self, parameters: Tensor | Normal, x: Images) -> Float[Tensor, "*n"]:
        """Σ x ln λ + (1 − x) ln(1 − λ) + ln C(λ), from logits."""
        logits = _tensor(parameters)
        return _over_pixels(_log_normaliser(logits) - _cross_entropy(logits, x))

    def mean(self, parameters: Tensor | Normal) -> Images:
        """E[x|z] = λ/(2λ − 1) + 1/(2 artanh(1 − 2λ)); ½ + logit/12 where that formula cancels."""
        logits = _tensor(parameters)
        safe = torch.where(logits.abs() < 0.1, torch.full_like(logits, 0.1), logits)
        exact = torch.sigmoid(safe) / torch.tanh(0.5 * safe) - 1 / safe
        return torch.where(logits.abs() < 0.1, 0.5 + logits / 12 - logits**3 / 720, exact)

    def outputs(self, mean: Images) -> Images:
        """The logit whose mean is given, by bisection (the mean rises with the logit)."""
        target = mean.clamp(1e-3, 1 - 1e-3)
        low, high = torch.full_like(target, -2000.0), torch.full_like(target, 2000.0)
        for _ in range(60):
            middle = (low + high) / 2
            below = self.mean(middle) < target
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2


class Gaussian(Pixels):
    """Pixels are real numbers with noise σ: fixed, learned by the optimiser, or refitted at each batch."""

    title: ClassVar[str] = "Gaussian"
    kind: Literal["gaussian"] = "gaussian"
    noise: Literal["fixed", "learned", "optimal"] = Field(
        default="fixed",
        title="σ is",
        description="Fixed: as given. Learned: a parameter. Optimal: the batch's residual (Rybkin et al. 2021).",
    )
    sigma: float = Field(
        default=0.5,
        ge=1e-3,
        le=100,
        title="σ",
        description="Pixel units, 0 to 1; where learning starts if σ is not fixed.",
    )

    def head(self, shape: Shape) -> nn.Module:
        """The module that holds σ."""
        return {"fixed": FixedNoise, "learned": LearnedNoise, "optimal": OptimalNoise}[self.noise](self.sigma)

    def outputs(self, mean: Images) -> Images:
        """The decoder gives the mean itself."""
        return mean

    def mean(self, parameters: Tensor | Normal) -> Images:
        """E[x|z], cut to what a screen can show."""
        return _normal(parameters).mean.clamp(0, 1)

    def constant(self, images: UInt8[Tensor, "n c h w"], top: int) -> Tensor | Normal:
        """The mean image, with the given σ or with the σ that fits best."""
        mean = self.mean_image(images, top)
        if self.noise == "fixed":
            return Normal(mean, torch.tensor(2 * math.log(self.sigma)))
        parts = [(self.prepare(part, top=top) - mean).square().mean((1, 2, 3)) for part in images.split(4096)]
        return Normal(mean, torch.cat(parts).mean().clamp_min(FLOOR).log())

    def log_prob(self, parameters: Tensor | Normal, x: Images) -> Float[Tensor, "*n"]:
        """Σ ln N(x; mean, σ²)."""
        mean, logvar = _normal(parameters)
        return _over_pixels(-0.5 * ((x - mean).square() * torch.exp(-logvar) + logvar + LOG_2PI))


def _over_pixels(terms: Tensor) -> Tensor:
    return terms.flatten(-3).sum(-1)


def _cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    """−x ln p − (1 − x) ln(1 − p) of each pixel."""
    logits, x = torch.broadcast_tensors(logits, x)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def _tensor(parameters: Tensor | Normal) -> Tensor:
    return parameters.mean if isinstance(parameters, Normal) else parameters


def _normal(parameters: Tensor | Normal) -> Normal:
    if not isinstance(parameters, Normal):
        raise TypeError("a Gaussian likelihood needs the parameters that its head returns")
    return parameters


def _log_normaliser(logits: Tensor) -> Tensor:
    """ln C(λ) = ln(2 artanh(1 − 2λ) / (1 − 2λ)) = ln(l / tanh(l/2)); ln 2 + l²/12 − 7 l⁴/1440 near l = 0."""
    safe = torch.where(logits.abs() < 0.1, torch.full_like(logits, 0.1), logits)
    exact = safe.abs().log() - torch.tanh(0.5 * safe.abs()).log()
    return torch.where(logits.abs() < 0.1, math.log(2.0) + logits.square() / 12 - 7 * logits**4 / 1440, exact)


Likelihood = Annotated[Bernoulli | Binomial | ContinuousBernoulli | Gaussian, Field(discriminator="kind")]
