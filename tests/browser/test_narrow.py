"""On a phone, a tablet and a laptop: image under image, no name over another, and a table that scrolls shows it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, pairwise

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Server, await_rows, settled, still
from tests.browser.test_access import faults

pytestmark = pytest.mark.browser
WIDTHS = pytest.mark.parametrize("width", [390, 800, 1360])
PAIR = "/compare?run=digits-annealed&run=digits-collapsed"
ROWS = """
(figure) => [...figure.querySelectorAll(".er-lane")].map((lane) => {
  const rows = {};
  for (const tile of lane.querySelectorAll(".er-tile:not(.er-prior *)")) {
    const { x, y } = tile.getBoundingClientRect();
    (rows[Math.round(y)] ??= []).push(x);
  }
  return Object.values(rows);
})
"""
READY = "(count) => document.querySelectorAll('.er-images.er-ready').length === count"
TEXTS = """
(plot) => [...plot.querySelectorAll(".annotation-text-g")].map((text) => {
  const { left, right, top, bottom } = text.getBoundingClientRect();
  return [text.textContent, left, right, top, bottom];
})
"""
SCROLL = ".fr-scroll:has(code)"


def opened_at(page: Page, server: Server, path: str, width: int) -> None:
    """Go to a page on a screen of some width, and wait until it is drawn."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(server.url + path)
    settled(page)


def strips(page: Page, server: Server, path: str, runs: int, widths: list[int]) -> Iterator[list[list[list[float]]]]:
    """Where the images of each run stand at each width, row by row: pixels from the left."""
    opened_at(page, server, path, widths[0])
    await_rows(page, 5)
    page.wait_for_function(READY, arg=runs)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        still(page)
        lanes = page.locator(".er-figure").evaluate(ROWS)
        assert len(lanes) == runs
        yield lanes


def test_what_comes_back_from_a_run_stands_under_its_original(page: Page, server: Server) -> None:
    for ((original, seen, back),) in strips(page, server, "/watch?run=digits-annealed", 1, [390, 800, 1360]):
        assert len(original) == 4
        assert original == pytest.approx(seen, abs=0.5)
        assert original == pytest.approx(back, abs=0.5)


def test_what_comes_back_from_two_runs_stands_under_their_originals_or_beside_them(page: Page, server: Server) -> None:
    *narrow, laptop = strips(page, server, "/", 2, [390, 640, 800, 1150, 1360])
    for original, back in chain(*narrow):
        assert len(original) == 4
        assert original == pytest.approx(back, abs=0.5)
    for (row,) in laptop:
        steps = [after - before for before, after in pairwise(row)]
        assert len(steps) == 7
        assert steps[:3] == pytest.approx(steps[4:], abs=0.5)


@WIDTHS
def test_no_text_in_the_plane_is_over_another(page: Page, server: Server, width: int) -> None:
    opened_at(page, server, PAIR, width)
    plot = page.locator(".st-key-plane .js-plotly-plot")
    plot.get_by_text("digits-collapsed").wait_for()
    still(page)
    found = plot.evaluate(TEXTS)
    assert {"digits-annealed", "digits-collapsed"} < {text for text, *_ in found}
    for (one, *here), (other, *there) in combinations(found, 2):
        across = min(here[1], there[1]) - max(here[0], there[0])
        assert across < 1 or min(here[3], there[3]) - max(here[2], there[2]) < 1, (one, other)


def test_a_table_wider_than_a_phone_is_shaded_and_scrolls_by_keyboard(page: Page, server: Server) -> None:
    opened_at(page, server, f"{PAIR}&run=digits-z2", 390)
    table = page.locator(SCROLL)
    table.wait_for()
    still(page)
    assert table.evaluate("(box) => box.scrollWidth > box.clientWidth")
    assert table.evaluate("(box) => getComputedStyle(box).backgroundAttachment") == "local, local, scroll, scroll"
    page.locator(".fr-term").last.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("(selector) => document.activeElement.matches(selector)", SCROLL)
    assert table.evaluate("(box) => getComputedStyle(box).outlineStyle") == "solid"
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(selector) => document.querySelector(selector).scrollLeft > 10", arg=SCROLL)
    page.set_viewport_size({"width": 390, "height": 3000})
    assert not faults(page)


def test_where_a_table_does_not_scroll_it_is_no_stop_for_the_keyboard(page: Page, server: Server) -> None:
    opened_at(page, server, PAIR, 1360)
    page.locator(".fr-term").last.focus()
    page.keyboard.press("Tab")
    assert not page.evaluate("() => document.activeElement.matches('.fr-scroll')")
    page.locator(SCROLL).evaluate("(box) => box.focus()")
    assert not page.evaluate("() => document.activeElement.matches('.fr-scroll')")
