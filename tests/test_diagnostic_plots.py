"""Figures of diagnostics: they draw the numbers they are given, in the colours of these quantities."""

from __future__ import annotations

import re

import pytest

from vae_core.captions import MINUS
from vae_core.diagnostic_plots import NARROW, ROWS, by_threshold, polarised, price_and_use, responses, round_numbers
from vae_core.palette import KL_TOP, LIGHT


def test_each_latent_has_its_price_to_the_left_and_its_use_to_the_right() -> None:
    figure = price_and_use([0.2, 0.9, 0.0], [0.5, 3.0, -0.01], ["active", "active", "passive"], "light").to_dict()
    price, _, use, uses = figure["data"]
    assert (list(price["x"]), list(use["x"])) == ([-0.9, -0.2, 0.0], [3.0, 0.5, -0.01])
    assert [number.strip() for number in uses["text"]] == ["3.0", "0.50", f"{MINUS}0.01"]
    assert list(uses["x"]) == [3.0, 0.5, 0.0]
    assert (price["marker"]["color"], use["marker"]["color"]) == (LIGHT.kl, LIGHT.reconstruction)
    names = figure["layout"]["yaxis"]["ticktext"]
    assert [re.sub("<.*?>", "", name) for name in names] == ["z2", "z1", "z3"]
    assert [LIGHT.muted in name for name in names] == [False, False, True]
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < -KL_TOP
    assert high > 3.0


def test_an_empty_code_looks_empty_and_a_long_one_is_cut() -> None:
    empty = price_and_use([0.0] * 3, [0.001] * 3, ["passive"] * 3, "dark", (2.0, 5.0)).to_dict()["layout"]["xaxis"]
    assert empty["range"][0] < -2.0
    assert empty["range"][1] > 5.0
    figure = price_and_use([float(place) for place in range(64)], [], ["active"] * 64, "light").to_dict()
    assert len(figure["data"]) == 2  # bars and their numbers, of the price alone
    assert list(figure["data"][0]["x"]) == [-float(place) for place in range(63, 63 - ROWS, -1)]


@pytest.mark.parametrize(
    ("kl", "gain"), [([0.98, 0.2], [3.4, 0.1]), ([1.3], [120.5]), ([250.4], [1300.0]), ([4.0], [])]
)
def test_a_number_has_room_beside_its_bar_on_a_phone(kl: list[float], gain: list[float]) -> None:
    figure = price_and_use(kl, gain, ["active"] * len(kl), "light").to_dict()
    low, high = figure["layout"]["xaxis"]["range"]
    for numbers in figure["data"][1::2]:
        for end, text in zip(numbers["x"], numbers["text"], strict=True):
            room = NARROW * (end - low if end < 0 else high - end) / (high - low)
            assert room > 7 * len(text.strip()) + 10


@pytest.mark.parametrize(("low", "high"), [(-1.4, 1.4), (-20.6, 68.8), (-1.44, 0.02), (-2000.0, 90_000.0)])
def test_the_scale_has_few_round_numbers_and_zero(low: float, high: float) -> None:
    ticks = round_numbers(low, high)
    assert 0 in ticks
    assert 2 <= len(ticks) <= 7
    assert low <= ticks[0]
    assert ticks[-1] <= high


def test_the_other_figures_draw_what_they_are_given() -> None:
    plane = polarised([0.2, 1.0, 0.99, 0.22], [0.8, 0.0, 0.001, 0.81], [0.9, 0.0, 0.0, 0.8], "light").to_dict()
    assert [name.strip() for name in plane["data"][1]["text"]] == ["z1", "", "", ""]
    assert plane["layout"]["annotations"][0]["text"] == "2 at the prior"
    counts = by_threshold([0.001, 0.01, 0.1], [3, 2, 0], 0.01, "threshold", "dark", 3).to_dict()
    assert (list(counts["data"][0]["y"]), counts["data"][0]["customdata"][0]) == ([3, 2, 0], "3")
    share = by_threshold([0.001, 0.01], [0.5, 1.0], 0.01, "ε, nats", "dark").to_dict()["data"][0]
    assert list(share["customdata"]) == ["50%", "100%"]
    layers = responses([0.2, 0.003], [0.1, 0.1], "light").to_dict()
    assert list(layers["data"][0]["text"]) == ["200%", "3%"]
    assert list(layers["layout"]["yaxis"]["ticktext"]) == ["layer 1", "layer 2, the last"]
