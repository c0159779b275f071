"""How much a code tells of its image: mutual information, and the rest of the KL that is not information."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.diagnostics.encoded import PAIRS, Encoded, fixed_noise
from vae_core.spec import LOG_2PI


def mutual_information(e: Encoded) -> Float[Tensor, ""]:
    """I_q(x; z) in nats over the first 1,000 images, by the N × N estimator (Hoffman & Johnson 2016).

    E ln q(z|x) − E ln (1/N) Σ_m q(z|x_m): never above its ceiling ln N, and close to it it measures N.
    """
    own, pairs = log_densities(e)
    aggregate = torch.logsumexp(pairs, 1) - math.log(len(own))
    return (own - aggregate).mean().clamp_max(math.log(len(own)))


def mutual_information_ceiling(e: Encoded) -> float:
    """ln N, which the estimate of the mutual information cannot exceed; in nats."""
    return math.log(min(PAIRS, len(e.images)))


class Bracket(NamedTuple):
    """Two estimates between which the mutual information lies on average, and the standard error of the lower one."""

    low: float
    high: float
    error: float


def mutual_information_bracket(e: Encoded) -> Bracket:
    """I_q(x; z) in nats from below and from above: with each code's own posterior in the mixture, and without it.

    The first is low by about what N images cannot resolve, the second is high (leave one out); far apart, N is too
    small. For codes that overlap nowhere the second has no upper limit. One image has no others: then it is infinite.
    """
    own, pairs = log_densities(e)
    count = len(own)
    terms = own - (torch.logsumexp(pairs, 1) - math.log(count))
    others = torch.logsumexp(pairs.fill_diagonal_(-math.inf), 1) - math.log(max(1, count - 1))
    low, error = terms.mean().clamp_max(math.log(count)), terms.std(correction=0) / math.sqrt(count)
    return Bracket(float(low), float((own - others).mean()), float(error))


class Surgery(NamedTuple):
    """The mean KL, and the two parts it is the sum of, in nats."""

    kl: float
    mutual_information: float
    marginal_kl: float


def elbo_surgery(e: Encoded) -> Surgery:
    """Mean KL(q(z|x)‖p) = I_q(x; z) + KL(q(z)‖p): what the code tells, and how far all codes together miss the prior.

    In nats, over the first 1,000 images (Hoffman & Johnson 2016). The KL is exact and the mutual information an
    estimate, so the last part is what it leaves: it takes over the estimate's error, with the other sign.
    """
    kl = float(e.first(PAIRS).posterior.kl().sum(1).mean())
    information = float(mutual_information(e))
    return Surgery(kl, information, kl - information)


def marginal_kl(e: Encoded) -> float:
    """KL(q(z)‖p(z)) in nats: how far the codes of all images together are from the prior that samples are drawn from.

    Over the first 1,000 images. An estimate that can fall a little below zero, where the mutual information errs high.
    """
    return elbo_surgery(e).marginal_kl


def log_densities(e: Encoded) -> tuple[Float[Tensor, "n"], Float[Tensor, "n n"]]:
    """ln q(z_i|x_i), and ln q(z_i|x_j) for all pairs, of one code z_i ~ q(z|x_i) for each of the first 1,000 images."""
    mean, logvar = (part[:PAIRS].double() for part in (e.posterior.mean, e.posterior.logvar))
    noise = fixed_noise(mean.float()).double()
    z = mean + (0.5 * logvar).exp() * noise
    own = -0.5 * (noise.square() + logvar + LOG_2PI).sum(1)
    pairs = pairwise_log_prob(z, mean, logvar)
    # The matrix products lose digits where codes are sharp and far; the diagonal is known exactly.
    pairs.diagonal().copy_(own)
    return own.float(), pairs.float()


def pairwise_log_prob(
    z: Float[Tensor, "n d"], mean: Float[Tensor, "m d"], logvar: Float[Tensor, "m d"]
) -> Float[Tensor, "n m"]:
    """ln q(z_i|x_j) of every code under every posterior, as one matrix product; pass float64."""
    precision = (-logvar).exp()
    constant = (mean.square() * precision + logvar + LOG_2PI).sum(1, keepdim=True)
    codes = torch.cat([z.square(), z, torch.ones_like(z[:, :1])], 1)
    return codes @ torch.cat([-0.5 * precision, mean * precision, -0.5 * constant], 1).T
