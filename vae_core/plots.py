"""Figures that stand still: numbers in, Plotly figures out. The figure that follows a run is a module of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import plotly.graph_objects as go

from vae_core.palette import BETA_AREA, PALETTES, Palette, Theme, translucent

FONT = "Inter, sans-serif"
GRID = 4  # lines at most
POINTS = 200  # of a planned curve
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


def _scale(colours: Palette) -> list[tuple[float, str]]:
    """The stops of the KL, evenly spaced."""
    last = len(colours.kl_scale) - 1
    return [(index / last, stop) for index, stop in enumerate(colours.kl_scale)]
