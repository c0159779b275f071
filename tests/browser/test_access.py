"""Everyone can use it: WCAG 2 A and AA by axe-core, on every page in both themes, and a whole run by keyboard alone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import EXPORT, FIGURE, Server, await_rows, await_state, opened, settled, still
from vae_core.commands import Stop
from vae_core.config import RunConfig
from vae_core.palette import PALETTES, Theme, translucent
from vae_core.presets import preset

pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
THEMES: tuple[Theme, Theme] = ("light", "dark")
IN_THEME = """
(colour) => {
  const { backgroundColor } = getComputedStyle(document.querySelector("[data-testid=stApp], .er-stage"));
  return backgroundColor.replace("rgb(", "rgba(").replace(")", ", 1)") === colour;
}
"""
PAIR = "/stage?run=digits-collapsed&run=digits-annealed"
FOCUSED = """
() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const { x, y, width, height } = element.getBoundingClientRect();
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return {
    name: (element.getAttribute("aria-label") || element.textContent).trim(),
    place: element.dataset.testid ?? element.tagName,
    drawn: outlined || style.boxShadow !== "none",
    clip: { x: Math.max(0, x - 12), y: Math.max(0, y - 12), width: width + 24, height: height + 24 },
  };
}
"""
REST = "() => { window.held = document.activeElement; window.held.blur(); }"
RETURN = "() => window.held.focus({ focusVisible: true })"


@pytest.fixture
def tall(profile: BrowserContext) -> Page:
    """A page on a screen so tall that nothing is scrolled out of axe's sight."""
    page = profile.new_page()
    page.set_viewport_size({"width": 1360, "height": 3000})
    return page


@pytest.fixture(scope="module")
def finished(server: Server, chromium: Browser) -> str:
    """The name of a finished run in the store."""
    server.store.create(RunConfig(steps=60), "finished")
    page = chromium.new_page()
    page.goto(f"{server.url}/watch?run=finished")
    await_state(page, "done")
    page.close()
    return "finished"


def faults(page: Page) -> list[str]:
    """What axe finds on a page in either theme: rule, element, and what is wrong with it."""
    found = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        page.wait_for_function(IN_THEME, arg=translucent(PALETTES[theme].page, 1))
        still(page)
        found += faults_now(page)
    return found


def faults_now(page: Page) -> list[str]:
    """The same of a page as it is."""
    found = Axe().run(page, options=RULES).response
    assert len(found["passes"]) > 5
    return [
        f"{fault['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


def open_page(page: Page, server: Server, path: str) -> None:
    """Go to a page and wait until it is drawn."""
    page.goto(server.url + path)
    settled(page)
    if "/watch" in path and "nope" not in path:
        await_rows(page, 3)
    still(page)


def unfold(page: Page) -> None:
    """Open all that is folded."""
    for fold in page.locator("[data-testid=stExpander] summary").all():
        fold.click()
    still(page)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/train",
        "/race",
        "/compare",
        "/evidence?run=digits-annealed",
        "/evidence?section=gaps&run=digits-annealed",
        "/gradients?section=estimators",
        "/collapse?run=digits-collapsed",
        "/watch?run=finished",
        "/watch?run=digits-annealed",
        "/watch?run=nope",
    ],
)
def test_no_page_has_a_fault(tall: Page, server: Server, finished: str, path: str) -> None:
    open_page(tall, server, path)
    unfold(tall)
    assert not faults(tall)


def test_a_living_run_has_no_fault(tall: Page, server: Server) -> None:
    run = server.store.create(preset("digits-annealed").config, "living", pace=60.0)
    open_page(tall, server, f"/watch?run={run.name}")
    unfold(tall)
    await_state(tall, "running")
    found = faults(tall)
    run.post(Stop())
    assert not found


@pytest.mark.parametrize("path", ["/latent?run=digits-z2", "/latent?run=finished"])
def test_the_map_has_no_fault(tall: Page, server: Server, finished: str, path: str) -> None:
    open_page(tall, server, path)
    tall.wait_for_selector('[data-testid="latent-canvas"][data-ready="1"]', timeout=EXPORT)
    for fold in tall.locator(".lc-fold summary").all():
        fold.click()
    tall.get_by_role("button", name="Box", exact=True).click()
    found = tall.locator('[data-testid="latent-surface"]').bounding_box()
    assert found is not None
    tall.mouse.move(found["x"] + 100, found["y"] + 50)
    tall.mouse.down()
    tall.mouse.move(found["x"] + 500, found["y"] + 400, steps=4)
    tall.mouse.up()
    still(tall)
    assert not faults(tall)


