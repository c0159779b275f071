"""What tests share of pages to hand in: made in the app, and opened from the disk where no network is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import opened

WIDTH = round((210 - 40) / 25.4 * 96)  # of what is printed on A4 between the margins, in pixels
PHONE = 390  # pixels
WHOLE = "figure, .plane, tr, table:not(.grid)"  # what no edge of a sheet may cut
BREAKS = "(all, name) => [...new Set(all.map((one) => getComputedStyle(one)[name]))]"


def hand_in(page: Page, words: str, folder: Path, by: str = "") -> Path:
    """Press Hand in, write, make the page and download it; returns where it is."""
    dialog = opened(page.get_by_role("button", name="Hand in"), page.get_by_role("dialog", name="Hand in"))
    dialog.get_by_label("Name").fill(by)
    dialog.get_by_label("In your own words").fill(words)
    dialog.get_by_role("button", name="Make the page").click()
    expect(dialog.get_by_text(words)).to_be_visible()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download the page").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    dialog.get_by_role("button", name="Close").click()
    return path


@contextmanager
def from_disk(chromium: Browser, path: Path) -> Iterator[Page]:
    """The file in a browser without a network and without scripts; it may ask for nothing, and fits a phone and A4."""
    context = chromium.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    page.set_viewport_size({"width": PHONE, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    page.emulate_media(media="print")
    page.set_viewport_size({"width": WIDTH, "height": 900})
    ends = "all => all.map((one) => one.getBoundingClientRect().right)"
    assert max(page.locator("main > *, tr, pre, svg, img").evaluate_all(ends)) <= WIDTH + 1
    assert page.locator(WHOLE).evaluate_all(BREAKS, "breakInside") == ["avoid"]
    assert page.locator("h2, h3").evaluate_all(BREAKS, "breakAfter") == ["avoid"]
    assert page.locator(".wide").evaluate_all(BREAKS, "overflowX") == ["visible"]
    context.close()


def sheets(page: Page) -> int:
    """On how many sheets the page prints."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
