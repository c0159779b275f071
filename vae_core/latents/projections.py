"""Maps: the cloud seen in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64

from vae_core.latents.clouds import Cloud
from vae_core.spec import InputError


@dataclass(frozen=True)
class Projection:
    """A map of a cloud: the place of every image, and, for a linear map, how codes get there and back.

    Shapes: points [n, 2]; components [2, d], orthonormal (its second row is zero if d = 1); centre [d]; share [2],
    the part of the variance of the means that each direction of the map holds. A map that is not linear has points
    alone.
    """

    method: str
    points: Float32[np.ndarray, "n 2"]
    components: Float64[np.ndarray, "2 d"] | None = None
    centre: Float64[np.ndarray, "d"] | None = None
    share: Float64[np.ndarray, "2"] | None = None

    def place(self, z: Float[np.ndarray, "k d"]) -> Float64[np.ndarray, "k 2"]:
        """Where codes lie on the map. InputError for a map that has no formula."""
        components, centre = self._linear()
        return (z - centre) @ components.T

    def lift(self, points: Float[np.ndarray, "k 2"], base: Float[np.ndarray, "d"]) -> Float64[np.ndarray, "k d"]:
        """The codes at these places of the map that differ from `base` only along the map.

        `place` gives the points back (if d = 1, their first coordinate). InputError for a map that has no formula.
        """
        components, _ = self._linear()
        away = points - self.place(base[None])
        return base + away @ np.linalg.pinv(components).T

    def _linear(self) -> tuple[np.ndarray, np.ndarray]:
        if self.components is None or self.centre is None:
            raise InputError(
                f"a map by {self.method} has no formula that places a code or finds the code of a place",
                fix="choose two dimensions or PCA",
            )
        return self.components, self.centre


def axes(cloud: Cloud, i: int, j: int) -> Projection:
    """Dimension i of the mean to the right, dimension j up."""
    if i == j or not all(0 <= dimension < cloud.latent for dimension in (i, j)):
        raise InputError(
            f"dimensions {i} and {j} make no map", limit=f"two of 0 to {cloud.latent - 1} do", fix="choose others"
        )
    components = np.zeros((2, cloud.latent))
    components[[0, 1], [i, j]] = 1
    points = np.ascontiguousarray(cloud.mean[:, [i, j]])
    return Projection("axes", points, components, np.zeros(cloud.latent), _share(points, cloud))


def pca(cloud: Cloud) -> Projection:
    """The two orthogonal directions along which the means vary most; of each, its largest entry is positive."""
    mean = cloud.mean.astype(np.float64)
    centre = mean.mean(0)
    # The triangle has the singular values and right vectors of the whole, and is no larger than d × d.
    vectors = np.linalg.svd(np.linalg.qr(mean - centre, mode="r"))[2]
    components = np.zeros((2, cloud.latent))
    components[: cloud.latent] = vectors[:2]
    largest = np.take_along_axis(components, np.abs(components).argmax(1)[:, None], 1)
    components *= np.where(largest < 0, -1.0, 1.0)
    return _linear_map("pca", cloud, components, centre)


def aligned(cloud: Cloud, reference: Projection) -> Projection:
    """The PCA of a cloud, turned and if need be mirrored (never scaled) onto a map of the same images.

    The orthogonal Procrustes solution: no rotation or reflection brings the points closer in the sum of squares.
    """
    if len(reference.points) != len(cloud):
        raise InputError(
            f"a map of {len(reference.points):,} images was given for a cloud of {len(cloud):,}",
            fix="align maps of the same split",
        )
    own = pca(cloud)
    assert own.components is not None
    assert own.centre is not None
    wanted = reference.points.astype(np.float64)
    left, _, right = np.linalg.svd(own.place(cloud.mean).T @ (wanted - wanted.mean(0)))
    components = (left @ right).T @ own.components
    centre = own.centre - np.linalg.pinv(components) @ wanted.mean(0)
    return _linear_map("aligned", cloud, components, centre)


def _linear_map(method: str, cloud: Cloud, components: np.ndarray, centre: np.ndarray) -> Projection:
    points = (cloud.mean - centre) @ components.T
    return Projection(method, points.astype(np.float32), components, centre, _share(points, cloud))


def _share(points: np.ndarray, cloud: Cloud) -> np.ndarray:
    """The part of the variance that each direction of the points holds; none of nothing."""
    total = float(cloud.mean.var(0, dtype=np.float64).sum())
    return points.var(0, dtype=np.float64) / total if total else np.zeros(2)
