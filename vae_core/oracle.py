"""Closed forms: models whose evidence and posterior are exact, against which everything else is checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.spec import LOG_2PI


@dataclass(frozen=True)
class LinearGaussian:
    """x = W z + b + σ ε with z, ε standard normal: probabilistic PCA. Everything in float64 and nats.

    Shapes: weight W [D, J], bias b [D], sigma a number.
    """

    weight: Float[Tensor, "D J"]
    bias: Float[Tensor, "D"]
    sigma: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", torch.as_tensor(self.weight, dtype=torch.float64))
        object.__setattr__(self, "bias", torch.as_tensor(self.bias, dtype=torch.float64))
        object.__setattr__(self, "sigma", float(self.sigma))

    def log_evidence(self, x: Float[Tensor, "*n D"]) -> Float[Tensor, "*n"]:
        """ln p(x) = ln N(x; b, W Wᵀ + σ² I)."""
        covariance = self.weight @ self.weight.T + self.sigma**2 * torch.eye(len(self.bias), dtype=torch.float64)
        factor = torch.linalg.cholesky(covariance)
        white = torch.linalg.solve_triangular(factor, self._centred(x).unsqueeze(-1), upper=False).squeeze(-1)
        return -0.5 * white.square().sum(-1) - factor.diagonal().log().sum() - 0.5 * len(self.bias) * LOG_2PI

    def posterior(self, x: Float[Tensor, "*n D"]) -> tuple[Float[Tensor, "*n J"], Float[Tensor, "J J"]]:
        """p(z|x): its mean [.., J] and its covariance [J, J], the same for every x."""
        covariance = torch.linalg.inv(self._precision())
        return self._centred(x) @ self.weight @ covariance / self.sigma**2, covariance

    def elbo(
        self, x: Float[Tensor, "*n D"], mean: Float[Tensor, "*n J"], std: Float[Tensor, "*#n J"]
    ) -> Float[Tensor, "*n"]:
        """The bound for q = N(mean, diag(std²)), with its expectation taken exactly."""
        mean, variance = mean.double(), std.double().square()
        residual = (self._centred(x) - mean @ self.weight.T).square().sum(-1)
        spread = (self.weight.square().sum(0) * variance).sum(-1)
        noise = self.sigma**2
        reconstruction = -0.5 * (len(self.bias) * (LOG_2PI + math.log(noise)) + (residual + spread) / noise)
        return reconstruction - 0.5 * (mean.square() + variance - 1 - variance.log()).sum(-1)

    def kl_to_posterior(
        self, x: Float[Tensor, "*n D"], mean: Float[Tensor, "*n J"], std: Float[Tensor, "*#n J"]
    ) -> Float[Tensor, "*n"]:
        """KL(q‖p(z|x)) for q = N(mean, diag(std²)): the gap between the bound and ln p(x)."""
        centre, _ = self.posterior(x)
        precision, variance = self._precision(), std.double().square()
        shift = mean.double() - centre
        distance = ((shift @ precision) * shift).sum(-1) + (precision.diagonal() * variance).sum(-1)
        return 0.5 * (distance - variance.shape[-1] - torch.logdet(precision) - variance.log().sum(-1))

    def best_factorised(self, x: Float[Tensor, "*n D"]) -> tuple[Float[Tensor, "*n J"], Float[Tensor, "J"]]:
        """The factorised q closest to p(z|x) in KL(q‖p): its mean, and 1/√ of the posterior precision's diagonal."""
        return self.posterior(x)[0], self._precision().diagonal().rsqrt()

    def _precision(self) -> Tensor:
        return torch.eye(self.weight.shape[1], dtype=torch.float64) + self.weight.T @ self.weight / self.sigma**2

    def _centred(self, x: Tensor) -> Tensor:
        return torch.as_tensor(x, dtype=torch.float64) - self.bias


def ppca_optimum(covariance: Float[Tensor, "D D"], latent: int, sigma: float) -> tuple[float, int]:
    """The best mean ELBO of a linear VAE with fixed σ, and how many of its dimensions are then active.

    covariance [D, D] of the data (biased). Dimension j is active iff λ_j > σ² (Tipping & Bishop 1999, Lucas 2019);
    the bound is tight there, so this is also the best mean ln p(x), in nats.
    """
    eigenvalues = torch.linalg.eigvalsh(covariance.double()).flip(0)
    noise = sigma**2
    active = min(latent, int((eigenvalues > noise).sum()))
    top, rest = eigenvalues[:active], eigenvalues[active:]
    logdet = top.log().sum() + len(rest) * math.log(noise)
    value = -0.5 * (len(eigenvalues) * LOG_2PI + logdet + active + rest.sum() / noise)
    return float(value), active
