"""The run figure standing still: one run's rows as an SVG for paper, without scripts, styles or anything from outside.

It has the panels of the figure in the browser (`ui/static/run`), on one axis of steps: reconstruction and ELBO with the
KL as the band between them, β, and the KL of each latent. Sizes are in units of a quarter of a millimetre on A4.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from vae_core.captions import nats, weight
from vae_core.history import baseline
from vae_core.palette import BETA_AREA, KL_BAND, KL_TOP, LIGHT
from vae_core.records import Record, number

WIDTH, LEFT, RIGHT = 680, 46, 566
TERMS, BETA, HEAT = (6.0, 238.0), (254.0, 288.0), 298.0  # from top to bottom; the last has a height of its own
FEW, MOST = 32, 64  # latents that can be told apart, and that can be drawn; of more than a few the largest come first
POINTS = 500  # of the line of β
GRID = 4  # lines at most
SHORTEST = 100  # steps
MARGIN = 0.15  # of the range, under the baseline: the first rows may leave below
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Frame:
    """Where steps, nats and latents stand in one drawing."""

    last: float
    low: float
    high: float
    latents: tuple[int, ...]

    def x(self, step: float | int) -> float:
        """The place of a step."""
        return LEFT + (RIGHT - LEFT) * step / self.last

    def y(self, value: float) -> float:
        """The height of a number of nats."""
        top, bottom = TERMS
        return bottom + (top - bottom) * (value - self.low) / (self.high - self.low)

    @property
    def bottom(self) -> float:
        """Where the strip of the latents ends."""
        return HEAT + max(56, min(128, 9 * len(self.latents)))


def run_figure(rows: Sequence[Record], words: str, beside: Sequence[Record] = ()) -> str:
    """The figure of a run's rows (both splits, in order); `words` tell it to those who cannot see it.

    Its axes leave room for the rows `beside` it, which another figure draws. Empty where fewer than two test rows have
    numbers.
    """
    tests = _measured(rows)
    if len(tests) < 2:
        return ""
    known = baseline(tests)
    lows, highs = zip(*(_range(own, baseline(own)) for own in (tests, _measured(beside)) if own), strict=True)
    last = max(SHORTEST, *(own[-1]["step"] for own in (rows, beside) if own))
    frame = Frame(float(last), min(lows), max(highs), _order(tests[-1]))
    height = frame.bottom + 22
    parts = (*_grid(frame), *_band(tests, frame), *_without_code(tests, known, frame), *_labels(tests[-1], frame))
    body = "\n".join((*parts, *_beta(rows, frame), *_heat(rows, frame), *_count(tests[-1], frame), *_axis(frame)))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img" '
        f'aria-label="{html.escape(words)}" font-size="12" fill="{LIGHT.muted}">\n{body}\n</svg>'
    )


def _measured(rows: Sequence[Record]) -> list[Record]:
    return [row for row in rows if row["split"] == "test" and all(map(math.isfinite, _terms(row)))]


def _terms(row: Record) -> tuple[float, float, float]:
    return number(row.get("elbo")), number(row.get("reconstruction")), number(row.get("kl"))


def _range(tests: Sequence[Record], known: float) -> tuple[float, float]:
    """From below the baseline to above the best reconstruction; rows of an untrained model may be out of sight."""
    elbo = [number(row["elbo"]) for row in tests]
    base = known if math.isfinite(known) else sorted(elbo)[len(elbo) // 2]
    best = max(base, *(number(row["reconstruction"]) for row in tests))
    span = max(best - base, MARGIN * abs(base), 1.0)
    edge = base - MARGIN * span
    entered = next((place for place, value in enumerate(elbo) if value >= edge), len(elbo) - 1)
    bottom = min(edge, elbo[-1], max(base - span, min(elbo[entered:])))
    room = 0.05 * (base + span - bottom)
    return bottom - room, base + span + room


def _order(row: Record) -> tuple[int, ...]:
    kl = [number(value) for value in row["kl_per_dimension"]]
    places = range(len(kl))
    return tuple(places if len(kl) <= FEW else sorted(places, key=lambda place: -kl[place])[:MOST])


def _grid(frame: Frame) -> list[str]:
    lines = []
    for value in round_values(frame.low, frame.high):
        y = f"{frame.y(value):.1f}"
        lines += [
            f'<path d="M{LEFT},{y}H{RIGHT}" stroke="{LIGHT.line}"/>',
            text(LEFT - 7, float(y), tick(value), "end"),
        ]
    return lines


def round_values(low: float, high: float) -> list[float]:
    """Multiples of 1, 2, 4 or 5 times a power of ten: as many as may be drawn."""
    power = 10.0 ** math.floor(math.log10((high - low) / GRID))
    sizes = (factor * power for factor in (1, 2, 4, 5, 10, 20))
    step = next(size for size in sizes if math.floor(high / size) - math.ceil(low / size) < GRID)
    return [place * step for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def tick(value: float) -> str:
    """A number at an axis."""
    return f"{value:,.6g}".replace("-", "\u2212")


def _band(tests: Sequence[Record], frame: Frame) -> list[str]:
    """Reconstruction and ELBO, and between them the KL."""
    top, bottom = TERMS
    upper, lower = (
        [(frame.x(row["step"]), frame.y(number(row[name]))) for row in tests] for name in ("reconstruction", "elbo")
    )
    wide, high = RIGHT + 4 - LEFT, bottom - top
    clip = f'<svg x="{LEFT}" y="{top:g}" width="{wide}" height="{high:g}" viewBox="{LEFT} {top:g} {wide} {high:g}">'
    area = f'<path d="M{_path(upper)}L{_path(lower[::-1])}Z" fill="{LIGHT.kl}" fill-opacity="{KL_BAND}"/>'
    curves = [
        f'<path d="M{_path(points)}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'
        for points, colour, width in ((upper, LIGHT.reconstruction, 2.2), (lower, LIGHT.ink, 3))
    ]
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" stroke="{LIGHT.surface}" stroke-width="2"/>'
        for (x, y), colour in ((upper[-1], LIGHT.reconstruction), (lower[-1], LIGHT.ink))
    ]
    return [clip, area, *curves, "</svg>", *dots]


def _path(points: Points) -> str:
    return "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _without_code(tests: Sequence[Record], known: float, frame: Frame) -> list[str]:
    """The dotted line of a model that ignores z; its label stands where no curve runs."""
    if not math.isfinite(known):
        return []
    y = frame.y(known)
    late = [row for row in tests if frame.x(row["step"]) > RIGHT - 200]
    crossed = any(4 < y - frame.y(number(row[name])) < 26 for row in late for name in ("reconstruction", "elbo"))
    dots = f'stroke="{LIGHT.muted}" stroke-width="2" stroke-dasharray="0 7" stroke-linecap="round"'
    label = f"a model that ignores z {nats(known)}"
    return [f'<path d="M{LEFT},{y:.1f}H{RIGHT}" {dots}/>', text(RIGHT - 2, y + (13 if crossed else -12), label, "end")]


def _labels(row: Record, frame: Frame) -> list[str]:
    """Names at the ends of the lines; the KL's stands in the middle of its band."""
    upper, lower = frame.y(number(row["reconstruction"])), frame.y(number(row["elbo"]))
    middle, reach = (upper + lower) / 2, max(17.0, abs(lower - upper) / 2)
    middle = min(middle, TERMS[1] - reach)
    names = (("Reconstruction", -reach, LIGHT.reconstruction), ("KL", 0, LIGHT.kl), ("ELBO", reach, LIGHT.ink))
    return [text(RIGHT + 12, middle + shift, name, colour=colour, bold=True) for name, shift, colour in names]


