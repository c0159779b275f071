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

    def __call__(self, step: int) -> float:
        """β after `step` updates."""
        return 0.5 * (1 + math.tanh(0.5 * self.rate * (step - self.middle)))


class Cyclical(Variant):
    """β rises over a share of each period, stays at 1, and starts again (Fu et al. 2019)."""

    title: ClassVar[str] = "Cyclical"
    kind: Literal["cyclical"] = "cyclical"
    period: Steps = Field(default=375, title="Steps of one cycle")
    ramp: float = Field(default=0.5, gt=0, le=1, title="Share of the cycle that rises")

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
