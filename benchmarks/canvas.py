"""What the latent canvas costs: `python -m benchmarks.canvas` (MNIST is needed). Chromium without a GPU.

60,000 training images of shipped MNIST runs, an MLP and a convolutional decoder: from pointer to pixels, from frame to
frame while the pointer moves, from navigation to ready, and the bytes of a first and of a second visit.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.server_helpers import Server, start_server, stop_server

CANVAS, MOVES = '[data-testid="latent-canvas"]', 240
RUNS = {"mlp": "mnist-annealed", "conv": "mnist-conv10"}
RECORD = """
() => {
  window.late = [];
  window.frames = [];
  const canvas = document.querySelector('[data-testid="latent-canvas"]');
  new MutationObserver(() => window.late.push(Number(canvas.dataset.late)))
    .observe(canvas, { attributes: true, attributeFilter: ["data-late"] });
  let last = performance.now();
  const tick = (now) => { window.frames.push(now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}
"""


def visit(context: BrowserContext, url: str) -> tuple[float, int]:
    """Seconds until the canvas is ready, and bytes received by then."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    begun = time.monotonic()
    page.goto(url)
    page.wait_for_selector(f'{CANVAS}[data-ready="1"]', timeout=900_000)
    seconds = time.monotonic() - begun
    page.wait_for_timeout(1500)
    page.close()
    return seconds, sum(received)


def move(context: BrowserContext, url: str) -> dict[str, float]:
    """Real pointer moves over the map: milliseconds from the event to the pixels, and between frames."""
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(f'{CANVAS}[data-ready="1"]', timeout=60_000)
    box = page.locator('[data-testid="latent-surface"]').bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.wait_for_timeout(2000)
    page.evaluate(RECORD)
    for step in range(MOVES):
        page.mouse.move(box["x"] + 100 + step * 2, box["y"] + 100 + step % 120)
    page.wait_for_timeout(300)
    late, frames = sorted(page.evaluate("window.late")), page.evaluate("window.frames.slice(2)")
    page.close()
    return {
        "decodes": len(late), "pointer_to_pixels_p50_ms": round(late[len(late) // 2], 1),
        "pointer_to_pixels_p95_ms": round(late[int(0.95 * len(late))], 1),
        "frame_p50_ms": round(statistics.median(frames), 1),
    }  # fmt: skip


def measure(browser: Browser, url: str) -> dict[str, float]:
    """One map, its page visited twice in a fresh profile."""
    warm = browser.new_context(viewport={"width": 1360, "height": 768})
    visit(warm, url)  # the server works the map out, once for all
    warm.close()
    context = browser.new_context(viewport={"width": 1360, "height": 768})
    (first, once), (second, twice) = visit(context, url), visit(context, url)
    told = {"ready_first_s": round(first, 1), "ready_second_s": round(second, 1)}
    told |= {"first_visit_kb": round(once / 1024), "second_visit_kb": round(twice / 1024)}
    told |= move(context, url)
    context.close()
    return told


@contextmanager
def app() -> Iterator[tuple[Server, Browser]]:
    """The app on an empty store, and a Chromium."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = start_server(Path(folder) / "runs")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield server, browser
        finally:
            browser.close()
            stop_server(server)


def main() -> None:
    """One JSON line for each decoder."""
    with app() as (server, browser):
        for kind, run in RUNS.items():
            told = measure(browser, f"{server.url}/latent?run={run}&split=train")
            print(json.dumps({"decoder": kind, "run": run} | told), flush=True)


if __name__ == "__main__":
    main()
