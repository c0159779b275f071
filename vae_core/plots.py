"""Figures that stand still: numbers in, Plotly figures out. The figure that follows a run is a module of its own."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import plotly.graph_objects as go

from vae_core.captions import nats
from vae_core.palette import BETA_AREA, PALETTES, Palette, Theme, translucent

FONT = "Inter, sans-serif"
GRID = 4  # lines at most
POINTS = 200  # of a planned curve
HEIGHT, INNER, BELOW = 360, 304, 50  # of a figure, of its box and of what is below that: pixels
LABEL, LETTER = 17.0, 7.5  # of a line of names, and of a letter of 13 pixels: pixels
WIDTHS = (200, 560)  # pixels, of the narrowest box of a plane and of the widest
DOT, BESIDE = 5.0, 10.0  # pixels from the middle of a dot to its edge, and to its name
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
Points = Sequence[tuple[float | int, float]]
Ranges = tuple[tuple[float, float], tuple[float, float]]  # of the two axes
KNOBS = {"displayModeBar": False}  # nothing of Plotly's own shows over a figure


@cache
def template(theme: Theme) -> go.layout.Template:
    """How every figure looks: horizontal gridlines alone, no box, no legend, muted numbers, the page behind it.

    Plotly writes a true minus on its ticks, but not where a hover's template formats a number: one that may be
    negative is written by `captions.nats` and given to the hover as `customdata`.
    """
    colours = PALETTES[theme]
    clear = translucent(colours.page, 0)
    layout = go.Layout(
        font={"family": FONT, "size": 12, "color": colours.muted},
        paper_bgcolor=clear,
        plot_bgcolor=clear,
        colorway=colours.classes,
        colorscale={"sequential": _scale(colours)},
        showlegend=False,
        separators=".,",
        margin={"l": 28, "r": 20, "t": 6, "b": 22},
        xaxis=_axis() | {"tickformat": ","},
        yaxis=_axis() | {"showgrid": True, "gridcolor": colours.line, "gridwidth": 1, "automargin": True},
        hoverlabel=_label(colours),
    )
    return go.layout.Template(layout=layout)


def _axis() -> dict[str, Any]:
    bare = dict.fromkeys(("showgrid", "zeroline", "showline"), False)
    return bare | {"ticks": "", "ticklabelstandoff": 4, "nticks": GRID}


def _label(colours: Palette) -> dict[str, Any]:
    font = {"family": FONT, "size": 13, "color": colours.ink}
    return {"bgcolor": colours.surface, "bordercolor": colours.line, "font": font}


def beta_plan(schedule: Callable[[int], float], steps: int, theme: Theme) -> go.Figure:
    """β at each step from 0 to `steps`, as a schedule plans it."""
    colour = PALETTES[theme].beta
    at = sorted({*range(0, steps, max(1, steps // POINTS)), steps})
    betas = [schedule(step) for step in at]
    area = go.Scatter(
        x=at,
        y=betas,
        mode="lines",
        line={"color": colour, "width": 2},
        fill="tozeroy",
        fillcolor=translucent(colour, BETA_AREA),
        hovertemplate="step %{x:,}<br>β = %{y:.2f}<extra></extra>",
    )
    figure = go.Figure(area, {"template": template(theme), "height": 150})
    figure.update_yaxes(nticks=3, range=[0, max(1.05, 1.05 * max(betas))])
    return figure


def curves(lines: Mapping[str, Points], quantity: str, theme: Theme) -> go.Figure:
    """One quantity of several runs by step, in the quantity's colour; each line has its dashes and its name at its end.

    `lines` are points (step, value) by the name to show, which may be a user's text. Values in nats, but for β. What
    the first third of the steps went through may leave the figure, where an arrow says how far: while β is 0 the ELBO
    can fall by hundreds of nats.
    """
    colours = PALETTES[theme]
    colour = colours.quantities[quantity]
    figure = go.Figure(layout={"template": template(theme), "height": HEIGHT})
    for place, (name, points) in enumerate(lines.items()):
        figure.add_scatter(
            x=[step for step, _ in points], y=[value for _, value in points], mode="lines", name=_plain(name),
            line={"color": colour, "width": 2, "dash": DASHES[place % len(DASHES)]},
            customdata=[nats(value) for _, value in points],
            hovertemplate="%{fullData.name}<br>step %{x:,}: %{customdata}<extra></extra>",
        )  # fmt: skip
    low, high = _span(lines.values(), 0.0 if quantity == "beta" else 1 / 3)
    last = max((step for points in lines.values() for step, _ in points), default=1)
    figure.update_yaxes(range=[low, high])
    figure.update_xaxes(range=[0, last], title={"text": "step", "standoff": 14}, automargin=False)
    ends = {name: points[-1] for name, points in lines.items() if points}
    room = 8 + LETTER * max((len(_cut(name)) for name in ends), default=0)
    figure.update_layout(margin={"r": room, "b": BELOW})
    wanted = [INNER * (value - low) / (high - low) for _, value in ends.values()]
    for (name, (step, value)), at, free in zip(ends.items(), wanted, _apart(wanted), strict=True):
        figure.add_annotation(
            x=step, y=value, yshift=free - at, xshift=6, text=_plain(name), showarrow=False, xanchor="left",
            font={"color": colour, "size": 13},
        )  # fmt: skip
    _beyond(figure, lines, (low, high), colours)
    return figure


def _beyond(figure: go.Figure, lines: Mapping[str, Points], span: tuple[float, float], colours: Palette) -> None:
    """At the edge that curves leave, how far the farthest of them goes; which one that is, on hover."""
    points = [(value, step, name) for name, line in lines.items() for step, value in line if math.isfinite(value)]
    for edge, extreme, arrow, side in ((span[0], min, "↓", "bottom"), (span[1], max, "↑", "top")):
        value, step, name = extreme(points, default=(edge, 0, ""))
        if extreme(value, edge) != edge:
            figure.add_annotation(
                x=step, y=edge, text=f"{arrow} to {nats(value)}", showarrow=False, xanchor="left", yanchor=side,
                bgcolor=colours.page, font={"color": colours.muted, "size": 11},
                hovertext=f"{_plain(name)}<br>step {step:,}: {nats(value)}, outside this figure",
            )  # fmt: skip


def rate_distortion(runs: Mapping[str, tuple[float, float]], theme: Theme) -> go.Figure:
    """Runs in the plane of rate (KL) and distortion (−reconstruction), both in nats; on a dotted line the ELBO is one.

    `runs` are (KL, reconstruction) by the name to show (Alemi et al. 2018); those that are no numbers are left out.
    Among very many a name may find no room and shows on hover alone.
    """
    colours = PALETTES[theme]
    places = {name: (kl, -there) for name, (kl, there) in runs.items() if math.isfinite(kl + there)}
    rates, distortions = zip(*places.values(), strict=True) if places else ((0.0,), (1.0,))
    right, low, high = 1.15 * max(*rates, 1.0), min(distortions), max(distortions)
    pad = max(0.5, 0.12 * (high - low))
    ranges = (-0.02 * right, right), (low - pad, high + pad)
    figure = go.Figure(layout={"template": template(theme), "height": HEIGHT})
    dots = {name: _spot(place, ranges, DOT, 2 * DOT) for name, place in places.items()}
    spots = _named(dots)
    _lines_of_one_elbo(figure, ranges, [*dots.values(), *spots.values()], colours)
    figure.add_scatter(
        x=rates, y=distortions, mode="markers", marker={"color": colours.ink, "size": 9},
        text=[_plain(name) for name in places],
        customdata=[f"KL {nats(kl)}<br>distortion {nats(d)}<br>ELBO {nats(-kl - d)}" for kl, d in places.values()],
        hovertemplate="%{text}<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    for name, spot in sorted(spots.items(), key=lambda item: -abs(item[1].up)):  # the longest lines behind all names
        figure.add_annotation(
            x=places[name][0], y=places[name][1], text=_plain(name), ax=spot.at, ay=-spot.up, standoff=BESIDE,
            xanchor={spot.left: "left", spot.right: "right"}.get(spot.at, "center"), bgcolor=colours.page,
            font={"color": colours.ink, "size": 12}, arrowhead=0, arrowwidth=1, arrowcolor=colours.muted,
        )  # fmt: skip
    figure.update_xaxes(range=ranges[0], title={"text": "rate: KL, nats", "standoff": 14}, automargin=False)
    figure.update_yaxes(range=ranges[1], title="distortion: −reconstruction, nats")
    figure.update_layout(margin={"r": 8, "b": BELOW})
    return figure


def _lines_of_one_elbo(figure: go.Figure, ranges: Ranges, taken: list[Spot], colours: Palette) -> None:
    """Dotted lines; each says what it is where nothing else stands, as far to the left as may be."""
    (_, right), (low, high) = ranges
    for total in _levels(low, high + right):
        figure.add_scatter(
            x=[0, right], y=[total, total - right], mode="lines", hoverinfo="skip",
            line={"color": colours.muted, "width": 1.5, "dash": "1.5px,3.5px"},
        )  # fmt: skip
        text = f"ELBO {nats(-total)}"
        for x in (right * part / 40 for part in range(41)):
            spot = _spot((x, total - x), ranges, _wide(text, 11) / 2, LABEL)
            if _free(spot, taken):
                taken.append(spot)
                figure.add_annotation(
                    x=x, y=total - x, text=text, showarrow=False, bgcolor=colours.page,
                    font={"color": colours.muted, "size": 11},
                )  # fmt: skip
                break


@dataclass(frozen=True)
class Spot:
    """Where a dot or a text stands in a figure of any width: by a point, at a share of that and pixels from below.

    Its edges, its middle and its height are pixels; `left`, `right` and `up` are from the point.
    """

    share: float
    height: float
    left: float
    right: float
    up: float = 0.0
    tall: float = LABEL

    @property
    def at(self) -> float:
        """Where the line from the point ends: at the nearer edge, or in the middle of what is above it or below."""
        return self.left if self.left > 0 else self.right if self.right < 0 else (self.left + self.right) / 2

    def meets(self, other: Spot) -> bool:
        """Whether the two touch in a figure of some width."""
        near, far = sorted((other.share - self.share) * width for width in WIDTHS)
        beside = near >= self.right - other.left or far <= self.left - other.right
        return not beside and abs(self.height + self.up - other.height - other.up) < (self.tall + other.tall) / 2


def _spot(place: tuple[float, float], ranges: Ranges, half: float, tall: float) -> Spot:
    """What reaches so many pixels to the left and to the right of a place on the axes."""
    (x, y), ((left, right), (low, high)) = place, ranges
    return Spot((x - left) / (right - left), INNER * (y - low) / (high - low), -half, half, tall=tall)


def _free(spot: Spot, taken: Iterable[Spot]) -> bool:
    """Whether it is inside the narrowest figure, and so inside all; and meets nothing else."""
    at, middle = spot.share * WIDTHS[0], spot.height + spot.up
    inside = at + spot.left >= 0 and at + spot.right <= WIDTHS[0] and LABEL / 2 <= middle <= INNER - LABEL / 2
    return inside and not any(map(spot.meets, taken))


def _named(dots: Mapping[str, Spot]) -> dict[str, Spot]:
    """Where the name of each dot stands, over no other: all of them if that can be, and near."""
    found: list[dict[str, Spot]] = []
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):  # one name after another, from one side of the figure to the other
        named: dict[str, Spot] = {}
        for name, dot in sorted(dots.items(), key=lambda item: x * item[1].share + y * item[1].height):
            taken, spots = [*dots.values(), *named.values()], _beside(dot, _wide(_cut(name), 12))
            if spot := next((spot for spot in spots if _free(spot, taken)), None):
                named[name] = spot
        found.append(named)
    return min(found, key=lambda named: (-len(named), sum(abs(spot.up) for spot in named.values())))


def _beside(dot: Spot, width: float) -> Iterator[Spot]:
    """Where the name of a dot may stand, the nearest first: to its right or left, then ever higher and lower."""
    sides = [(BESIDE, BESIDE + width), (-BESIDE - width, -BESIDE)][:: -1 if dot.share > 0.5 else 1]
    start = min(max(-width / 2, -dot.share * WIDTHS[0]), (1 - dot.share) * WIDTHS[0] - width)
    for halves in range(int(2 * INNER / LABEL)):
        across = [*sides, (start, start + width)] if halves > 1 else sides
        for up in (halves * LABEL / 2, -halves * LABEL / 2)[: 1 + (halves > 0)]:
            yield from (Spot(dot.share, dot.height, left, right, up) for left, right in across)


def _wide(text: str, size: int) -> float:
    """About how many pixels a text is wide."""
    return LETTER * len(text) * size / 13


def _plain(name: str) -> str:
    """A user's text for Plotly, which takes some HTML for markup; cut to what fits beside a line."""
    return html.escape(_cut(name))