def _beta(rows: Sequence[Record], frame: Frame) -> list[str]:
    top, bottom = BETA
    known = [row for row in rows if math.isfinite(number(row.get("beta")))]
    if not known:
        return []
    kept = known[:: -(-len(known) // POINTS)] + known[-1:]
    highest = max(1.0, *(number(row["beta"]) for row in known))
    points = [(frame.x(row["step"]), bottom + (top - bottom) * number(row["beta"]) / highest) for row in kept]
    area = f"M{points[0][0]:.1f},{bottom}L{_path(points)}L{points[-1][0]:.1f},{bottom}Z"
    return [
        f'<path d="{area}" fill="{LIGHT.beta}" fill-opacity="{BETA_AREA}"/>',
        f'<path d="M{_path(points)}" fill="none" stroke="{LIGHT.beta}" stroke-width="2.2"/>',
        text(LEFT - 7, top, tick(highest), "end"),
        text(LEFT - 7, bottom, "0", "end"),
        text(RIGHT + 12, (top + bottom) / 2, f"β = {weight(number(known[-1]['beta']))}", colour=LIGHT.beta, bold=True),
    ]


def _heat(rows: Sequence[Record], frame: Frame) -> list[str]:
    """The KL of each latent from row to row, as rectangles: one path for each stop of the scale."""
    coded = [row for row in rows if len(row.get("kl_per_dimension", ())) > max(frame.latents)]
    places = [round(frame.x(row["step"])) for row in coded] + [round(frame.x(rows[-1]["step"])) + 1]
    height = (frame.bottom - HEAT) / len(frame.latents)
    shown = [column for column, place in enumerate(places[:-1]) if places[column + 1] > place]
    paths: dict[int, list[str]] = {}
    for line, latent in enumerate(frame.latents):
        top = HEAT + line * height
        stops = [(_stop(number(coded[column]["kl_per_dimension"][latent])), places[column]) for column in shown]
        runs = [(stop, next(group)[1]) for stop, group in groupby(stops, key=lambda entry: entry[0])]
        ends = [*(start for _, start in runs[1:]), places[-1]]
        for (stop, start), end in zip(runs, ends, strict=True):
            paths.setdefault(stop, []).append(f"M{start},{top:g}h{end - start}v{height:g}h{start - end}z")
    strips = [
        f'<path d="{"".join(parts)}" fill="{LIGHT.kl_scale[stop]}"/>'
        for stop, parts in sorted(paths.items())
        if stop >= 0
    ]
    partings = "".join(f"M{LEFT},{HEAT + line * height:g}H{RIGHT + 1}" for line in range(1, len(frame.latents)))
    return ['<g shape-rendering="crispEdges">', *strips, "</g>", f'<path d="{partings}" stroke="{LIGHT.surface}"/>']


def _stop(kl: float) -> int:
    """The place of a KL on the scale; -1 if it is no number."""
    last = len(LIGHT.kl_scale) - 1
    return max(0, min(last, round(kl / KL_TOP * last))) if math.isfinite(kl) else -1


def _count(row: Record, frame: Frame) -> list[str]:
    middle, latents = (HEAT + frame.bottom) / 2, len(row["kl_per_dimension"])
    aside = "largest first" if latents > FEW else ""
    return [
        text(LEFT - 7, middle - 8, "KL", "end", LIGHT.kl),
        text(LEFT - 7, middle + 8, "per z", "end", LIGHT.kl),
        text(RIGHT + 12, middle - 9, f"{row.get('active_units', '–')} of {latents}", colour=LIGHT.ink, bold=True),
        text(RIGHT + 12, middle + 8, "latents in use"),
        text(RIGHT + 12, middle + 25, aside, colour=LIGHT.kl),
    ]


def _axis(frame: Frame) -> list[str]:
    sizes = (factor * 10**power for power in range(9) for factor in (1, 2, 5))
    step = next(size for size in sizes if frame.last / size <= GRID)
    steps = range(0, int(frame.last) + 1, step)
    y = frame.bottom + 14
    marks = [text(frame.x(at), y, f"{at:,}", "middle") for at in steps]
    return [*marks, text(frame.x(steps[-1]) + 9 + 3.4 * len(f"{steps[-1]:,}"), y, "steps")]


def text(
    x: float | int, y: float | int, words: str, anchor: str = "start", colour: str = "", *, bold: bool = False
) -> str:
    """A line of text, which is markup already, with its middle at the height `y`; nothing for no words."""
    look = f' text-anchor="{anchor}"' * (anchor != "start") + f' fill="{colour}"' * bool(colour)
    look += ' font-weight="600"' * bold
    return f'<text x="{x:.1f}" y="{y + 4.2:.1f}"{look}>{words}</text>' if words else ""
