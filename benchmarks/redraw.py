"""How long the run figure takes to draw itself: `python -m benchmarks.redraw`. Milliseconds in Chromium, p50 and p95.

A real run that logs 1,000 rows is recorded into a page and stepped through, row after row; each drawing is timed
with the layout that it forces. One run at 1360 × 768, then the same run twice at 1920 × 1080.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from vae_core.presets import preset
from vae_core.runs import Run, RunStore
from vae_core.training import train
from vae_core.viewer import to_html

DRAWINGS = 400
TIMED = """
async (count) => {
  const figure = window.figure;
  const spent = [];
  for (let index = 0; index < count; index += 1) {
    figure.step(index === 0 ? -count - 1 : 1);
    const begun = performance.now();
    figure.draw();
    figure.root.getBoundingClientRect();
    spent.push(performance.now() - begun);
    await new Promise(requestAnimationFrame);
  }
  return spent;
}
"""


def record(folder: Path) -> Run:
    """A digits run with 1,000 rows."""
    config = preset("digits-annealed").config.model_copy(update={"log_every": 1, "steps": 960})
    run = RunStore(folder / "runs").create(type(config).model_validate(config.model_dump()), "long")
    train(str(run.path))
    return run


def measure(browser: Browser, path: Path, size: tuple[int, int]) -> dict[str, float]:
    """p50 and p95 of the drawings of the file's figure, after 50 to warm up."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(path.as_uri())
    page.wait_for_function("window.figure?.root.dataset.rows > 900")
    page.evaluate(TIMED, 50)
    spent = sorted(page.evaluate(TIMED, DRAWINGS))
    page.close()
    return {"p50_ms": round(spent[len(spent) // 2], 2), "p95_ms": round(spent[int(0.95 * len(spent))], 2)}


def main() -> None:
    """One JSON line for one run, one for two."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        run = record(Path(name))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for runs, size in (([run], (1360, 768)), ([run, run], (1920, 1080))):
            path = Path(name) / "figure.html"
            to_html(runs, path)
            path.write_text(path.read_text().replace("mountStage(doc", "window.figure = mountStage(doc"))
            print(json.dumps({"runs": len(runs), "rows": len(run.rows())} | measure(browser, path, size)))
        browser.close()


if __name__ == "__main__":
    main()
