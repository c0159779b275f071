"""Figures that stand still: numbers in, Plotly figures out. The figure that follows a run is a module of its own."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import plotly.graph_objects as go

from vae_core.captions import nats
from vae_core.palette import BETA_AREA, PALETTES, Palette, Theme, translucent

FONT = "Inter, sans-serif"
GRID = 4  # lines at most
POINTS = 200  # of a planned curve
HEIGHT, INNER, LABEL, LETTER = 360, 314, 17, 7.5  # of a figure, of its box, of a line of names and of a letter: pixels
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
Points = Sequence[tuple[float | int, float]]
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
    the first third of the steps went through may leave the figure: while β is 0 the ELBO can fall by hundreds of nats.
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
    low, high = _span(lines.values())
    last = max((step for points in lines.values() for step, _ in points), default=1)
    figure.update_yaxes(range=[low, high])
    figure.update_xaxes(range=[0, last], title="step")
    ends = {name: points[-1] for name, points in lines.items() if points}
    figure.update_layout(margin={"r": 8 + LETTER * max((len(_cut(name)) for name in ends), default=0), "b": 40})
    wanted = [INNER * (value - low) / (high - low) for _, value in ends.values()]
    for (name, (step, value)), at, free in zip(ends.items(), wanted, _apart(wanted), strict=True):
        figure.add_annotation(
            x=step, y=value, yshift=free - at, xshift=6, text=_plain(name), showarrow=False, xanchor="left",
            font={"color": colour, "size": 13},
        )  # fmt: skip
    return figure


def rate_distortion(runs: Mapping[str, tuple[float, float]], theme: Theme) -> go.Figure:
    """Runs in the plane of rate (KL) and distortion (−reconstruction), both in nats; on a dotted line the ELBO is one.

    `runs` are (KL, reconstruction) by the name to show (Alemi et al. 2018).
    """
    colours = PALETTES[theme]
    places = {name: (kl, -reconstruction) for name, (kl, reconstruction) in runs.items()}
    rates, distortions = zip(*places.values(), strict=True) if places else ((0.0,), (1.0,))
    right, low, high = 1.15 * max(*rates, 1.0), min(distortions), max(distortions)
    pad = max(0.5, 0.12 * (high - low))
    low, high = low - pad, high + pad
    figure = go.Figure(layout={"template": template(theme), "height": HEIGHT})
    wanted = [INNER * (distortion - low) / (high - low) for _, distortion in places.values()]
    marks = list(zip(rates, wanted, _apart(wanted), strict=False))  # rate, height of the point and of its name
    _lines_of_one_elbo(figure, (right, low, high), marks, colours.muted)
    figure.add_scatter(
        x=rates, y=distortions, mode="markers", marker={"color": colours.ink, "size": 9},
        text=[_plain(name) for name in places],
        customdata=[f"KL {nats(kl)}<br>distortion {nats(d)}<br>ELBO {nats(-kl - d)}" for kl, d in places.values()],
        hovertemplate="%{text}<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    for (name, (rate, distortion)), (_, at, free) in zip(places.items(), marks, strict=True):
        met = any(0 < other - rate < right / 4 and abs(there - free) < LABEL for other, there, _ in marks)
        left = rate > right / 2 or (met and rate > right / 4)  # away from the edge, and from a point beside it
        figure.add_annotation(
            x=rate, y=distortion, yshift=free - at, xshift=-8 if left else 8, text=_plain(name), showarrow=False,
            xanchor="right" if left else "left", font={"color": colours.ink, "size": 13},
        )  # fmt: skip
    figure.update_xaxes(range=[-0.02 * right, right], title="rate: KL, nats")
    figure.update_yaxes(range=[low, high], title="distortion: −reconstruction, nats")
    figure.update_layout(margin={"b": 40})
    return figure


def _lines_of_one_elbo(
    figure: go.Figure, box: tuple[float, float, float], marks: Sequence[tuple[float, float, float]], colour: str
) -> None:
    """Dotted lines over a box (right, low, high); each is labelled at an end where no name of a run stands, if any."""
    right, low, high = box
    for total in _levels(low, high + right):
        figure.add_scatter(
            x=[0, right], y=[total, total - right], mode="lines", hoverinfo="skip",
            line={"color": colour, "width": 1, "dash": "dot"},
        )  # fmt: skip
        for x, y, anchor, side in ((0.0, total, "left", "bottom"), (right, total - right, "right", "top")):
            near = [name for rate, _, name in marks if abs(rate - x) < right / 3]
            height = INNER * (y - low) / (high - low) + (LABEL if side == "bottom" else -LABEL) / 2
            if LABEL / 2 < height < INNER - LABEL / 2 and all(abs(height - name) >= LABEL for name in near):
                figure.add_annotation(
                    x=x, y=y, text=f"ELBO {nats(-total)}", showarrow=False, xanchor=anchor, yanchor=side,
                    font={"size": 11}, xshift=10 if anchor == "left" else -2,
                )  # fmt: skip
                break


def _plain(name: str) -> str:
    """A user's text for Plotly, which takes some HTML for markup; cut to what fits beside a line."""
    return html.escape(_cut(name))


def _cut(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= 24 else line[:23] + "…"


def _span(lines: Iterable[Points]) -> tuple[float, float]:
    """The values from the second third of each line's steps on, and some room."""
    values = [value for points in lines for step, value in points if step >= points[-1][0] / 3 and math.isfinite(value)]
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