def test_the_walk_has_no_fault(tall: Page, server: Server) -> None:
    open_page(tall, server, "/walk?run=digits-annealed")
    tall.get_by_text("Your own image").click()
    for view in ("dimensions", "attributes", "images"):
        tall.locator(f"#wk-tab-{view}").click()
        for fold in tall.locator(f"#wk-panel-{view} summary:visible").all():
            fold.click()
        tall.wait_for_selector(f'[data-testid="walk"][data-view="{view}"][data-ready="1"]', timeout=EXPORT)
        assert not faults(tall)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", ["/stage?run=finished", "/stage?run=mnist-annealed", PAIR])
def test_the_stage_has_no_fault(tall: Page, server: Server, finished: str, path: str, theme: Theme) -> None:
    tall.set_viewport_size({"width": 1920, "height": 1080})
    tall.goto(f"{server.url}{path}&theme={theme}")
    await_rows(tall, 10)
    tall.wait_for_function(IN_THEME, arg=translucent(PALETTES[theme].page, 1))
    still(tall)
    assert not faults_now(tall)


@pytest.mark.parametrize("theme", THEMES)  # what is open does not follow a change of theme
@pytest.mark.parametrize(
    ("path", "button", "shows"),
    [
        ("/", "Menu of finished", "text=Move to trash"),
        ("/train", "Help for 3", "[data-testid=stTooltipContent]"),
        ("/watch?run=finished", "Share and export", ".st-key-run-menu"),
        ("/watch?run=finished", "Branch here", "text=Start the branch"),
        ("/watch?run=finished", "Take the figure away", "[role=menu]"),
    ],
)
def test_what_a_button_opens_has_no_fault(
    tall: Page, server: Server, finished: str, path: str, button: str, shows: str, theme: Theme
) -> None:
    tall.emulate_media(color_scheme=theme)
    open_page(tall, server, path)
    opened(tall.get_by_role("button", name=button).first, tall.locator(shows).last)
    still(tall)
    assert not faults_now(tall)


def test_dialog_term_and_choice_have_no_fault(tall: Page, server: Server, finished: str) -> None:
    open_page(tall, server, "/")
    tall.locator(".fr-term").first.focus()
    tall.locator(".fr-term [role=tooltip]").first.wait_for()
    assert not faults(tall)
    opened(tall.get_by_role("button", name="Menu of finished"), tall.get_by_text("Name and note").last).click()
    tall.get_by_role("dialog").wait_for()
    still(tall)
    assert not faults(tall)
    open_page(tall, server, "/train")
    tall.get_by_role("combobox").first.click()
    tall.get_by_role("listbox").wait_for()
    still(tall)
    assert not faults(tall)


def is_marked(page: Page, stop: dict) -> bool:
    """Whether one can see where the focus is: an outline or a shadow, or else another look than without the focus."""
    if stop["drawn"]:
        return True
    focused = page.screenshot(clip=stop["clip"], animations="disabled")
    page.evaluate(REST)
    rested = page.screenshot(clip=stop["clip"], animations="disabled")
    page.evaluate(RETURN)
    return focused != rested


def tab_to(page: Page, name: str) -> dict:
    """Press Tab until that button has the focus; at every stop on the way the focus can be seen."""
    passed, unseen = [], []
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        passed.append(f"{stop['place']} {stop['name'][:40]}")
        # The pane that scrolls is a stop too, for the arrows, and so is the browser's own bar before the first element.
        if stop["place"] not in ("stMain", "BODY") and not is_marked(page, stop):
            unseen.append(passed[-1])
        if stop["name"] == name:
            assert not unseen
            return stop
    raise AssertionError(f"{name} is not among {passed}")


def test_a_run_is_started_held_and_stopped_by_keyboard_alone(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/train")
    settled(page)
    still(page)
    assert tab_to(page, "Start training")["drawn"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/watch?run=*")
    run = server.store[page.url.split("run=")[1]]
    await_state(page, "running")
    settled(page)

    assert tab_to(page, "Pause")["drawn"]
    page.keyboard.press("Space")
    await_state(page, "paused")
    page.get_by_role("button", name="Resume", exact=True).wait_for()
    assert page.evaluate(FOCUSED)["name"] == "Resume"  # the same button: the focus has not been lost
    page.keyboard.press("Enter")
    await_state(page, "running")

    page.get_by_role("button", name="Pause", exact=True).wait_for()
    assert tab_to(page, "Stop")["drawn"]
    page.keyboard.press("Enter")
    await_state(page, "stopped")
    assert run.state == "stopped"


def test_arrows_move_through_the_steps_of_a_recorded_run(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/watch?run=digits-annealed")
    settled(page)
    await_rows(page, 100)
    figure = page.locator(FIGURE)
    last = int(figure.get_attribute("data-shown") or -1)
    assert tab_to(page, "Step shown")["drawn"]
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"Number(document.querySelector('{FIGURE}').dataset.shown) < {last}")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Number(document.querySelector('{FIGURE}').dataset.shown) === {last}")
