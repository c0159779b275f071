"""A number looks the same wherever it stands: what Python writes into sentences, the figure writes beside its lines."""

from __future__ import annotations

import math

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Server
from vae_core.captions import nats, weight

pytestmark = pytest.mark.browser

# No exact ties, such as 0.125: Python rounds them to the even digit, a browser rounds them up.
SIZES = [0.0, 1e-9, 0.004, 0.005, 0.0051, 0.123, 0.5, 0.994, 0.9949, 0.995, 0.996, 1, 1.05, 1.15, 9.96, 27.231, 999.95]
SIZES += [1234.56, 65_536.2, 999_999.0, 999_999.96, 1e6, 1.24e7, math.inf, math.nan]
NATS = [sign * size for size in SIZES for sign in (1, -1)] + [step / 97 for step in range(-300, 300)]
BETAS = [0.0, 1e-6, 5e-5, 1e-4, 0.001, 0.0025, 0.0049, 0.005, 0.0051, 0.01, 0.1, 0.55, 0.995, 1.0, 2.0, 12.5, 1000.0]
ASK = """
async ([name, values]) => {
  const module = await import("/files/run/numbers.mjs");
  return values.map((value) => module[name](Number(value)));
}
"""


@pytest.mark.parametrize(("write", "values"), [(nats, NATS), (weight, BETAS)], ids=["nats", "weight"])
def test_python_and_the_figure_write_a_number_alike(page: Page, server: Server, write, values: list[float]) -> None:
    page.goto(f"{server.url}/files/run/numbers.mjs")
    names = [str(value).replace("inf", "Infinity").replace("nan", "NaN") for value in values]
    there = page.evaluate(ASK, [write.__name__, names])
    here = [write(value) for value in values]
    assert [(value, js, py) for value, js, py in zip(values, there, here, strict=True) if js != py] == []


ADD = """
async (rows) => {
  const module = await import("/files/run/numbers.mjs");
  return rows.map((row) => module.equation(...row));
}
"""


def test_the_three_numbers_of_the_elbo_are_true_and_have_the_same_decimals(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/files/run/numbers.mjs")
    pairs = [(-1.5 - 0.617 * place, (place * place % 97) / 7.3) for place in range(300)]
    written = page.evaluate(ADD, [[lost - price, lost, price] for lost, price in pairs])
    for (lost, price), texts in zip(pairs, written, strict=True):
        digits = 1 if price >= 0.995 else 2
        assert {len(text.split(".")[1]) for text in texts} == {digits}
        shown = [float(text.replace("\u2212", "-")) for text in texts]
        assert shown == pytest.approx([lost - price, lost, price], abs=0.501 * 10**-digits)
    rest = [[-27.26, -27.23, 0.03], [-5.25, "NaN", 2.0], [-1.2e7, -1.2e7, 0.5]]
    assert page.evaluate(ADD.replace("...row", "...row.map(Number)"), rest) == [
        ["\u221227.26", "\u221227.23", "0.03"], ["\u22125.3", "–", "2.0"], ["\u22121.2e7", "\u22121.2e7", "0.50"],
    ]  # fmt: skip


def test_nats_have_a_true_minus_and_no_more_digits_than_they_deserve(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/files/run/numbers.mjs")
    finite = [value for value in NATS if 0.995 <= abs(value) < 1e6]
    written = page.evaluate(ASK, ["nats", [str(value) for value in finite]])
    assert len(finite) > 200
    for value, text in zip(finite, written, strict=True):
        assert text == nats(value)
        assert len(text.split(".")[1]) == 1
        assert text.startswith("\u2212") == (value < 0)
        assert "-" not in text
