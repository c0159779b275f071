"""What is written in the figures that stand still: no text over another at any width, and nothing left out unsaid."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from vae_core.captions import nats
from vae_core.plots import DOT, INNER, LETTER, WIDTHS, curves, rate_distortion

LANES = {  # (KL, reconstruction) of a race of nine lanes, as it was measured
    "constant 1": (0.0006, -27.2213),
    "warm-up 750": (3.5666, -20.0034),
    "free bits 0.01": (2.8125, -21.5168),
    "free bits 0.1": (2.6814, -21.9606),
    "free bits 0.5": (5.0168, -20.3345),
    "bias 0": (1.9803, -23.2965),
    "bias 0, warm-up 750": (3.2726, -20.4708),
    "rate 0.001": (0.0045, -27.2168),
    "aggressive encoder": (0.0003, -27.2220),
}
PAIR = {"digits-annealed": (3.57, -20.0), "digits-collapsed": (0.0, -27.2)}


class Rectangle(NamedTuple):
    """Pixels, from the lower left corner of a figure's box."""

    left: float
    right: float
    bottom: float
    top: float

    def over(self, other: Rectangle) -> bool:
        """Whether the two overlap by more than a pixel."""
        across = min(self.right, other.right) - max(self.left, other.left)
        return across > 1 and min(self.top, other.top) - max(self.bottom, other.bottom) > 1


def scattered(count: int, seed: int) -> dict[str, tuple[float, float]]:
    """Runs anywhere in the plane, with names of any length that is shown."""
    chance = random.Random(seed)
    return {
        f"{place} {'n' * chance.randrange(1, 20)}": (chance.uniform(0.0, 6.0), chance.uniform(-30.0, -20.0))
        for place in range(count)
    }


def drawn(runs: dict[str, tuple[float, float]], width: int) -> dict[str, Rectangle]:
    """Where each text and each dot is when the figure's box is so wide."""
    figure = rate_distortion(runs, "light").to_dict()
    layout = figure["layout"]
    (left, right), (low, high) = layout["xaxis"]["range"], layout["yaxis"]["range"]

    def pixels(x: float, y: float) -> tuple[float, float]:
        return width * (x - left) / (right - left), INNER * (y - low) / (high - low)

    found = {}
    for note in layout["annotations"]:
        x, y = pixels(note["x"], note["y"])
        x, y = x + note.get("ax", 0), y - note.get("ay", 0)
        wide = LETTER * len(note["text"]) * note["font"]["size"] / 13
        start = x - wide * {"left": 0.0, "right": 1.0}.get(note.get("xanchor", ""), 0.5)
        found[note["text"]] = Rectangle(start, start + wide, y - 8.5, y + 8.5)
    for name, x, y in zip(figure["data"][-1]["text"], figure["data"][-1]["x"], figure["data"][-1]["y"], strict=True):
        across, up = pixels(x, y)
        found[f"dot of {name}"] = Rectangle(across - DOT, across + DOT, up - DOT, up + DOT)
    return found


@pytest.mark.parametrize("width", [*range(WIDTHS[0], WIDTHS[1], 60), WIDTHS[1]])
@pytest.mark.parametrize(
    "runs", [LANES, PAIR, *(scattered(count, seed) for seed, count in enumerate((3, 6, 9, 22)))], ids=len
)
def test_no_text_is_over_another_nor_over_a_dot_nor_outside(runs: dict[str, tuple[float, float]], width: int) -> None:
    found = drawn(runs, width)
    over = [
        (one, other)
        for (one, here), (other, there) in combinations(found.items(), 2)
        if here.over(there) and not (one.startswith("dot of") and other.startswith("dot of"))
    ]
    assert not over
    texts = {name: place for name, place in found.items() if not name.startswith("dot of")}
    assert all(place.left > -1 and place.right < width + 1 for place in texts.values())
    assert all(place.bottom > -1 and place.top < INNER + 1 for place in texts.values())


@pytest.mark.parametrize("runs", [LANES, PAIR, scattered(6, 1), dict.fromkeys("abcdefghi", (0.0, -27.2))], ids=len)
def test_up_to_nine_runs_are_all_named_and_a_line_leads_to_a_name_that_stands_apart(
    runs: dict[str, tuple[float, float]],
) -> None:
    notes = {note.text: note for note in rate_distortion(runs, "light").layout.annotations}
    assert runs.keys() < notes.keys()
    for name in runs:
        near = (notes[name].ax ** 2 + notes[name].ay ** 2) ** 0.5 <= notes[name].standoff
        assert near == (notes[name].ay == 0)


def arrows(lines: dict[str, list[tuple[int, float]]], quantity: str = "elbo") -> dict[str, Any]:
    """What a figure of curves says of what is outside: its texts, and what it tells on hover."""
    notes = curves(lines, quantity, "light").layout.annotations
    return {note.text: note.hovertext for note in notes if note.hovertext}


def test_where_curves_leave_the_figure_it_says_how_far_and_which() -> None:
    delayed = [(0, -40.0), *((step, -232.7) for step in range(50, 301, 50)), (375, -24.0), (1500, -23.8)]
    lines = {"at once": [(0, -45.0), (1500, -27.2)], "<delayed>": delayed}
    assert arrows(lines) == {f"↓ to {nats(-232.7)}": f"&lt;delayed&gt;<br>step 50: {nats(-232.7)}, outside this figure"}
    upwards = {name: [(step, -value) for step, value in line] for name, line in lines.items()}
    assert list(arrows(upwards, "kl")) == ["↑ to 232.7"]


def test_where_no_curve_leaves_the_figure_there_is_no_arrow() -> None:
    assert not arrows({"level": [(0, -24.5), (600, -25.0), (1500, -24.0)]})
    assert not arrows({})


def test_all_of_beta_is_in_its_figure() -> None:
    lines = {"delayed": [(0, 0.0), (300, 0.0), (301, 1.0), (1500, 1.0)]}
    low, high = curves(lines, "beta", "light").layout.yaxis.range
    assert low < 0 < 1 < high
    assert not arrows(lines, "beta")
