"""How fast the views of the equations answer: `python -m benchmarks.equations`. Chromium without a GPU.

Of each view: milliseconds from a change, made by a real pointer that drags a handle or by a slider, to what was drawn.
"""

from __future__ import annotations

import json

from playwright.sync_api import Page

from benchmarks.canvas import app

MOVES = 120
VIEWS = (
    ("evidence", "identity", "model=linear"),
    ("evidence", "identity", "model=bits"),
    ("evidence", "identity", "model=run&run=digits-z2"),
    ("evidence", "identity", "model=run&run=digits-annealed"),
    ("evidence", "likelihood", ""),
    ("evidence", "bayes", "d=2&n=41"),
    ("gradients", "reparametrise", ""),
    ("gradients", "jacobian", ""),
    ("gradients", "estimators", ""),
    ("gradients", "kl", ""),
)
RECORD = """
(selector) => {
  window.answers = [];
  const view = document.querySelector(selector);
  new MutationObserver(() => window.answers.push(Number(view.dataset.answerMs)))
    .observe(view, { attributes: true, attributeFilter: ["data-answer-ms"] });
}
"""
HANDLE = "(selector) => document.querySelector(`${selector} .lx-handle`)?.getBoundingClientRect().toJSON()"
SLIDE = """
async ([selector, moves]) => {
  const range = document.querySelector(`${selector} input[type=range]`);
  for (let move = 0; move < moves; move += 1) {
    range.value = Number(range.min) + ((move % 40) / 40) * (range.max - range.min);
    range.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise(requestAnimationFrame);
  }
}
"""


def measure(page: Page, selector: str) -> dict[str, float | str]:
    """The first handle of the view dragged about; its first slider moved where it has none."""
    page.evaluate(RECORD, selector)
    handle = page.evaluate(HANDLE, selector)
    if handle is None:
        page.evaluate(SLIDE, [selector, MOVES])
    else:
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        for move in range(MOVES):
            page.mouse.move(x + move % 60, y + move % 30)
        page.mouse.up()
    page.wait_for_timeout(500)
    found = sorted(page.evaluate("window.answers"))
    told = {"answers": len(found), "p50_ms": found[len(found) // 2], "p95_ms": found[int(0.95 * len(found))]}
    return {"by": "slider" if handle is None else "pointer", **told}


def main() -> None:
    """One JSON line for each view."""
    with app() as (server, browser):
        page = browser.new_page(viewport={"width": 1360, "height": 768})
        for name, section, query in VIEWS:
            selector = f".lx-{section}"
            page.goto(f"{server.url}/{name}?section={section}&{query}")
            waits = f"{selector}[data-elbo]" if section == "identity" else f'{selector}[data-ready="1"]'
            page.wait_for_selector(waits, timeout=120_000)
            page.wait_for_timeout(1500)
            print(json.dumps({"view": section, "query": query, **measure(page, selector)}), flush=True)


if __name__ == "__main__":
    main()
