"""Figures that stand still: the rules of the template, and β as each schedule plans it."""

from __future__ import annotations

import re
from typing import get_args

import numpy as np
import pytest

from vae_core.palette import BETA_AREA, PALETTES, Theme, translucent
from vae_core.plots import beta_plan, template
from vae_core.schedules import Constant, Schedule, Warmup

SCHEDULES = [variant() for variant in get_args(get_args(Schedule)[0])]
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}|rgba?\([^)]*\)")
THEMES = pytest.mark.parametrize("theme", PALETTES)


@THEMES
def test_the_template_has_no_box_no_legend_and_few_gridlines(theme: Theme) -> None:
    layout = template(theme).to_plotly_json()["layout"]
    assert layout["showlegend"] is False
    for axis in (layout["xaxis"], layout["yaxis"]):
        assert axis["showline"] is axis["zeroline"] is False
        assert axis["ticks"] == ""
        assert axis["nticks"] <= 4
    assert layout["xaxis"]["showgrid"] is False
    assert layout["font"]["family"].startswith("Inter")
    assert layout["separators"] == ".,"


@THEMES
def test_the_frame_of_a_figure_is_neutral(theme: Theme) -> None:
    layout = template(theme).to_plotly_json()["layout"]
    palette = PALETTES[theme]
    assert tuple(layout.pop("colorway")) == palette.classes
    assert [stop for _, stop in layout.pop("colorscale")["sequential"]] == list(palette.kl_scale)
    assert set(COLOUR.findall(str(layout))) <= {*palette.chrome.values(), translucent(palette.page, 0)}


def drawn(schedule, steps: int, theme: Theme = "light") -> tuple[dict, dict]:
    """The one trace of a plan, and its layout."""
    figure = beta_plan(schedule, steps, theme).to_dict()
    (area,) = figure["data"]
    return area, figure["layout"]


@THEMES
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.kind)
def test_the_plan_is_the_schedule_from_the_first_step_to_the_last(schedule, theme: Theme) -> None:
    area, layout = drawn(schedule, 1500, theme)
    assert area["x"][0] == 0
    assert area["x"][-1] == 1500
    assert (np.diff(area["x"]) > 0).all()
    assert list(area["y"]) == [schedule(step) for step in area["x"]]
    low, high = layout["yaxis"]["range"]
    assert low == 0
    assert high > max(1, *area["y"])


@THEMES
def test_the_plan_has_the_colour_of_beta_alone(theme: Theme) -> None:
    area, _ = drawn(Warmup(), 1500, theme)
    beta = PALETTES[theme].beta
    assert set(COLOUR.findall(str(area))) == {beta, translucent(beta, BETA_AREA)}


@pytest.mark.parametrize(("steps", "points"), [(1, 2), (150, 151), (1500, 216), (10_000_000, 201)])
def test_a_long_plan_is_thinned(steps: int, points: int) -> None:
    area, _ = drawn(Constant(value=3.0), steps)
    assert len(area["x"]) == points
