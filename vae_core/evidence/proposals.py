"""Proposals: other places than q(z|x) to draw codes from, good ones and deliberately wrong ones."""

from __future__ import annotations

import math

import torch

from vae_core.gaussian import DiagonalGaussian


def prior(like: DiagonalGaussian) -> DiagonalGaussian:
    """The prior N(0, I) for each image: a proposal that has not looked at it."""
    return DiagonalGaussian(torch.zeros_like(like.mean), torch.zeros_like(like.logvar))


def moved(q: DiagonalGaussian, shift: float = 0.0, scale: float = 1.0) -> DiagonalGaussian:
    """q with every mean moved by `shift` of its own standard deviations, which are then multiplied by `scale`.

    With a scale below √½ of the posterior's own the weights have no variance, and no number of codes is enough.
    """
    return DiagonalGaussian(q.mean + shift * q.std, q.logvar + 2 * math.log(scale))
