"""What a report holds: plain numbers, lists of them and sentences, so that it can be stored, sent and compared."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from vae_core.history import EMPTY, USE

IGNORED = 0.1  # nats that a shuffle may cost where the decoder does not look at z: the jitter of 64 images


@dataclass(frozen=True)
class Codes:
    """What the posteriors tell. Lists of one number for each of d latents, or one for each entry of `thresholds`.

    Everything is in nats but `variance` (of μ), `noise` (mean σ²), `sigma` (mean σ), counts and shares.
    """

    kl: list[float]
    kl_levels: list[float]
    kl_quantiles: list[list[float]]
    variance: list[float]
    noise: list[float]
    sigma: list[float]
    regime: list[str]
    active_units: int
    thresholds: list[float]
    active_units_curve: list[int]
    collapsed_fraction: float
    collapsed_curve: list[float]
    mutual_information: float
    mutual_information_high: float
    mutual_information_error: float
    mutual_information_ceiling: float
    marginal_kl: float


@dataclass(frozen=True)
class Listening:
    """Whether the networks use each other. Costs in nats per image; lists of layers in forward order.

    `response` and `first_response` (of the untrained decoder) are medians over a hidden layer's units. What cannot be
    seen of a model that was trained elsewhere is None or empty.
    """

    shuffle_cost: float | None
    zeroing_cost: list[float]
    response: list[float]
    first_response: list[float]
    silent: list[float]
    dead: list[float]
    dead_encoder: list[float]
    encoder_signal: float | None


@dataclass(frozen=True)
class Price:
    """Whether a code is worth its price: `eigenvalue` is the data's largest, `price` is βσ² (β if there is no σ).

    `worth`: nats that the best linear code gains in the objective; `sigma_squared` is None unless Gaussian.
    """

    eigenvalue: float
    price: float
    worth: float
    sigma_squared: float | None


@dataclass(frozen=True)
class Past:
    """What the log says up to this step. `beta` acted on the newest update, `highest` is the largest so far.

    `collapsed_since`: the step from which on all tests were empty; `used`: whether a code ever was of use; `broken`:
    the step at which a number stopped being one; `rise`: nats that the ELBO gained over the last third; `full`: the
    step at which β first came near its highest. Gradient norms are of the newest training row, and of the first.
    """

    beta: float
    highest: float
    full: int
    collapsed_since: int | None
    used: bool
    broken: int | None
    rise: float
    gradient_norm_encoder: float | None
    gradient_norm_decoder: float | None
    first_gradient_norm_encoder: float | None


@dataclass(frozen=True)
class Report:
    """One run after `step` of `steps` updates, measured on `count` test images at β = 1, in nats per image.

    `live`: whether more was to come at this step. `elbo`, `reconstruction` and `price` are None where the likelihood
    is not known or the decoder is missing, `baseline` (a model that ignores z) where no row tells it. `faults` are
    sentences on estimates that break a bound.
    """

    run: str
    step: int
    steps: int
    live: bool
    opened: bool
    count: int
    kl: float
    elbo: float | None
    reconstruction: float | None
    baseline: float | None
    codes: Codes
    listening: Listening
    price: Price | None
    past: Past
    faults: list[str]

    @property
    def net(self) -> float:
        """Nats that the code pays at β = 1: the ELBO above that of a model without a code."""
        return math.nan if self.elbo is None or self.baseline is None else self.elbo - self.baseline

    @property
    def bar(self) -> float:
        """Nats from which a code is of use; more where images are larger."""
        return max(USE, abs(self.baseline or 0.0) / 400)

    @property
    def empty(self) -> bool:
        """Whether there is nothing in the code, or the decoder does not look at it."""
        cost = self.listening.shuffle_cost
        ignored = cost is not None and cost < IGNORED and self.net <= self.bar
        return ignored or (self.kl < EMPTY and self.codes.active_units == 0)

    @property
    def response(self) -> float:
        """Of the decoder's last hidden layer to z, as a share of what it was untrained; 1 where that is not known."""
        now, first = self.listening.response[-1:], self.listening.first_response[-1:]
        return now[0] / first[0] if first and first[0] > 0 else 1.0

    def plain(self) -> dict[str, Any]:
        """As dictionaries, lists, text and numbers that JSON can hold: what is not finite becomes text."""
        return _plain(dataclasses.asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
