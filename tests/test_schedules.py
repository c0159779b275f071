"""Every schedule obeys the same laws; then the values of each at its corners."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from vae_core.schedules import Constant, Cyclical, Delayed, Piecewise, Schedule, Sigmoid, Warmup
from vae_core.spec import Variant

SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)
VARIANTS: tuple[type[Variant], ...] = get_args(get_args(Schedule)[0])
EXTREMES = [
    Constant(value=0.0),
    Constant(value=1000.0),
    Warmup(steps=1, start=1000.0, target=0.0),
    Warmup(steps=10_000_000, start=0.3, target=0.1),
    Delayed(wait=0, ramp=0),
    Delayed(wait=10_000_000, ramp=10_000_000, target=1000.0),
    Sigmoid(middle=1, rate=10.0),
    Sigmoid(middle=10_000_000, rate=10.0),
    Cyclical(period=1),
    Cyclical(period=7, ramp=1e-300),
    Cyclical(period=10_000_000, ramp=1.0),
    Piecewise(points=((5, 0.5),)),
    Piecewise(points=((0, 1000.0), (1, 0.0), (10_000_000, 3.0))),
]
every = pytest.mark.parametrize(
    "schedule", [variant.model_validate({}) for variant in VARIANTS] + EXTREMES, ids=lambda s: s.model_dump_json()
)


@every
def test_every_schedule_is_finite_and_never_negative(schedule: Schedule) -> None:
    steps = [*range(0, 10_000, 7), 10**6, 10**7 - 1, 10**7]
    assert all(0 <= schedule(step) < math.inf for step in steps)


@every
def test_every_schedule_is_a_pure_function_of_the_step(schedule: Schedule) -> None:
    steps = [300, 0, 7, 300, 1499, 0]
    assert [schedule(step) for step in steps] == [schedule.model_copy()(step) for step in steps]
    assert all(isinstance(schedule(step), float) for step in steps)


@every
def test_every_schedule_survives_json(schedule: Schedule) -> None:
    again = SCHEDULE.validate_json(schedule.model_dump_json())
    assert again == schedule
    assert hash(again) == hash(schedule)


@every
def test_no_schedule_can_be_changed_or_extended(schedule: Schedule) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        schedule.kind = "other"
    with pytest.raises(ValidationError, match="extra"):
        type(schedule).model_validate({"unknown": 1})


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.__name__)
def test_every_field_has_the_label_of_its_widget(variant: type[Variant]) -> None:
    assert variant.__doc__
    assert all(name == "kind" or field.title for name, field in variant.model_fields.items())


CORNERS = [
    (Constant(value=0.5), {0: 0.5, 10_000: 0.5}),
    (Warmup(steps=100), {0: 0.0, 25: 0.25, 99: 0.99, 100: 1.0, 10_000: 1.0}),
    (Warmup(steps=10, start=4.0, target=2.0), {0: 4.0, 5: 3.0, 10: 2.0, 11: 2.0}),
    (Delayed(wait=10, ramp=4, target=2.0), {0: 0.0, 9: 0.0, 10: 0.0, 11: 0.5, 13: 1.5, 14: 2.0, 99: 2.0}),
    (Delayed(wait=10, ramp=0), {9: 0.0, 10: 1.0}),
    (Delayed(wait=0, ramp=0, target=3.0), {0: 3.0}),
    (Sigmoid(middle=500, rate=0.01), {500: 0.5, 10**7: 1.0}),
    (Cyclical(period=100, ramp=0.5), {0: 0.0, 25: 0.5, 49: 0.98, 50: 1.0, 99: 1.0, 100: 0.0, 125: 0.5}),
    (Cyclical(period=4, ramp=1.0), {0: 0.0, 1: 0.25, 3: 0.75, 4: 0.0}),
    (Piecewise(points=((5, 0.5),)), {0: 0.5, 5: 0.5, 6: 0.5}),
    (
        Piecewise(points=((10, 1.0), (20, 0.0), (30, 4.0))),
        {0: 1.0, 10: 1.0, 15: 0.5, 20: 0.0, 25: 2.0, 30: 4.0, 31: 4.0},
    ),
]


@pytest.mark.parametrize(("schedule", "values"), CORNERS, ids=lambda part: getattr(part, "kind", ""))
def test_the_corners_are_exact(schedule: Schedule, values: dict[int, float]) -> None:
    assert {step: schedule(step) for step in values} == pytest.approx(values, rel=1e-15, abs=0)


def test_the_corners_cover_every_variant() -> None:
    assert {type(schedule) for schedule, _ in CORNERS} == set(VARIANTS)


@pytest.mark.parametrize("middle", [1, 500, 1500])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.2])
def test_sigmoid_is_the_logistic_curve(middle: int, rate: float) -> None:
    schedule = Sigmoid(middle=middle, rate=rate)
    for step in range(0, 4000, 111):
        assert schedule(step) == pytest.approx(1 / (1 + math.exp(-rate * (step - middle))), abs=1e-15)


@pytest.mark.parametrize("period", [1, 3, 375])
@pytest.mark.parametrize("ramp", [0.1, 0.5, 1.0])
def test_cyclical_is_the_formula_of_fu(period: int, ramp: float) -> None:
    schedule = Cyclical(period=period, ramp=ramp)
    for step in range(3 * period):
        assert schedule(step) == pytest.approx(min(1.0, math.fmod(step, period) / period / ramp), abs=1e-15)


def test_piecewise_repeats_a_warmup() -> None:
    lines, warmup = Piecewise(points=((0, 0.0), (750, 1.0))), Warmup(steps=750)
    assert [lines(step) for step in range(1000)] == pytest.approx([warmup(step) for step in range(1000)], abs=1e-15)


@pytest.mark.parametrize(
    "points",
    [
        "[]",
        "[[3, 0.0], [3, 1.0]]",
        "[[3, 0.0], [2, 1.0]]",
        "[[-1, 0.0], [2, 1.0]]",
        "[[0, -0.1]]",
        "[[0, 1001]]",
        "[[0, NaN]]",
        "[[0.5, 1]]",
        "[[true, 1]]",
        "[[0]]",
        "[[0, 1, 2]]",
        f"[{', '.join(f'[{step}, 0]' for step in range(201))}]",
    ],
)
def test_wrong_points_are_refused(points: str) -> None:
    with pytest.raises(ValidationError):
        SCHEDULE.validate_json(f'{{"kind": "piecewise", "points": {points}}}')


@pytest.mark.parametrize(
    "wrong",
    [
        "{}",
        '{"kind": "linear"}',
        '{"kind": "constant", "value": -1}',
        '{"kind": "constant", "value": Infinity}',
        '{"kind": "constant", "value": 1e999}',
        '{"kind": "constant", "value": "1"}',
        '{"kind": "constant", "value": true}',
        '{"kind": "warmup", "steps": 0}',
        '{"kind": "warmup", "steps": 1.5}',
        '{"kind": "warmup", "step": 10}',
        '{"kind": "delayed", "wait": -1}',
        '{"kind": "sigmoid", "rate": 0}',
        '{"kind": "cyclical", "ramp": 0}',
        '{"kind": "cyclical", "ramp": 1.01}',
        '{"kind": "cyclical", "period": 0}',
    ],
)
def test_wrong_schedules_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        SCHEDULE.validate_json(wrong)
