"""UMAP: a map that keeps neighbours together, and tells how far it is."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from vae_core.latents.clouds import Cloud
from vae_core.latents.projections import Projection, pca
from vae_core.spec import InputError

# Told the share of the stage that is done (None where nobody knows) and its name.
Progress = Callable[[float | None, str], None]
PARTS = 40
LONGEST = 200  # neighbours: more take long and show no more


def umap(
    cloud: Cloud, neighbours: int = 15, min_dist: float | int = 0.1, seed: int = 0, progress: Progress | None = None
) -> Projection:
    """The means laid out by UMAP, from their exact neighbours, starting at the PCA.

    The same numbers on every call with the same seed. In a new process the library first compiles itself for some
    ten seconds; see `prepare` for a process of its own. Distances and empty places of the map mean nothing.
    """
    _check(cloud, neighbours, min_dist)
    tell = progress or (lambda share, message: None)
    near = _neighbours(cloud.mean, neighbours, tell)
    tell(None, "Loading UMAP, which compiles itself for this process")
    begin: Any = pca(cloud).points  # a name or an array, though the library's annotation knows names alone
    bar = {"file": _Epochs(tell), "disable": False, "bar_format": "{n}/{total}"}
    with warnings.catch_warnings():
        # That there is no index to place new points with, and what its own libraries have to say of each other.
        warnings.simplefilter("ignore")
        import umap as library

        layout = library.UMAP(
            n_neighbors=neighbours, min_dist=float(min_dist), random_state=seed, n_jobs=1, precomputed_knn=near,
            init=begin, tqdm_kwds=bar,
        )  # fmt: skip
        return Projection("umap", np.asarray(layout.fit_transform(cloud.mean), np.float32))


def _check(cloud: Cloud, neighbours: int, min_dist: float | int) -> None:
    most = min(LONGEST, len(cloud) - 1)
    if not 2 <= neighbours <= most:
        raise InputError(f"{neighbours} neighbours", limit=f"2 to {most} are possible", fix="choose another number")
    if not 0 <= min_dist <= 1:
        raise InputError(f"a least distance of {min_dist}", limit="0 to 1 is possible", fix="choose another")
    if not np.ptp(cloud.mean, axis=0).any():
        raise InputError("all codes are one point, so there is nothing to lay out", fix="choose another step")


def _neighbours(mean: np.ndarray, count: int, tell: Progress) -> tuple[np.ndarray, np.ndarray, None]:
    """The nearest `count` means of each, itself among them, and how far they are: exact, and no compiler needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(n_neighbors=count).fit(mean)
        found = []
        for number, part in enumerate(np.array_split(mean, PARTS)):
            tell(number / PARTS, "Finding neighbours")
            if len(part):
                found.append(index.kneighbors(part))
    distances, indices = (np.concatenate(column) for column in zip(*found, strict=True))
    return indices, distances.astype(np.float32), None


class _Epochs:
    """The file that UMAP draws its bar into; what arrives here is "120/200"."""

    def __init__(self, tell: Progress) -> None:
        self._tell = tell

    def write(self, text: str) -> int:
        """Tell the epoch."""
        if match := re.search(r"(\d+)/(\d+)", text):
            epoch, epochs = int(match[1]), int(match[2])
            self._tell(epoch / max(1, epochs), f"Laying out, epoch {epoch} of {epochs}")
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
