"""Figures of what the codes tell: each latent's price and use, where it stands, counts by threshold, layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from vae_core.captions import nats
from vae_core.palette import KL_TOP, PALETTES, Palette, Theme
from vae_core.plots import template

ROWS = 24  # latents that have a row of their own: the most expensive ones
ROW, SHORTEST, TALLEST = 28, 150, 400  # of a row, and of the whole figure: pixels
NARROW, LETTER, APART = 280, 7.5, 14  # of the box on a phone, of a letter, and of a number to what is beside it: pixels
CORNER = 0.05  # how near a latent is to (1, 0) that counts as being there
ROOM = 0.08  # around a dot that is named: dots nearer to it have no room for their own names


def by_price(kl: Sequence[float]) -> list[int]:
    """The places of the latents that have a row, the most expensive first."""
    return sorted(range(len(kl)), key=lambda place: -kl[place])[:ROWS]


def price_and_use(
    kl: Sequence[float],
    gain: Sequence[float],
    regime: Sequence[str],
    theme: Theme,
    reach: tuple[float, float] = (0.0, 0.0),
) -> go.Figure:
    """What each latent costs, to the left, and what reconstruction loses without it, to the right; one scale, in nats.

    `kl`, `gain` (empty where there is none) and `regime` have one entry for each latent. Both sides reach at least as
    far as `reach` and as the KL scale does, so that an empty code looks empty, and steps of one run can be compared.
    """
    colours, shown = PALETTES[theme], by_price(kl)
    rows, regimes = [*range(len(shown))], [regime[place] for place in shown]
    left, right = max(KL_TOP, reach[0], *kl), max(KL_TOP, reach[1], *gain) if gain else 0.0
    low, high = _with_numbers(max(left, 0.3 * right), right, max((len(nats(one)) for one in (*kl, *gain)), default=0))
    ticks = round_numbers(low, high)
    figure = go.Figure(layout={"template": template(theme), "barmode": "overlay", "bargap": 0.3})
    for name, values, sign, colour in (
        ("costs: KL", kl, -1, colours.kl), ("brings: reconstruction", gain, 1, colours.reconstruction),
    ):  # fmt: skip
        if values:
            own = {f"z{place + 1}, {regime[place]}": values[place] for place in shown}
            _side(figure, name, own, sign, colour, colours)
    figure.add_vline(x=0, line={"color": colours.muted, "width": 1})
    figure.update_xaxes(
        range=[low, high], showgrid=True, gridcolor=colours.line, tickvals=ticks,
        ticktext=[f"{abs(tick):,g}" for tick in ticks],
    )  # fmt: skip
    inks = [colours.muted if one == "passive" else colours.ink for one in regimes]
    names = [f'<span style="color:{ink}">z{place + 1}</span>' for place, ink in zip(shown, inks, strict=True)]
    figure.update_yaxes(
        range=[len(rows) - 0.4, -1.6], showgrid=False, tickmode="array", tickvals=rows, ticktext=names, automargin=False
    )
    height = min(TALLEST, max(SHORTEST, 72 + ROW * len(rows)))
    figure.update_layout(height=height, margin={"l": 40, "r": 8, "t": 0, "b": 24})
    return figure


def _with_numbers(left: float, right: float, letters: int) -> tuple[float, float]:
    """From where to where bars of these lengths reach with their numbers at their ends, in the narrowest figure."""
    room = (LETTER * letters + APART) / NARROW
    whole = (left + right) / (1 - room * (2 if right else 1))
    return -left - room * whole, right + room * whole if right else 0.02 * left


def _side(figure: go.Figure, name: str, values: Mapping[str, float], sign: int, colour: str, colours: Palette) -> None:
    """Bars to the left (`sign` −1) or to the right of zero, with their numbers at their ends and a name above."""
    rows = [*range(len(values))]
    figure.add_bar(
        x=[sign * value for value in values.values()], y=rows, orientation="h", marker={"color": colour},
        hovertext=[f"{latent}: {name}, {nats(value)} nats" for latent, value in values.items()], hoverinfo="text",
    )  # fmt: skip
    figure.add_scatter(
        x=[sign * max(0.0, value) for value in values.values()], y=rows, mode="text",
        text=[f"\u00a0{nats(value)}\u00a0" for value in values.values()],  # apart from what it stands beside
        textposition="middle left" if sign < 0 else "middle right", cliponaxis=False, hoverinfo="skip",
        textfont={"color": colours.muted, "size": 12},
    )  # fmt: skip
    figure.add_annotation(
        x=0, y=-1, text=name, showarrow=False, xanchor="right" if sign < 0 else "left", xshift=sign * 6,
        bgcolor=colours.page, font={"color": colour, "size": 13},
    )  # fmt: skip


def round_numbers(low: float, high: float) -> list[float]:
    """Zero and its round neighbours between two numbers, at most seven."""
    sizes = (factor * 10.0**power for power in range(-2, 12) for factor in (1, 2, 5))
    size = next(size for size in sizes if (high - low) / size <= 6)
    return [size * place for place in range(math.ceil(low / size), math.floor(high / size) + 1)]


def polarised(noise: Sequence[float], variance: Sequence[float], kl: Sequence[float], theme: Theme) -> go.Figure:
    """Each latent by its mean σ² and its Var(μ), in the colour of its KL; the dotted line is where their sum is 1.

    There a latent's codes of all images together are as wide as the prior. At its right end a latent is the prior for
    every image, at its left end it is sure of each (Rolinek et al. 2019).
    """
    colours = PALETTES[theme]
    figure = go.Figure(layout={"template": template(theme), "height": 320})
    figure.add_scatter(
        x=[0, 1], y=[1, 0], mode="lines", hoverinfo="skip", line={"color": colours.muted, "width": 1, "dash": "dot"}
    )
    at_prior = [math.hypot(x - 1, y) < CORNER for x, y in zip(noise, variance, strict=True)]
    names = _names(noise, variance, [place for place in by_price(kl) if not at_prior[place]])
    figure.add_scatter(
        x=noise, y=variance, mode="markers+text", text=names, textposition="middle right",
        marker={"size": 11, "color": kl, "cmin": 0, "cmax": KL_TOP, "line": {"color": colours.ink, "width": 1}},
        hovertext=[
            f"z{place + 1}: mean σ² {noise[place]:.2f}, Var(μ) {variance[place]:.2f}, KL {nats(price)}"
            for place, price in enumerate(kl)
        ],
        hoverinfo="text",
    )  # fmt: skip
    if any(at_prior):
        figure.add_annotation(
            x=1, y=0, text=f"{sum(at_prior)} at the prior", showarrow=False, xanchor="right", xshift=-12, yshift=16,
            font={"color": colours.ink, "size": 13},
        )  # fmt: skip
    figure.update_xaxes(range=[-0.04, 1.1 * max(1.0, *noise)], title="mean σ²")
    figure.update_yaxes(range=[-0.06, 1.1 * max(1.0, *variance)], title="Var(μ)")
    figure.update_layout(margin={"b": 40})
    return figure


def _names(noise: Sequence[float], variance: Sequence[float], wanted: Sequence[int]) -> list[str]:
    """A name for each of the `wanted` latents, the first ones first, where there is room for it; else nothing."""
    named: list[int] = []
    for place in wanted:
        if all(math.dist((noise[place], variance[place]), (noise[one], variance[one])) > ROOM for one in named):
            named.append(place)
    return [f"\u00a0z{place + 1}" if place in named else "" for place in range(len(noise))]


def by_threshold(
    thresholds: Sequence[float], values: Sequence[float | int], usual: float, name: str, theme: Theme, top: int = 0
) -> go.Figure:
    """A share, or a count of at most `top`, against its threshold: flat around the `usual` one, any threshold will do.

    `name` says what the threshold is of, with its unit.
    """
    colours = PALETTES[theme]
    text = [f"{value}" if top else f"{value:.0%}" for value in values]
    figure = go.Figure(layout={"template": template(theme), "height": 200})
    figure.add_scatter(
        x=thresholds, y=values, mode="lines", line={"color": colours.ink, "width": 2, "shape": "hv"}, customdata=text,
        hovertemplate="at %{x:.2g}: %{customdata}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=usual, line={"color": colours.muted, "width": 1, "dash": "dot"})
    figure.update_xaxes(type="log", title=name, tickvals=[1e-4, 1e-2, 1, 100], ticktext=["0.0001", "0.01", "1", "100"])
    figure.update_yaxes(range=[-0.04 * (top or 1), 1.08 * (top or 1)], tickformat="d" if top else ".0%")
    figure.update_layout(margin={"b": 40})
    return figure


def responses(now: Sequence[float], first: Sequence[float], theme: Theme) -> go.Figure:
    """How much each hidden layer of the decoder moves with z, as a share of what it did untrained; 1 is dotted.

    In the order of the layers, the first at the top.
    """
    colours = PALETTES[theme]
    shares = [value / start if start > 0 else 0.0 for value, start in zip(now, first, strict=True)]
    rows = [*range(len(shares))]
    figure = go.Figure(layout={"template": template(theme), "height": 72 + ROW * len(rows), "bargap": 0.4})
    figure.add_bar(
        x=shares, y=rows, orientation="h", marker={"color": colours.muted}, text=[f"{share:,.0%}" for share in shares],
        textposition="outside", cliponaxis=False, textfont={"color": colours.ink, "size": 13}, hoverinfo="skip",
    )  # fmt: skip
    figure.add_vline(x=1, line={"color": colours.ink, "width": 1, "dash": "dot"})
    figure.add_annotation(
        x=1, y=-1, text="untrained", showarrow=False, xanchor="left", xshift=6, font={"color": colours.ink, "size": 13}
    )
    figure.update_xaxes(range=[0, 1.25 * max(1.2, *shares)], showticklabels=False)
    names = [f"layer {row + 1}" + (", the last" if row == rows[-1] else "") for row in rows]
    figure.update_yaxes(range=[len(rows) - 0.4, -1.6], showgrid=False, tickmode="array", tickvals=rows, ticktext=names)
    figure.update_layout(margin={"l": 8, "t": 0, "b": 0})
    return figure
