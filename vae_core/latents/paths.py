"""Walks through the latent space, and how long they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64

from vae_core.latents.clouds import Cloud
from vae_core.spec import InputError

SMALL = 1e-12


def lerp(a: Float[np.ndarray, "d"], b: Float[np.ndarray, "d"], steps: int) -> Float64[np.ndarray, "steps d"]:
    """The straight line from a to b in `steps` points, both ends among them.

    Half-way between two draws from the prior it comes closer to the origin than nearly any draw (see `shell`).
    """
    share = _shares(steps)[:, None]
    return _between(a, b, (1 - share) * a + share * b)


def slerp(a: Float[np.ndarray, "d"], b: Float[np.ndarray, "d"], steps: int) -> Float64[np.ndarray, "steps d"]:
    """From a to b with the direction turning at constant speed and the norm changing at constant speed.

    For |a| = |b| it is the great circle, sin((1−t)Ω)/sin Ω a + sin(tΩ)/sin Ω b. If a or b is zero, or both point
    the same way, it is the straight line. Between opposite points every great circle is as short: the one towards the
    coordinate axis farthest from a is taken.
    """
    far, near = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(far, near) < SMALL:
        return lerp(a, b, steps)
    u, v = a.astype(np.float64) / far, b.astype(np.float64) / near
    angle = 2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v)))
    if angle < 1e-8 or len(u) == 1:
        return lerp(a, b, steps)
    share = _shares(steps)[:, None]
    direction = np.cos(share * angle) * u + np.sin(share * angle) * _across(u, v, angle)
    return _between(a, b, ((1 - share) * far + share * near) * direction)


def traverse(
    z: Float[np.ndarray, "d"], dimension: int, values: Sequence[float | int] | Float[np.ndarray, "k"]
) -> Float64[np.ndarray, "k d"]:
    """z with one of its dimensions set to each of the values, in their order."""
    if not 0 <= dimension < len(z):
        raise InputError(f"there is no dimension {dimension}", limit=f"0 to {len(z) - 1} are", fix="choose another")
    walk = np.repeat(z.astype(np.float64)[None], len(values), 0)
    walk[:, dimension] = values
    return walk


def shell(
    d: int, probabilities: Sequence[float] = (0.025, 0.25, 0.5, 0.75, 0.975)
) -> tuple[float, Float64[np.ndarray, "k"]]:
    """The norm of z ~ N(0, I) in d dimensions, which is χ-distributed: its mean and its quantiles."""
    if d < 1 or not all(0 < p < 1 for p in probabilities):
        raise InputError("no such shell", limit="d is 1 or more, probabilities lie between 0 and 1")
    mean = math.sqrt(2) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))
    wanted = torch.tensor(probabilities, dtype=torch.float64)
    low, high = torch.zeros_like(wanted), torch.full_like(wanted, math.sqrt(d) + 40)
    half = torch.full_like(wanted, d / 2)
    for _ in range(80):
        middle = (low + high) / 2
        below = torch.special.gammainc(half, middle.square() / 2) < wanted
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return mean, ((low + high) / 2).numpy()


def path_length(pictures: Float[np.ndarray, "k pixels"]) -> Float64[np.ndarray, "k"]:
    """How far the picture has changed at each point of a walk: the sum of Euclidean steps in pixel space.

    Shapes: [k, pixels], pixels from 0 to 1 -> [k], from 0 on. A jump in it is where the decoder changes its mind.
    """
    steps = np.linalg.norm(np.diff(pictures.astype(np.float64), axis=0), axis=1)
    return np.concatenate([np.zeros(min(1, len(pictures))), np.cumsum(steps)])


def attribute(cloud: Cloud, of: int, minus: int | None = None) -> Float64[np.ndarray, "d"]:
    """The direction to the mean code of a class from that of another, or from the mean of all images."""
    start = cloud.mean.mean(0, dtype=np.float64) if minus is None else _class_mean(cloud, minus)
    return _class_mean(cloud, of) - start


def _class_mean(cloud: Cloud, label: int) -> np.ndarray:
    members = cloud.mean[cloud.labels == label] if cloud.labels is not None else cloud.mean[:0]
    if not len(members):
        what = "these images have no labels" if cloud.labels is None else f"there is no image of class {label}"
        raise InputError(what, f"{cloud.run}, {cloud.split}", fix="choose another class, or a dataset with labels")
    return members.mean(0, dtype=np.float64)


def _across(u: np.ndarray, v: np.ndarray, angle: float) -> np.ndarray:
    """The unit vector at a right angle to u, in the direction of v; for an opposite v, of some axis."""
    if math.pi - angle < 1e-6:
        v = np.eye(len(u))[np.abs(u).argmin()]
    rest = v - (u @ v) * u
    return rest / np.linalg.norm(rest)


def _shares(steps: int) -> np.ndarray:
    if steps < 2:
        raise InputError(f"a walk of {steps} points", limit="it has two ends, so at least 2", fix="take more steps")
    return np.linspace(0, 1, steps)


def _between(a: np.ndarray, b: np.ndarray, walk: np.ndarray) -> np.ndarray:
    """The walk with its two ends as they were given, to the last bit."""
    walk[0], walk[-1] = a, b
    return walk
