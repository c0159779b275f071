"""The smallest example: d/dμ and d/dσ of E[z²] under N(μ, σ²), estimated in four ways whose variances are exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from vae_core.spec import InputError

Estimator = Literal["pathwise", "score", "baseline", "leave-one-out"]
ESTIMATORS: tuple[Estimator, ...] = ("pathwise", "score", "baseline", "leave-one-out")
Pair = tuple[float, float]


@dataclass(frozen=True)
class Square:
    """f(z) = z² under q = N(mean, std²). Every pair it returns is about (μ, σ), in this order.

    "pathwise" differentiates f(μ + σε); "score" weighs ∂ ln q(z) by f(z); "baseline" by f(z) − E f; "leave-one-out"
    by f(z) less the mean of f over the other samples.
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std > 0):
            raise InputError(f"N({self.mean}, {self.std}²)", limit="a finite μ and a σ above 0 are needed")

    @property
    def expectation(self) -> float:
        """E f = μ² + σ²."""
        return self.mean**2 + self.std**2

    @property
    def gradient(self) -> Pair:
        """What every estimator estimates: (2μ, 2σ)."""
        return 2 * self.mean, 2 * self.std

    def variance(self, estimator: Estimator, samples: int = 1) -> Pair:
        """The exact variance of an estimate from `samples` codes.

        A leave-one-out estimate is the sample covariance of f and the score, whose variance is known.
        """
        _check(estimator, samples)
        m, v = self.mean**2, self.std**2
        if estimator == "leave-one-out":
            centred = self.variance("baseline")
            values = 4 * m * v + 2 * v * v
            scores = 1 / v, 2 / v
            extra = [(g * g + values * score) / (samples - 1) for g, score in zip(self.gradient, scores, strict=True)]
            return (centred[0] + extra[0]) / samples, (centred[1] + extra[1]) / samples
        single = {
            "pathwise": (4 * v, 4 * m + 8 * v),
            "score": (m * m / v + 14 * m + 15 * v, 2 * m * m / v + 60 * m + 74 * v),
            "baseline": (8 * m + 10 * v, 40 * m + 56 * v),
        }[estimator]
        return single[0] / samples, single[1] / samples

    def signal_to_noise(self, estimator: Estimator, samples: int = 1) -> Pair:
        """|gradient| / standard deviation of one estimate."""
        pairs = zip(self.gradient, self.variance(estimator, samples), strict=True)
        to_mean, to_std = (abs(gradient) / math.sqrt(variance) for gradient, variance in pairs)
        return to_mean, to_std

    def estimates(
        self, estimator: Estimator, samples: int, repeats: int, generator: torch.Generator | None = None
    ) -> Float64[Tensor, "repeats 2"]:
        """`repeats` independent estimates, each from `samples` codes; the columns are d/dμ and d/dσ."""
        _check(estimator, samples)
        noise = torch.randn(repeats, samples, generator=generator, dtype=torch.float64)
        z = self.mean + self.std * noise
        if estimator == "pathwise":
            return torch.stack([2 * z, 2 * z * noise], -1).mean(1)
        weight = weights(z.square(), estimator, self.expectation)
        score = torch.stack([noise, noise.square() - 1], -1) / self.std
        return (weight.unsqueeze(-1) * score).mean(1)


def weights(values: Tensor, estimator: Estimator, baseline: float | Tensor) -> Tensor:
    """What multiplies the score of each code: f, or f less a baseline. Shapes: values [repeats, samples, ..]."""
    if estimator == "leave-one-out":
        samples = values.shape[1]
        return (values - values.mean(1, keepdim=True)) * (samples / (samples - 1))
    return values - baseline if estimator == "baseline" else values


def _check(estimator: Estimator, samples: int) -> None:
    least = 2 if estimator == "leave-one-out" else 1
    if samples < least:
        raise InputError(f"a {estimator} estimate from {samples} samples", limit=f"at least {least} are needed")
