"""The importance-weighted bounds L_K ≤ L_K' ≤ ln p(x) for K < K' (Burda et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.evidence.curves import log_means, standard_error
from vae_core.evidence.importance import weight_parts
from vae_core.gaussian import DiagonalGaussian
from vae_core.vae import VAE


@dataclass(frozen=True)
class IwaeBounds:
    """L_K of each image for each K in `counts`, in nats. Shapes: values [c, n], noise [c, n].

    `noise` is the standard error that the codes leave in a value, from the scatter of its blocks; nan where there was
    one block.
    """

    counts: tuple[int, ...]
    values: Float[Tensor, "c n"]
    noise: Float[Tensor, "c n"]

    @property
    def means(self) -> dict[int, float]:
        """For each K the mean over the images."""
        return dict(zip(self.counts, self.values.mean(1).tolist(), strict=True))

    @property
    def errors(self) -> dict[int, float]:
        """For each K the standard error of that mean as an estimate for the data set; nan of one image."""
        return dict(zip(self.counts, standard_error(self.values.T).tolist(), strict=True))

    @property
    def step_errors(self) -> dict[int, float]:
        """For each K the standard error of the mean step up to it from the K before, image by image (0 for the first).

        What `diagnostics.broken_bounds` allows a bound to fall by.
        """
        steps = standard_error(self.values.diff(dim=0).T).nan_to_num(0.0).tolist()
        return dict(zip(self.counts, [0.0, *steps], strict=True))


@torch.no_grad()
def iwae_bounds(
    vae: VAE,
    x: Float[Tensor, "n c h w"],
    counts: Sequence[int] = (1, 10, 100, 1000),
    samples: int | None = None,
    generator: torch.Generator | None = None,
    proposal: DiagonalGaussian | None = None,
) -> IwaeBounds:
    """L_K of images x as the likelihood sees them, from one stream of `samples` codes each (none: the largest K).

    A stream gives samples // K estimates for each K, whose mean is the value. Memory grows by one number a sample.
    InputError for grey values under a Bernoulli.
    """
    ordered = tuple(sorted(counts))
    length = max(samples or 0, ordered[-1])
    means, noise = [], []
    for weights in weight_parts(vae, x, length, generator, proposal):
        found = [log_means(weights, count) for count in ordered]
        means.append(torch.stack([part.mean(0) for part in found]))
        noise.append(torch.stack([standard_error(part) for part in found]))
    empty = x.new_empty(len(ordered), 0)
    return IwaeBounds(ordered, torch.cat([empty, *means], 1), torch.cat([empty, *noise], 1))
