"""How ln p̂ comes up to ln p(x) as K grows: many estimates for each K, all from one stream of weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vae_core.evidence.importance import chi_square as chi_square_of
from vae_core.spec import InputError

BAND = (0.05, 0.95)


@dataclass(frozen=True)
class EvidenceCurve:
    """Estimates ln p̂_K of one image for each K in `counts`, in nats.

    Shapes, all [c]: `mean` with its standard `error` (nan from one repeat), `median`, the 5 % and 95 % quantiles
    `low` and `high`, how many `repeats` they are of, and `bias`, by how much ln p̂_K should err: −χ²/(2K), first
    order in 1/K. `log_evidence` is the estimate from the whole stream.
    """

    counts: Int[Tensor, "c"]
    repeats: Int[Tensor, "c"]
    mean: Float[Tensor, "c"]
    error: Float[Tensor, "c"]
    median: Float[Tensor, "c"]
    low: Float[Tensor, "c"]
    high: Float[Tensor, "c"]
    bias: Float[Tensor, "c"]
    chi_square: float
    log_evidence: float


def evidence_curve(
    log_weights: Float[Tensor, "k"], counts: Sequence[int] = (1, 10, 100, 1000), chi_square: float | None = None
) -> EvidenceCurve:
    """The stream cut into blocks of K weights, for each K; `chi_square` where it is known in closed form.

    InputError where a K is below 1 or above the length of the stream.
    """
    if any(not 1 <= count <= len(log_weights) for count in counts):
        raise InputError(
            f"K = {max(counts)} from {len(log_weights)} weights", limit="K is 1 at least, the stream at most"
        )
    chi = float(chi_square_of(log_weights)) if chi_square is None else chi_square
    found = [log_means(log_weights, count) for count in counts]
    low, median, high = (torch.stack([part.quantile(at) for part in found]) for at in (BAND[0], 0.5, BAND[1]))
    k = torch.tensor(list(counts))
    return EvidenceCurve(
        counts=k,
        repeats=torch.tensor([len(part) for part in found]),
        mean=torch.stack([part.mean() for part in found]),
        error=torch.stack([standard_error(part) for part in found]),
        median=median,
        low=low,
        high=high,
        bias=-chi / (2 * k.to(log_weights)),
        chi_square=chi,
        log_evidence=float(log_means(log_weights, len(log_weights))),
    )


def log_means(log_weights: Float[Tensor, "k *n"], count: int) -> Float[Tensor, "r *n"]:
    """ln p̂ of each whole block of `count` weights, in nats."""
    blocks = len(log_weights) // count
    cut = log_weights[: blocks * count].unflatten(0, (blocks, count))
    return cut.logsumexp(1) - math.log(count)


def standard_error(values: Float[Tensor, "r *n"]) -> Float[Tensor, "*n"]:
    """Of the mean over the first axis; nan from one value."""
    if len(values) < 2:
        return torch.full_like(values[0], math.nan)
    return values.std(0) / math.sqrt(len(values))
