"""Views of the lecture on a blank page: how a test mounts one, reads its numbers and moves it."""

from __future__ import annotations

import math

from playwright.sync_api import FloatRect, Locator, Page, expect

MOUNT = """
async ([name, options]) => {
  const module = await import(new URL(`/files/lecture/${name}.mjs`, location.origin));
  window.mounted?.destroy();
  window.told = [];
  const onState = (state) => window.told.push(state);
  const mount = module[`mount${name[0].toUpperCase()}${name.slice(1)}`];
  window.mounted = mount(document.getElementById("host"), { ...options, onState });
}
"""


def mount(sheet: Page, name: str, run: str = "", **query: str) -> Locator:
    """A view on the blank page, when it is drawn."""
    sheet.evaluate(MOUNT, [name, {"query": query, "base": f"/api/runs/{run}" if run else ""}])
    view = sheet.locator(f'[data-testid="lecture-{name}"]')
    if run:
        sheet.wait_for_selector(f'[data-testid="lecture-{name}"][data-measured="1"]')
    sheet.wait_for_selector(f'[data-testid="lecture-{name}"][data-ready="1"]')
    return view


def number(view: Locator, name: str) -> float:
    """A number that a view tells of itself."""
    return float(view.get_attribute(f"data-{name}") or math.nan)


def changed(view: Locator, name: str, before: float) -> float:
    """That number, once it is another."""
    expect(view).not_to_have_attribute(f"data-{name}", str(before))
    return number(view, name)


def placed(part: Locator) -> FloatRect:
    """Where a part of a drawing is; one that is drawn anew while it is asked, is asked again."""
    for _ in range(20):
        if box := part.bounding_box():
            return box
    raise AssertionError(f"{part} is not on the page")


def drag(sheet: Page, handle: Locator, right: float, down: float = 0) -> None:
    """Take hold of a handle, and move it by so many pixels."""
    box = placed(handle)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    sheet.mouse.move(x, y)
    sheet.mouse.down()
    sheet.mouse.move(x + right / 2, y + down / 2)
    sheet.mouse.move(x + right, y + down)
    sheet.mouse.up()


def tuned(view: Locator, name: str, value: float) -> None:
    """Move one of the sliders."""
    slider = view.get_by_role("slider", name=name, exact=True)
    slider.evaluate("(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value)
