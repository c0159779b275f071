"""Schedules of β: frozen values that map the number of updates done so far to the weight of the KL term."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from vae_core.spec import Variant

Beta = Annotated[float, Field(ge=0, le=1000)]
Steps = Annotated[int, Field(ge=1, le=10_000_000)]


class Constant(Variant):
    """The same β from the first step to the last."""

    title: ClassVar[str] = "Constant"
    kind: Literal["constant"] = "constant"
    value: Beta = Field(default=1.0, title="β", description="1 is the ELBO itself; above 1 collapses sooner.")

    @property
    def words(self) -> str:
        """The schedule in a few words, for a title or within a sentence."""
        return _level(self.value)

    def __call__(self, step: int) -> float:
        """β after `step` updates."""
        return self.value


class Warmup(Variant):
    """A straight line from `start` to `target`, then flat: the annealing of the lecture note."""

    title: ClassVar[str] = "Linear warm-up"
    kind: Literal["warmup"] = "warmup"
    steps: Steps = Field(default=750, title="Warm-up steps", description="How slowly β rises. Too fast does not cure.")
    start: Beta = Field(default=0.0, title="From β")
    target: Beta = Field(default=1.0, title="To β")

    @property
    def words(self) -> str:
        """The schedule in a few words, for a title or within a sentence."""
        if self.start == self.target:
            return _level(self.start)
        verb = "rises" if self.start < self.target else "falls"
        return f"β {verb}{_span(self.start, self.target)} over {_steps(self.steps)}"

    def __call__(self, step: int) -> float:
        """β after `step` updates."""
        return self.start + (self.target - self.start) * min(1.0, step / self.steps)


class Delayed(Variant):
    """β = 0 for `wait` steps, then a ramp: for nets that must learn to use the code before it costs anything."""

    title: ClassVar[str] = "Delayed ramp"
    kind: Literal["delayed"] = "delayed"
    wait: int = Field(default=300, ge=0, le=10_000_000, title="Steps at β = 0")
    ramp: int = Field(default=450, ge=0, le=10_000_000, title="Steps of the ramp", description="0 jumps at once.")
    target: Beta = Field(default=1.0, title="To β")

    @property
    def words(self) -> str:
        """The schedule in a few words, for a title or within a sentence."""
        if not self.target or not (self.wait or self.ramp):
            return _level(self.target)
        if not self.wait:
            return f"β rises{_span(0, self.target)} over {_steps(self.ramp)}"
        ends = f"rises{_span(0, self.target)} over {self.ramp:,}" if self.ramp else f"jumps to {_value(self.target)}"
        return f"β waits {_steps(self.wait)}, then {ends}"

    def __call__(self, step: int) -> float:
        """β after `step` updates."""
        if step < self.wait:
            return 0.0
        return self.target * (min(1.0, (step - self.wait) / self.ramp) if self.ramp else 1.0)


class Sigmoid(Variant):
    """A logistic curve from 0 to 1 (Bowman et al. 2015)."""

    title: ClassVar[str] = "Sigmoid"
    kind: Literal["sigmoid"] = "sigmoid"
    middle: Steps = Field(default=500, title="Step at which β = ½")
    rate: float = Field(default=0.01, gt=0, le=10, title="Steepness", description="Per step.")

    @property
    def words(self) -> str:
        """The schedule in a few words, for a title or within a sentence."""
        return f"β rises around step {self.middle:,}"

    def __call__(self, step: int) -> float:
        """β after `step` updates."""
        return 0.5 * (1 + math.tanh(0.5 * self.rate * (step - self.middle)))


class Cyclical(Variant):
    """β rises over a share of each period, stays at 1, and starts again (Fu et al. 2019)."""

    title: ClassVar[str] = "Cyclical"
    kind: Literal["cyclical"] = "cyclical"
    period: Steps = Field(default=375, title="Steps of one cycle")
    ramp: float = Field(default=0.5, gt=0, le=1, title="Share of the cycle that rises")

    @property
    def words(self) -> str:
        """The schedule in a few words, for a title or within a sentence."""
        return f"β rises and falls every {_steps(self.period)}"

    def __call__(self, step: int) -> float:
        """β after `step` updates."""
        return min(1.0, (step % self.period) / self.period / self.ramp)


class Piecewise(Variant):
    """Straight lines between given points (step, β); flat before the first and after the last."""

    title: ClassVar[str] = "Points of your own"
    kind: Literal["piecewise"] = "piecewise"
    points: tuple[tuple[int, Beta], ...] = Field(
        default=((0, 0.0), (750, 1.0)), min_length=1, max_length=200, title="Points (step, β)"
    )

    @model_validator(mode="after")
    def _rising(self) -> Piecewise:
        if any(after <= before for (before, _), (after, _) in pairwise(self.points)) or self.points[0][0] < 0:
            raise ValueError("the steps of a piecewise schedule must be at least 0 and rise from point to point")
        return self

    @property
    def words(self) -> str:
        """The schedule in a few words, for a title or within a sentence."""
        if len({beta for _, beta in self.points}) == 1:
            return _level(self.points[0][1])
        return f"β follows {len(self.points)} points of your own"

    def __call__(self, step: int) -> float:
        """β after `step` updates."""
        for (left, low), (right, high) in pairwise(self.points):
            if left <= step < right:
                return low + (high - low) * (step - left) / (right - left)
        return self.points[0][1] if step < self.points[0][0] else self.points[-1][1]


Schedule = Annotated[
    Constant | Warmup | Delayed | Sigmoid | Cyclical | Piecewise,
    Field(discriminator="kind"),
]


def _level(beta: float) -> str:
    if beta == 1:
        return "β = 1 from the start"
    return f"β = {_value(beta)} throughout" if beta else "β = 0: no price on the code"


def _span(start: float | int, target: float) -> str:
    """From where to where; nothing for the ordinary way from 0 to 1."""
    to = "" if (start, target) == (0, 1) else f" to {_value(target)}"
    return f" from {_value(start)}{to}" if start else to


def _value(beta: float | int) -> str:
    return f"{beta:g}".replace("-", "\u2212")


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count:,} steps"
