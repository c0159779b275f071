"""Drawing by hand: a stroke on the pad of "Your own image"."""

from __future__ import annotations

from playwright.sync_api import Page


def draw_a_stroke(page: Page) -> None:
    """Open the pad, draw a line from top to bottom through its middle, and let go."""
    page.get_by_text("Your own image").click()
    pad = page.locator(".lc-pad").bounding_box()
    assert pad is not None
    page.mouse.move(pad["x"] + 70, pad["y"] + 25)
    page.mouse.down()
    page.mouse.move(pad["x"] + 70, pad["y"] + 115, steps=8)
    page.mouse.up()
