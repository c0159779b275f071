"""The factorised Gaussian: the posterior q(z|x) of every image, and the prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.spec import LOG_2PI


@dataclass(frozen=True)
class DiagonalGaussian:
    """N(mean, diag(exp(logvar))) for each of n images in d latent dimensions.

    Shapes: mean [n, d], logvar [n, d]. Everything it returns is in nats.
    """

    mean: Float[Tensor, "n d"]
    logvar: Float[Tensor, "n d"]

    @property
    def std(self) -> Float[Tensor, "n d"]:
        """σ, the standard deviation of each dimension."""
        return (0.5 * self.logvar).exp()

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """One draw for each image, reparametrised: z = mean + σ ε with ε ~ N(0, I)."""
        return torch.addcmul(self.mean, self.std, _noise_like(self.mean, self.mean.shape, generator))

    def samples(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "k n d"]:
        """`count` independent draws for each image."""
        return self.mean + self.std * _noise_like(self.mean, (count, *self.mean.shape), generator)

    def noise(self, z: Float[Tensor, "*k n d"]) -> Float[Tensor, "*k n d"]:
        """The ε that `sample` would have turned into z: (z − mean) / σ."""
        return (z - self.mean) * (-0.5 * self.logvar).exp()

    def log_prob(self, z: Float[Tensor, "*k n d"]) -> Float[Tensor, "*k n"]:
        """ln q(z) = ln p(ε) − ln|det ∂z/∂ε|; for this map the determinant is the product of the σ."""
        log_p_noise = standard_normal_log_prob(self.noise(z))
        return log_p_noise - 0.5 * self.logvar.sum(-1)

    def kl(self) -> Float[Tensor, "n d"]:
        """KL(q‖N(0, I)) of each dimension: ½(μ² + σ² − 1 − ln σ²). Never summed here: early sums hide collapse."""
        return _StandardKl.apply(self.mean, self.logvar)


class _StandardKl(torch.autograd.Function):
    """½(μ² + expm1(l) − l) with l = ln σ². Its gradient (μ, ½ expm1(l)) by hand takes a third of autograd's kernels."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, logvar: Tensor) -> Tensor:
        excess = torch.expm1(logvar)
        ctx.save_for_backward(mean, excess)
        return mean.square().add_(excess).sub_(logvar).mul_(0.5)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (mean, excess), (gradient,) = ctx.saved_tensors, gradients
        return gradient * mean, 0.5 * gradient * excess


def standard_normal_log_prob(z: Float[Tensor, "*k d"]) -> Float[Tensor, "*k"]:
    """ln N(z; 0, I): the prior of every model here."""
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * LOG_2PI)


def _noise_like(reference: Tensor, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=reference.dtype, device=reference.device)
