"""The true posterior of an image of a model with one or two latents, on a grid."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.evidence.importance import image_log_likelihood
from vae_core.gaussian import standard_normal_log_prob
from vae_core.oracle.grid import GridPosterior, grid_codes
from vae_core.spec import InputError
from vae_core.vae import VAE

WIDTH = 6.0  # where the posterior is looked for first: the prior's mass outside ±6 is 2e-9
COARSE = {1: 2001, 2: 121}  # points on an axis of that first look
DEPTH = 30.0  # nats below its highest value ln p(x, z) counts as nothing


@torch.no_grad()
def image_posterior(vae: VAE, x: Float[Tensor, "1 c h w"], points: int = 151) -> GridPosterior:
    """ln p(x, z) of one image as the likelihood sees it, at `points` codes along each axis around where p(z|x) is.

    The box holds every code within 30 nats of the best one that a first look at the prior's ±6 finds. In float64.
    InputError above two latents, and for grey values under a Bernoulli.
    """
    if vae.latent not in COARSE:
        raise InputError(f"a grid of {vae.latent} latents", limit="1 or 2 can be drawn", fix="take a run with two")
    axes = (torch.linspace(-WIDTH, WIDTH, COARSE[vae.latent], dtype=torch.float64),) * vae.latent
    for _ in range(2):  # the first box may be a few coarse cells, cut from one that missed the peak's height
        axes = tuple(torch.linspace(*ends, points, dtype=torch.float64) for ends in _box(_joint(vae, x, axes)))
    return _joint(vae, x, axes)


def _joint(vae: VAE, x: Tensor, axes: tuple[Tensor, ...]) -> GridPosterior:
    codes = grid_codes(axes)
    log_likelihood = image_log_likelihood(vae, x)(codes[:, None].to(x))[:, 0].double().cpu()
    joint = log_likelihood + standard_normal_log_prob(codes)
    return GridPosterior(axes, joint.view([len(axis) for axis in axes]))


def _box(seen: GridPosterior) -> list[tuple[float, float]]:
    """The ends, one cell further out, of the codes that count."""
    counts = seen.log_joint >= seen.log_joint.max() - DEPTH
    ends = []
    for axis, values in enumerate(seen.axes):
        used = counts.movedim(axis, 0).flatten(1).any(1) if counts.dim() > 1 else counts
        at = used.nonzero().flatten()
        first, last = max(0, int(at[0]) - 1), min(len(values) - 1, int(at[-1]) + 1)
        ends.append((float(values[first]), float(values[last])))
    return ends
