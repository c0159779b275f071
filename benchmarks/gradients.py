"""What the page of gradients costs: `python -m benchmarks.gradients` (MNIST is needed). One thread; Chromium, no GPU.

Seconds of processor time in which the server measures the encoder's and the decoder's gradient of shipped runs, with
as many codes as it takes; then milliseconds from a move of a handle or a slider to the drawing that follows it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, settled
from tests.server_helpers import start_server, stop_server
from ui.gradient_routes import CODES, DRAWS, IMAGES
from vae_core.diagnostics import prepare_once
from vae_core.gradients import affordable, decoder_gradient, encoder_gradient
from vae_core.runs import ASSETS, Run

RUNS, MOVES = ("digits-annealed", "mnist-annealed", "mnist-conv10"), 120
VIEWS = ("reparametrise", "jacobian", "estimators", "kl")
RECORD = """
(name) => {
  window.late = [];
  const view = document.querySelector(`[data-testid="lecture-${name}"]`);
  new MutationObserver(() => window.late.push(Number(view.dataset.answerMs)))
    .observe(view, { attributes: true, attributeFilter: ["data-answer-ms"] });
}
"""


def measure(name: str) -> dict[str, Any]:
    """Both gradients of a run."""
    run = Run(ASSETS / name)
    vae = run.model()[1]
    x = prepare_once(vae, run.config.dataset.load()[1].images[:IMAGES])
    codes, draws = affordable(vae, IMAGES, *CODES), affordable(vae, IMAGES, *DRAWS)
    encoder = spent(lambda: encoder_gradient(vae, x, codes))
    return {
        "run": name,
        "codes": codes,
        "encoder_s": encoder,
        "draws": draws,
        "decoder_s": spent(lambda: decoder_gradient(vae, x, draws)),
    }


def spent(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    begun = time.process_time()
    work()
    return round(time.process_time() - begun, 2)


def drag(page: Page, url: str, name: str) -> dict[str, Any]:
    """A handle, or where there is none a slider, moved many times."""
    page.goto(f"{url}/gradients?section={name}")
    settled(page)
    page.wait_for_selector(f'[data-testid="lecture-{name}"][data-ready="1"]')
    handle = page.locator(".lx-handle, .lx-slider input").first
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(RECORD, name)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(MOVES):
        page.mouse.move(x + 2 * (step % 40), y + step % 20)
    page.mouse.up()
    page.wait_for_timeout(300)
    late = sorted(page.evaluate("window.late"))
    return {
        "view": name,
        "drawings": len(late),
        "p50_ms": late[len(late) // 2],
        "p95_ms": late[int(0.95 * len(late))],
    }


def main() -> None:
    """One JSON line for each run, and for each view."""
    torch.set_num_threads(1)
    for name in RUNS:
        print(json.dumps(measure(name)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = start_server(Path(folder) / "runs")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1360, "height": 768})
        try:
            for name in VIEWS:
                print(json.dumps(drag(page, server.url, name)))
        finally:
            browser.close()
            stop_server(server)


if __name__ == "__main__":
    main()
