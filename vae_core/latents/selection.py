"""Picking images out of a cloud: the nearest to a code, those inside a drawn line, and what a pick has in common."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64

from vae_core.latents.clouds import Cloud
from vae_core.spec import InputError

AT_ONCE = 2**22  # numbers of 8 bytes


def nearest(cloud: Cloud, z: Float[np.ndarray, "k d"], count: int = 1) -> Int64[np.ndarray, "k count"]:
    """The images whose means are nearest to each code by Euclidean distance, the nearest first."""
    if not 1 <= count <= len(cloud):
        raise InputError(f"{count} neighbours", limit=f"1 to {len(cloud):,} are possible", fix="choose another number")
    mean = torch.from_numpy(cloud.mean).double()
    # Distances are differences of large numbers where codes are far from the origin: begin in their midst.
    middle = mean.mean(0)
    mean = mean - middle
    codes = torch.from_numpy(np.ascontiguousarray(z)).double() - middle
    lengths = mean.square().sum(1)
    rows = max(1, AT_ONCE // len(cloud))
    # |z|² is the same for every image, so it is left out.
    parts = [torch.addmm(lengths, part, mean.T, alpha=-2).topk(count, largest=False)[1] for part in codes.split(rows)]
    return torch.cat(parts).numpy()


def inside(points: Float[np.ndarray, "n 2"], polygon: Float[np.ndarray, "m 2"]) -> Bool[np.ndarray, "n"]:
    """Which points lie inside a closed line, by the even-odd rule: what it encloses twice is outside.

    Of a point exactly on the line, either may be said; polygons that tile the plane claim each point once.
    """
    x, y = points.astype(np.float64).T
    within = np.zeros(len(points), bool)
    corners = polygon.astype(np.float64)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if y1 != y2:
            crossing = (x2 - x1) * ((y - y1) / (y2 - y1)) + x1
            within ^= ((y1 > y) != (y2 > y)) & (x < crossing)
    return within


@dataclass(frozen=True)
class Summary:
    """What a selection of images has in common: means over it, in nats where they are costs; None if unknown.

    `classes` counts the images of each label, the most frequent first; it is empty without labels.
    """

    count: int
    classes: dict[int, int]
    elbo: float | None
    reconstruction: float | None
    kl: float | None
    norm: float | None
    sigma: float | None
    mean: Float32[np.ndarray, "d"] | None


def summarise(cloud: Cloud, indices: Int64[np.ndarray, "k"]) -> Summary:
    """What these images of a cloud have in common."""
    if not len(indices):
        return Summary(0, {}, None, None, None, None, None, None)
    kl = cloud.kl[indices].sum(1, dtype=np.float64)
    reconstruction = cloud.reconstruction[indices].astype(np.float64)
    return Summary(
        count=len(indices),
        classes=_classes(cloud, indices),
        elbo=_mean(reconstruction - kl),
        reconstruction=_mean(reconstruction),
        kl=_mean(kl),
        norm=_mean(cloud.norm[indices]),
        sigma=_mean(cloud.sigma[indices]),
        mean=cloud.mean[indices].mean(0),
    )


def _mean(values: np.ndarray) -> float | None:
    mean = float(values.mean(dtype=np.float64))
    return mean if math.isfinite(mean) else None


def _classes(cloud: Cloud, indices: np.ndarray) -> dict[int, int]:
    if cloud.labels is None:
        return {}
    labels, counts = np.unique(cloud.labels[indices], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {int(labels[i]): int(counts[i]) for i in order}
