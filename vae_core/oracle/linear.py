"""The linear-Gaussian model: evidence, posterior and every bound in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from vae_core.spec import LOG_2PI


@dataclass(frozen=True)
class ExpectedEvidence:
    """⟨ln p_θ⟩ over p_data, the entropy of p_data and KL(p_data‖p_θ): the first is minus the other two. Nats."""

    value: float
    entropy: float
    divergence: float


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

    def log_likelihood(self, x: Float[Tensor, "*n D"], z: Float[Tensor, "*k J"]) -> Float[Tensor, "*m"]:
        """ln p(x|z) = ln N(x; W z + b, σ² I); x and z are broadcast against each other."""
        residual = self._centred(x) - z.double() @ self.weight.T
        return -0.5 * (
            residual.square().sum(-1) / self.sigma**2 + len(self.bias) * (LOG_2PI + 2 * math.log(self.sigma))
        )

    def chi_square(
        self, x: Float[Tensor, "*n D"], mean: Float[Tensor, "*n J"], std: Float[Tensor, "*#n J"]
    ) -> Float[Tensor, "*n"]:
        """χ²(p(z|x)‖q) = E_q[(p(z|x)/q)²] − 1: the variance of the weights under q = N(mean, diag(std²)), over p(x)².

        ln p̂ from K codes errs low by about χ²/(2K). Infinite where 2 S⁻¹ − S_q⁻¹ is not positive definite: where q is
        narrower in some direction than half the posterior's variance.
        """
        posterior, own = self._precision(), std.double().square().reciprocal()
        excess = 2 * posterior - own.diag_embed()
        finite = torch.linalg.eigvalsh(excess)[..., 0] > 0
        safe = torch.where(finite[..., None, None], excess, torch.eye(len(posterior), dtype=torch.float64))
        pull = own * (self.posterior(x)[0] - mean.double())
        solved = torch.linalg.solve(safe, pull.unsqueeze(-1)).squeeze(-1)
        exponent = (pull.square() / own + pull * solved).sum(-1)
        log = torch.logdet(posterior) + 0.5 * (exponent - own.log().sum(-1) - torch.logdet(safe))
        return torch.where(finite, log.expm1(), math.inf)

    def expected_evidence(self, mean: Float[Tensor, "D"], covariance: Float[Tensor, "D D"]) -> ExpectedEvidence:
        """⟨ln p(x)⟩ over data that are themselves N(mean, covariance): −S[p_data] − KL(p_data‖p), each term exact."""
        data = MultivariateNormal(mean.double(), covariance.double())
        identity = torch.eye(len(self.bias), dtype=torch.float64)
        own = MultivariateNormal(self.bias, self.weight @ self.weight.T + self.sigma**2 * identity)
        entropy, divergence = float(data.entropy()), float(kl_divergence(data, own))
        spread = torch.linalg.solve(own.covariance_matrix, data.covariance_matrix).diagonal().sum()
        entropic = 0.5 * (len(mean) * LOG_2PI + torch.logdet(own.covariance_matrix) + spread)
        shift = mean.double() - self.bias
        value = -float(entropic + 0.5 * shift @ torch.linalg.solve(own.covariance_matrix, shift))
        return ExpectedEvidence(value, entropy, divergence)

    def _precision(self) -> Tensor:
        return torch.eye(self.weight.shape[1], dtype=torch.float64) + self.weight.T @ self.weight / self.sigma**2

    def _centred(self, x: Tensor) -> Tensor:
        return torch.as_tensor(x, dtype=torch.float64) - self.bias
