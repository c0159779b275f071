"""Bounds that shout: what no correct estimate can break, checked, and said of the estimate when it does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

TOLERANCE = 0.05  # nats


def broken_bounds(
    *,
    kl_per_dimension: Sequence[float] = (),
    mutual_information: float | None = None,
    ceiling: float = math.inf,
    error: float = 0.0,
    iwae: Mapping[int, float] | None = None,
    iwae_errors: Mapping[int, float] | None = None,
    tolerance: float = TOLERANCE,
) -> list[str]:
    """One sentence for each bound that these numbers break: 0 ≤ KL_j, 0 ≤ I ≤ min(KL, ln N), L_K ≤ L_K' for K < K'.

    All in nats: `kl_per_dimension` [d], `mutual_information` with its standard `error` (four of them are allowed, on
    top of `tolerance`) and its `ceiling` ln N, `iwae` a mean bound for each number of samples K, and `iwae_errors` the
    standard error of the step up to it from the K before (again four are allowed). Empty if all is well.
    """
    return [
        *_negative_kl(kl_per_dimension),
        *_information(mutual_information, sum(kl_per_dimension, 0.0), ceiling, tolerance + 4 * error),
        *_falling(iwae or {}, iwae_errors or {}, tolerance),
    ]


def _negative_kl(kl: Sequence[float]) -> list[str]:
    """A divergence is never negative, and in closed form it has no noise either."""
    broken = [(j, value) for j, value in enumerate(kl, 1) if not value >= -1e-6]
    return [_fault(f"the KL of latent {j}", value, "0 at the least") for j, value in broken]


def _information(value: float | None, kl: float, ceiling: float, slack: float) -> list[str]:
    """What a code tells is no more than it costs, and than there are images to tell apart."""
    if value is None:
        return []
    bounds = [(value >= -slack, "0 at the least"), (value <= kl + slack, f"the mean KL, {_text(kl)} nats, at the most")]
    bounds += [(value <= ceiling + 1e-5, f"ln N = {_text(ceiling)} nats at the most")]
    return [_fault("the mutual information", value, limit) for kept, limit in bounds if not kept]


def _falling(bounds: Mapping[int, float], errors: Mapping[int, float], tolerance: float) -> list[str]:
    """More importance samples can only tighten the bound, on average (Burda et al. 2015)."""
    steps = pairwise(sorted(bounds.items()))
    slack = {many: tolerance + 4 * errors.get(many, 0.0) for many in bounds}
    broken = [(few, many, low, high) for (few, low), (many, high) in steps if not high >= low - slack[many]]
    return [
        _fault(f"the IWAE bound with K = {many:,}", high, f"{_text(low)} nats at the least, its value with K = {few:,}")
        for few, many, low, high in broken
    ]


def _fault(what: str, value: float, limit: str) -> str:
    return f"The estimate is at fault, not the model: {what} reads {_text(value)} nats, and it must be {limit}."


def _text(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")
