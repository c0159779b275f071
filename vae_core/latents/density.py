"""The aggregate posterior q(z) = (1/N) Σ q(z|x_n): where the decoder has been trained, and where it has not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64

from vae_core.diagnostics import pairwise_log_prob
from vae_core.latents.clouds import Cloud
from vae_core.spec import InputError

AT_ONCE = 2**22  # numbers of 8 bytes


def aggregate_log_density(cloud: Cloud, z: Float[np.ndarray, "k d"]) -> Float64[np.ndarray, "k"]:
    """ln q(z) of each code under the mixture of the cloud's posteriors, in nats; in float64 throughout.

    Compare it with ln N(z; 0, I): far below, the prior draws codes that the decoder never saw.
    """
    mean, logvar = (torch.from_numpy(part).double() for part in (cloud.mean, cloud.logvar))
    # Distances are differences of large numbers where codes are far from the origin: begin in their midst.
    middle = mean.mean(0)
    codes = torch.from_numpy(np.ascontiguousarray(z)).double() - middle
    rows = max(1, AT_ONCE // len(cloud))
    parts = [torch.logsumexp(pairwise_log_prob(part, mean - middle, logvar), 1) for part in codes.split(rows)]
    return (torch.cat(parts) - math.log(len(cloud))).numpy()


@dataclass(frozen=True)
class Histograms:
    """The density of each dimension of the aggregate posterior, and of the prior, averaged over bins.

    Shapes: edges [bins + 1], density [d, bins], prior [bins]. Times the width of a bin it is a probability; what is
    missing to one lies outside.
    """

    edges: Float64[np.ndarray, "edges"]
    density: Float64[np.ndarray, "d bins"]
    prior: Float64[np.ndarray, "bins"]


def histograms(cloud: Cloud, bins: int = 60, limit: float | int | None = None) -> Histograms:
    """The marginal of q(z) along each dimension against N(0, 1), from −limit to limit.

    No draws: the share of each posterior in each bin is exact. Without a limit, nearly all of q(z) is shown.
    """
    if bins < 1:
        raise InputError(f"{bins} bins", limit="at least 1 is needed")
    mean, logvar = (torch.from_numpy(part).double() for part in (cloud.mean, cloud.logvar))
    sigma = (0.5 * logvar).exp()
    if limit is None:
        limit = max(4.0, float(np.quantile((mean.abs() + 2 * sigma).numpy(), 0.999)))
    edges = torch.linspace(-limit, limit, bins + 1, dtype=torch.float64)
    width = 2 * limit / bins
    below = torch.stack([_cumulative(edges, mean[:, j], sigma[:, j]) for j in range(cloud.latent)])
    return Histograms(
        edges.numpy(), (below.diff(dim=1) / width).numpy(), (torch.special.ndtr(edges).diff() / width).numpy()
    )


def _cumulative(edges: torch.Tensor, mean: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The share of the mixture below each edge."""
    rows = max(1, AT_ONCE // len(edges))
    total = torch.zeros_like(edges)
    for m, s in zip(mean.split(rows), sigma.split(rows), strict=True):
        total += torch.special.ndtr((edges - m[:, None]) / s[:, None]).sum(0)
    return total / len(mean)
