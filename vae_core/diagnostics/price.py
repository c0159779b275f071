"""What a code could be worth on this data: the price above which not using it is the best that can be done."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vae_core.heads import Normal
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian


def data_eigenvalues(
    likelihood: Bernoulli | Binomial | ContinuousBernoulli | Gaussian, images: UInt8[Tensor, "n c h w"], top: int
) -> Float[Tensor, "pixels"]:
    """How much each direction of the data differs from independent pixels, the largest first.

    For a Gaussian the eigenvalues of the images' covariance, in squared pixel units: a linear VAE uses a latent for
    each λ > βσ², exactly (Lucas et al. 2019). For the others those of the covariance of the score of a model without a
    code, in units of its Fisher information (for a Bernoulli, of the correlation matrix): at λ < β a small code costs
    more than it brings, to second order. Images are binarised once with fixed noise.
    """
    x = likelihood.prepare(images, torch.Generator().manual_seed(0), top)
    if isinstance(likelihood, Gaussian):
        white = x.flatten(1).double()
    else:
        outputs = _tensor(likelihood.constant(images, top)).expand_as(x).clone().requires_grad_()
        with torch.enable_grad():
            (score,) = torch.autograd.grad(likelihood.log_prob(outputs, x).sum(), outputs, create_graph=True)
            (curvature,) = torch.autograd.grad(score.sum(), outputs)
        white = (score.detach() / (-curvature).mean(0).sqrt()).flatten(1).double()
    white = white - white.mean(0)
    return torch.linalg.eigvalsh(white.T @ white / len(white)).flip(0).clamp_min(0)


def worth_of_a_code(eigenvalues: Float[Tensor, "pixels"], beta: float, noise: float = 1.0) -> float:
    """By how many nats the best linear code improves the objective at this β over having none: zero if it cannot.

    β · ½ Σ (λ/p − 1 − ln λ/p) over the eigenvalues λ of the data above the price p = βσ², with σ² = `noise` for a
    Gaussian and 1 for the other likelihoods. A code that is not linear can be worth more.
    """
    price = beta * noise
    ratio = eigenvalues[eigenvalues > price] / price
    return float(0.5 * beta * (ratio - 1 - ratio.log()).sum())


def _tensor(parameters: Tensor | Normal) -> Tensor:
    return parameters.mean if isinstance(parameters, Normal) else parameters
