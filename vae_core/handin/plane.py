"""The plane of rate and distortion on paper: what `plots.rate_distortion` draws, as an SVG like the run figure's."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vae_core.figure import round_values, text, tick
from vae_core.palette import LIGHT
from vae_core.plots import INNER, LABEL, rate_distortion

WIDTH, HEIGHT, LEFT, RIGHT, TOP = 680, 390, 46, 670, 26
BOTTOM = TOP + INNER
ANCHORS = {"left": "start", "right": "end"}
APART = 6  # pixels of a line to a name, which are none below that
HALO = f'stroke="{LIGHT.surface}" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
RAISED = {"bottom": -LABEL / 2, "top": LABEL / 2}  # a text's middle from where its edge is to be


@dataclass(frozen=True)
class Box:
    """Where nats stand: from left to right the rate, from the bottom to the top the distortion."""

    rates: tuple[float, float]
    distortions: tuple[float, float]

    def x(self, rate: float | int) -> float:
        """The place of a rate."""
        low, high = self.rates
        return LEFT + (RIGHT - LEFT) * (rate - low) / (high - low)

    def y(self, distortion: float | int) -> float:
        """The height of a distortion."""
        low, high = self.distortions
        return BOTTOM - INNER * (distortion - low) / (high - low)


def plane(runs: Mapping[str, tuple[float, float]], words: str) -> str:
    """Runs by the name to show, each with its (KL, reconstruction); `words` tell it to those who cannot see it."""
    drawn = rate_distortion(runs, "light").to_dict()
    data, layout = drawn["data"], drawn["layout"]
    box = Box(tuple(layout["xaxis"]["range"]), tuple(layout["yaxis"]["range"]))
    wide = RIGHT - LEFT
    clip = f'x="{LEFT}" y="{TOP}" width="{wide}" height="{INNER}" viewBox="{LEFT} {TOP} {wide} {INNER}"'
    lines = "\n".join(_dotted(trace, box) for trace in data if trace["mode"] == "lines")
    points = [dot for trace in data if trace["mode"] == "markers" for dot in _dots(trace, box)]
    parts = [*_axes(layout, box), f"<svg {clip}>\n{lines}\n</svg>", *points]
    notes = [part for note in layout.get("annotations", ()) for part in _note(note, box)]
    body = "\n".join((*parts, f"<g {HALO}>", *notes, "</g>"))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{html.escape(words)}" font-size="12" fill="{LIGHT.muted}">\n{body}\n</svg>'
    )


def _axes(layout: dict[str, Any], box: Box) -> list[str]:
    """Horizontal lines alone, the numbers at both axes, and what these are."""
    parts = []
    for value in round_values(*box.distortions):
        y = box.y(value)
        line = f'<path d="M{LEFT},{y:.1f}H{RIGHT}" stroke="{LIGHT.line}"/>'
        parts += [line, text(LEFT - 7, y, tick(value), "end")]
    parts += [text(box.x(value), BOTTOM + 14, tick(value), "middle") for value in round_values(*box.rates)]
    parts.append(text(0, TOP - 16, layout["yaxis"]["title"]["text"]))
    return [*parts, text(RIGHT, BOTTOM + 34, layout["xaxis"]["title"]["text"], "end")]


def _dotted(trace: dict[str, Any], box: Box) -> str:
    points = "L".join(f"{box.x(x):.1f},{box.y(y):.1f}" for x, y in zip(trace["x"], trace["y"], strict=True))
    return f'<path d="M{points}" stroke="{LIGHT.muted}" stroke-dasharray="0 4" stroke-linecap="round"/>'


def _dots(trace: dict[str, Any], box: Box) -> list[str]:
    places = zip(trace["x"], trace["y"], strict=True)
    return [f'<circle cx="{box.x(x):.1f}" cy="{box.y(y):.1f}" r="4.5" fill="{LIGHT.ink}"/>' for x, y in places]


def _note(note: dict[str, Any], box: Box) -> list[str]:
    """A name or a number, and the line from it to its point where it stands apart; shifts are pixels, and go up."""
    x, y = box.x(note["x"]) + note.get("xshift", 0), box.y(note["y"]) - note.get("yshift", 0)
    right, down = (note["ax"], note["ay"]) if note.get("showarrow", True) else (0.0, 0.0)
    far, near = math.hypot(right, down), note.get("standoff", 0.0)
    anchor = ANCHORS.get(note.get("xanchor", ""), "middle")
    middle = y + down + RAISED.get(note.get("yanchor", ""), 0)
    words = text(x + right, middle, note["text"], anchor, note["font"].get("color", ""))
    if far - near < APART:
        return [words]
    line = f"M{x + right:.1f},{y + down:.1f}L{x + right * near / far:.1f},{y + down * near / far:.1f}"
    return [f'<path d="{line}" stroke="{LIGHT.muted}" stroke-width="1"/>', words]
