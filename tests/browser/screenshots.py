"""Takes the pictures of docs/images: `make images`. A store of its own, light and dark, wide and narrow.

With names of views it takes these alone: `python tests/browser/screenshots.py map walk`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.browser.conftest import CHROMIUM, FIGURE, FLAGS, await_rows, settled, start_server, stop_server

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
STAGES = {
    "stage-pair": "/stage?run=digits-collapsed&run=digits-annealed",
    "stage-one": "/stage?run=mnist-annealed",
}
VIEWS = {
    "home": "/",
    "train": "/train",
    "watch-annealed": "/watch?run=digits-annealed",
    "watch-collapsed": "/watch?run=digits-collapsed",
    "watch-mnist": "/watch?run=mnist-annealed",
    "map": "/latent?run=digits-z2",
    "walk": "/walk?run=mnist-annealed",
    "walk-dimensions": "/walk?run=mnist-annealed&view=dimensions",
    "collapse": "/collapse?run=digits-collapsed",
    "race": "/race?race=headline",
    "compare": "/compare",
    "evidence": "/evidence",
    "evidence-gaps": "/evidence?section=gaps&run=digits-annealed&image=2",
    "gradients": "/gradients",
    "gradients-estimators": "/gradients?section=estimators",
}
READY = '[data-testid="latent-canvas"][data-ready="1"], [data-testid="walk"][data-ready="1"]'
DRAWN = '.lx-figure[data-ready="1"]:not([data-image=""])'


def take(browser: Browser, url: str, theme: str, width: int, names: list[str]) -> None:
    """The views of these names in one theme at one width."""
    context = browser.new_context(viewport={"width": width, "height": 768}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    for name in names:
        page.goto(url + VIEWS[name])
        settled(page)
        if "watch" in name:
            await_rows(page, 50)
        if name.startswith(("map", "walk")):
            page.wait_for_selector(READY, timeout=60_000)
        if name.startswith(("evidence", "gradients")):
            page.wait_for_selector(DRAWN, timeout=60_000)
        if name == "map":
            page.locator('[data-testid="latent-surface"]').click(position={"x": 300, "y": 300})
        if name == "race":
            _raced(page)
        page.wait_for_timeout(14_000 if name == "home" else 1500)  # Home replays the pair first
        size = "" if width > 1000 else f"-{width}"
        page.screenshot(path=IMAGES / f"{name}-{theme}{size}.png", full_page=False)
    if width > 1000 and names == list(VIEWS):
        _live(page, url, theme)
    context.close()


def take_stages(browser: Browser, url: str, theme: str) -> None:
    """The stage on a beamer and on a phone."""
    for size, (width, height) in (("", (1920, 1080)), ("-phone", (390, 844))):
        page = browser.new_page(viewport={"width": width, "height": height})
        for name, path in STAGES.items():
            page.goto(f"{url}{path}&theme={theme}")
            await_rows(page, 150)
            page.wait_for_timeout(1000)
            page.screenshot(path=IMAGES / f"{name}-{theme}{size}.png")
        page.close()


def _raced(page: Page) -> None:
    """A race that is over: held now, if there was none before."""
    if start := page.get_by_role("button", name="Start the race").all():
        start[0].click()
        page.wait_for_url("**/race?race=headline*")
        page.get_by_role("button", name="Full speed").click()
    page.get_by_text("warm-up 750 × 1").wait_for(timeout=60_000)


def _live(page: Page, url: str, theme: str) -> None:
    """A run half-way."""
    page.goto(f"{url}/train")
    settled(page)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_selector(FIGURE)
    await_rows(page, 140)
    page.screenshot(path=IMAGES / f"watch-live-{theme}.png")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_timeout(1000)


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    asked = sys.argv[1:] or list(VIEWS)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = start_server(Path(folder) / "runs")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for scheme in ("light", "dark"):
            for pixels in (1360, 800):
                take(chromium, server.url, scheme, pixels, asked)
            if asked == list(VIEWS):
                take_stages(chromium, server.url, scheme)
        chromium.close()
        stop_server(server)
