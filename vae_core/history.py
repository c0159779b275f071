"""The history of a run as the captions read it: its test rows so far, in words of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

from vae_core.records import Record, number

EMPTY = 0.05  # nats of KL below which a code without active units is called empty: a tenth of the least one of use
USE = 0.5  # nats that a code must bring to be of use: less is the jitter from one test to the next
MOVED = 0.05  # a change of β that shows in its strip
RECENT = 3  # test rows: an eighth of those that a run has after its start
HALTED = ("stopped", "failed", "crashed", "interrupted", "stalled", "removed")


class Point(NamedTuple):
    """A test row: step, β, nats per image, and how many of the latents are active."""

    step: int
    beta: float
    elbo: float
    reconstruction: float
    kl: float
    units: int
    latents: int

    @classmethod
    def of(cls, row: Record) -> Point:
        """The row's own numbers; no unit is active where it does not say."""
        beta, elbo, reconstruction, kl = (number(row.get(name)) for name in ("beta", "elbo", "reconstruction", "kl"))
        units, latents = number(row.get("active_units")), len(row.get("kl_per_dimension", ()))
        return cls(row["step"], beta, elbo, reconstruction, kl, int(units) if math.isfinite(units) else 0, latents)

    @property
    def whole(self) -> bool:
        """Whether all of its numbers are numbers."""
        return all(map(math.isfinite, (self.beta, self.elbo, self.reconstruction, self.kl)))

    @property
    def empty(self) -> bool:
        """Whether the posterior is the prior, for every image."""
        return self.kl < EMPTY and self.units == 0


@dataclass(frozen=True)
class History:
    """A run at some moment: its test rows, where their numbers broke, the baseline (nan if unknown), the state."""

    points: tuple[Point, ...]
    broken: int | None
    baseline: float
    state: str

    @classmethod
    def of(cls, points: Sequence[Point], baseline: float, state: str) -> History:
        """Rows whose numbers are none are left out; where they are the newest, `broken` is the step of the first."""
        after = [*takewhile(lambda point: not point.whole, reversed(points))]
        return cls(tuple(p for p in points if p.whole), after[-1].step if after else None, baseline, state)

    @property
    def live(self) -> bool:
        """Whether more rows are to be expected."""
        return self.state not in ("done", *HALTED)

    @property
    def silent_since(self) -> Point | None:
        """The first empty row after which no code came back: the KL stayed below twice what is empty. None without."""
        silent = [*takewhile(lambda point: point.kl < 2 * EMPTY, reversed(self.points))]
        return next((point for point in reversed(silent) if point.empty), None)

    @property
    def now(self) -> Point:
        """The newest row."""
        return self.points[-1]

    @property
    def before(self) -> Point:
        """A trained row a while ago, to see what moves of late."""
        return self.trained[-1 - min(RECENT, len(self.trained) - 1)]

    @cached_property
    def trained(self) -> tuple[Point, ...]:
        """The rows after the first update: what an untrained model happens to cost says nothing of training."""
        return self.points[1:] if self.points[0].step == 0 else self.points

    @property
    def gain(self) -> float:
        """Nats by which the reconstruction is better than without a code."""
        return self.now.reconstruction - self.baseline

    @property
    def net(self) -> float:
        """What is left of the gain when the code is paid for, in nats."""
        return self.now.elbo - self.baseline

    @property
    def bar(self) -> float:
        """The gain in nats from which a code is of use; more where images are larger."""
        return max(USE, abs(self.baseline) / 400)

    @cached_property
    def used(self) -> tuple[Point, ...]:
        """The trained rows in which the code was of use."""
        enough = self.baseline + self.bar
        return tuple(point for point in self.trained if point.reconstruction > enough and not point.empty)

    @property
    def highest(self) -> float:
        """The largest β that has acted so far."""
        return max(point.beta for point in self.trained)

    @property
    def pressed(self) -> bool:
        """Whether β rose of late, as a reader sees it."""
        return self.now.beta - self.before.beta >= MOVED


def baseline(rows: list[Record]) -> float:
    """The ELBO of a model without a code, from the first row that knows it; nan if none does."""
    return next((number(row["baseline"]) for row in rows if "baseline" in row), math.nan)
