"""Disentanglement: how well single latents stand for known factors. MIG, SAP and DCI, by their definitions.

All take codes [n, d] and factors [n, k] whose columns are levels 0, 1, …, and refuse (InputError) what has no score:
unequal numbers of rows, numbers that are not finite, a factor that never varies. None has a unit. A low score says
nothing bad of a model: nothing in the ELBO asks for disentanglement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from vae_core.spec import InputError

BINS = 20
TREES, LEAF, DEPTH = 30, 5, 12
HELD_OUT = 0.25


@dataclass(frozen=True)
class Dci:
    """Disentanglement (a latent stands for one factor), completeness (a factor for one latent), informativeness.

    `importance` [d, k] is how much each latent matters to predict each factor. Informativeness is 1 minus the error of
    the prediction over that of guessing, so it falls a little below zero for codes that know nothing.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: Float64[np.ndarray, "d k"]


def mig(codes: Float[np.ndarray, "n d"], factors: Int[np.ndarray, "m k"]) -> float:
    """Mutual information gap: how much more the best latent knows of a factor than the second best does.

    The mean over the factors of (I₁ − I₂) / H, between 0 and 1 (Chen et al. 2018). Latents are cut into 20 bins of
    equal width; the estimates err high by about (bins − 1)(levels − 1)/(2N) nats, both by the same.
    """
    _check(codes, factors)
    binned = np.stack([_bins(codes[:, j]) for j in range(codes.shape[1])], 1)
    known = np.array([[_information(binned[:, j], v) for j in range(codes.shape[1])] for v in factors.T])
    best = np.sort(np.pad(known, ((0, 0), (1, 0))), 1)  # one latent alone has a second best that knows nothing
    return float(np.mean((best[:, -1] - best[:, -2]) / [_entropy(v) for v in factors.T]))


def sap(codes: Float[np.ndarray, "n d"], factors: Int[np.ndarray, "m k"]) -> float:
    """Separated attribute predictability: how much better the best latent predicts a factor than the second best.

    The mean over the factors of the difference of the two largest squared correlations, between 0 and 1 (Kumar et al.
    2018, for ordered factors). A latent that does not move predicts nothing.
    """
    _check(codes, factors)
    left, right = _standardised(codes), _standardised(factors.astype(np.float64))
    scores = np.sort(np.pad((left.T @ right / len(codes)) ** 2, ((1, 0), (0, 0))), 0)
    return float(np.mean(scores[-1] - scores[-2]))


def dci(codes: Float[np.ndarray, "n d"], factors: Int[np.ndarray, "m k"], seed: int = 0) -> Dci:
    """How latents and factors stand for each other, by the importances of random forests (Eastwood & Williams 2018).

    One regression forest of 30 trees for each factor, tested on a quarter of the examples. The forests share what two
    equal latents know at random between them, so completeness is not the same for every seed there.
    """
    _check(codes, factors)
    from sklearn.ensemble import RandomForestRegressor

    rest = np.random.RandomState(seed).permutation(len(codes))
    test, train = np.split(rest, [max(1, round(HELD_OUT * len(codes)))])
    importance, known = [], []
    for values in factors.T.astype(np.float64):
        forest = RandomForestRegressor(TREES, max_depth=DEPTH, min_samples_leaf=LEAF, random_state=seed)
        forest.fit(codes[train], values[train])
        error = np.mean((forest.predict(codes[test]) - values[test]) ** 2)
        known.append(1 - error / max(values[test].var(), 1e-12))
        importance.append(forest.feature_importances_)
    table = np.stack(importance, 1)
    return Dci(*disentanglement_of(table), float(np.mean(known)), table)


def disentanglement_of(importance: Float64[np.ndarray, "d k"]) -> tuple[float, float]:
    """Disentanglement and completeness of a table of importances: (1, 1) for the identity, (0, 0) for a uniform one.

    Rows (latents) by one minus their entropy in base k, weighted by how much they matter at all; columns (factors) by
    one minus their entropy in base d, all weighted the same.
    """
    latents, factors = importance.shape
    weights = importance.sum(1) / max(importance.sum(), 1e-12)
    rows = 1 - _entropies(importance) / math.log(max(factors, 2))
    columns = 1 - _entropies(importance.T) / math.log(max(latents, 2))
    return float((weights * rows).sum()), float(columns.mean())


def _entropies(table: Float64[np.ndarray, "a b"]) -> Float64[np.ndarray, "a"]:
    """The entropy of each row as a distribution, in nats; of a row of zeros as if it were uniform."""
    share = np.where(table.sum(1, keepdims=True) > 0, table, 1.0)
    share = share / share.sum(1, keepdims=True)
    return -(share * np.log(np.maximum(share, 1e-300))).sum(1)


def _bins(values: Float[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """The bin of each value, of 20 between the smallest and the largest; all in one if they are equal."""
    edges = np.linspace(values.min(), values.max(), BINS + 1)[1:-1]
    return np.digitize(values, edges).astype(np.int64)


def _information(a: Int[np.ndarray, "n"], b: Int[np.ndarray, "n"]) -> float:
    """The mutual information of two columns of levels, in nats: H(a) + H(b) − H(a, b)."""
    return _entropy(a) + _entropy(b) - _entropy(a.astype(np.int64) * (int(b.max()) + 1) + b)


def _entropy(levels: Int[np.ndarray, "n"]) -> float:
    """The entropy of the levels' frequencies, in nats."""
    share = np.bincount(levels) / len(levels)
    return float(-(share[share > 0] * np.log(share[share > 0])).sum())


def _standardised(columns: Float[np.ndarray, "n m"]) -> Float64[np.ndarray, "n m"]:
    """Mean 0 and variance 1; a column that does not move becomes zeros."""
    centred = columns.astype(np.float64) - columns.mean(0, dtype=np.float64)
    spread = centred.std(0)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)


def _check(codes: np.ndarray, factors: np.ndarray) -> None:
    """InputError for tables that no score can be taken of."""
    if len(codes) != len(factors) or len(codes) < 2:
        raise InputError(f"{len(codes)} codes and {len(factors)} rows of factors", limit="as many of each are needed")
    if not np.isfinite(codes).all():
        raise InputError("not all codes are finite numbers", fix="leave those out")
    if factors.size == 0 or factors.min() < 0 or (factors == factors[0]).all(0).any():
        raise InputError("a factor is negative or the same for all examples", fix="give only factors that vary")