def _cut(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= 24 else f"{line[:14]}…{line[-9:]}"


def _span(lines: Iterable[Points], since: float) -> tuple[float, float]:
    """The values from some share of each line's steps on, and some room."""
    values = [value for points in lines for step, value in points if step >= points[-1][0] * since]
    values = [value for value in values if math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _apart(heights: Sequence[float]) -> list[float]:
    """The same heights in pixels, moved so far that no two labels touch, nor the upper edge; their order stays."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed, floor, ceiling = [0.0] * len(heights), -math.inf, INNER - LABEL / 2
    for place in order:
        floor = placed[place] = max(heights[place], floor + LABEL)
    for place in reversed(order):
        ceiling = placed[place] = min(placed[place], ceiling)
        ceiling -= LABEL
    return placed


def _levels(low: float, high: float) -> list[float]:
    """Round numbers between two, at most eight."""
    sizes = (factor * 10.0**power for power in range(-1, 12) for factor in (1, 2, 5))
    step = next(size for size in sizes if (high - low) / size <= 8)
    return [step * place for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _scale(colours: Palette) -> list[tuple[float, str]]:
    """The stops of the KL, evenly spaced."""
    last = len(colours.kl_scale) - 1
    return [(index / last, stop) for index, stop in enumerate(colours.kl_scale)]
