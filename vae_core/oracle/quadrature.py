"""Models of one or two latents whose evidence is an integral that can simply be worked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian, standard_normal_log_prob
from vae_core.oracle.grid import GridPosterior, grid_codes

NODES = 121  # on each axis for an expectation under q
WIDTH = 9.0  # a normal's mass outside ±9 is 2e-19


@dataclass(frozen=True)
class QuadratureModel:
    """One observed x of a model with a standard normal prior and `latent` = 1 or 2: `log_likelihood` is ln p(x|z).

    Shapes: log_likelihood takes codes [k, d] and gives [k], in nats.
    """

    log_likelihood: Callable[[Tensor], Tensor]
    latent: int = 1

    def posterior(self, points: int | None = None) -> GridPosterior:
        """p(z|x) on a grid over all of the prior, with `points` on each axis (none: 4,001, or 401 in the plane)."""
        points = points or (4001 if self.latent == 1 else 401)
        axes = (torch.linspace(-WIDTH, WIDTH, points, dtype=torch.float64),) * self.latent
        codes = grid_codes(axes)
        log_joint = self.log_likelihood(codes) + standard_normal_log_prob(codes)
        return GridPosterior(axes, log_joint.view((points,) * self.latent))

    @property
    def log_evidence(self) -> float:
        """ln p(x)."""
        return self.posterior().log_evidence

    def reconstruction(self, mean: Float[Tensor, "d"], std: Float[Tensor, "d"]) -> Float[Tensor, ""]:
        """E_q ln p(x|z) for q = N(mean, diag(std²))."""
        noise, weight = _nodes(self.latent)
        return weight @ self.log_likelihood(mean + std * noise)

    def elbo(self, mean: Float[Tensor, "d"], std: Float[Tensor, "d"]) -> Float[Tensor, ""]:
        """The bound for q = N(mean, diag(std²))."""
        return self.reconstruction(mean, std) - DiagonalGaussian(mean[None], 2 * std[None].log()).kl().sum()

    def kl_to_posterior(self, mean: Float[Tensor, "d"], std: Float[Tensor, "d"]) -> float:
        """KL(q‖p(z|x)), integrated on the grid."""
        return self.posterior().kl_from(mean, std)

    def best_factorised(self) -> tuple[Float[Tensor, "d"], Float[Tensor, "d"]]:
        """The factorised Gaussian with the highest bound, its mean and std, found from the posterior's moments on."""
        centre, covariance = self.posterior().moments()
        free = [centre.clone().requires_grad_(), (0.5 * covariance.diagonal().log()).requires_grad_()]
        optimiser = torch.optim.LBFGS(free, max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            value = -self.elbo(free[0], free[1].exp())
            value.backward()
            return value

        optimiser.step(loss)
        return free[0].detach(), free[1].detach().exp()


def bernoulli_model(x: Float[Tensor, "D"], weight: Float[Tensor, "D d"], bias: Float[Tensor, "D"]) -> QuadratureModel:
    """Coins with p(x_i = 1|z) = sigmoid(w_i·z + b_i), of which `x` (zeros and ones) was seen."""
    sign = 2 * x.double() - 1

    def log_likelihood(z: Tensor) -> Tensor:
        return F.logsigmoid(sign * (z @ weight.double().T + bias.double())).sum(-1)

    return QuadratureModel(log_likelihood, weight.shape[1])


def _nodes(latent: int) -> tuple[Float[Tensor, "k d"], Float[Tensor, "k"]]:
    """Evenly spaced standard normal noise, and weights that sum to 1: for a smooth integrand better than Hermite's."""
    noise = grid_codes((torch.linspace(-WIDTH, WIDTH, NODES, dtype=torch.float64),) * latent)
    return noise, torch.softmax(standard_normal_log_prob(noise), 0)
