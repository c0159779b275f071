"""The stage and the file to take home, in a real browser: keys, sizes of type, replay without engine or network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import FIGURE, Witness, await_rows
from vae_core.runs import ASSETS, Run
from vae_core.viewer import to_html

pytestmark = pytest.mark.browser
PAIR = "/stage?run=digits-collapsed&run=digits-annealed"
TYPE_SIZES = """
() => {
  const texts = [];
  const walker = document.createTreeWalker(document.querySelector(".er-stage"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!walker.currentNode.data.trim() || !box.width || getComputedStyle(element).visibility === "hidden") continue;
    texts.push([walker.currentNode.data.trim(), parseFloat(getComputedStyle(element).fontSize)]);
  }
  return texts;
}
"""


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A beamer."""
    context = chromium.new_context(viewport={"width": 1920, "height": 1080})
    yield context
    context.close()


@pytest.fixture
def hall(context: BrowserContext, witness: Witness) -> Page:
    """A page on it."""
    page = context.new_page()
    witness.watch(page)
    return page


def ready(page: Page, url: str) -> None:
    """Go there and wait until the rows of every lane are drawn."""
    page.goto(url)
    await_rows(page, 150)


def shown(page: Page) -> int:
    """The step on the screen."""
    return int(page.locator(FIGURE).get_attribute("data-shown") or -1)


def await_shown(page: Page, what: str) -> None:
    """Wait until the step that is shown is as said: "< 1500"."""
    page.wait_for_function(f"Number(document.querySelector('{FIGURE}')?.dataset.shown ?? NaN) {what}")


def finished(page: Page, last: int) -> None:
    """Wait for the end of a replay."""
    page.wait_for_function(f"Number(document.querySelector('{FIGURE}').dataset.shown) === {last}", timeout=30_000)


@pytest.mark.parametrize("address", [PAIR, "/stage?run=mnist-annealed", "/stage?run=digits-z2&theme=dark"])
def test_every_text_can_be_read_at_the_end_of_a_hall(hall: Page, bare: str, address: str) -> None:
    ready(hall, bare + address)
    texts = hall.evaluate(TYPE_SIZES)
    assert len(texts) > 15
    assert not [text for text in texts if text[1] < 27.99]
    assert hall.evaluate("document.documentElement.scrollHeight") <= 1080


def test_the_keys_of_the_one_who_speaks(hall: Page, bare: str, witness: Witness) -> None:
    ready(hall, bare + PAIR)
    last = shown(hall)
    lanes = hall.locator(".er-lane")
    hall.keyboard.press("1")
    expect(lanes).to_have_count(1)
    hall.keyboard.press("2")
    expect(lanes).to_have_count(2)
    await_rows(hall, 150)
    await_shown(hall, f"=== {last}")

    hall.keyboard.press("ArrowLeft")
    await_shown(hall, f"< {last}")
    before = shown(hall)
    hall.keyboard.press("ArrowLeft")
    await_shown(hall, f"< {before}")
    hall.keyboard.press("ArrowRight")
    await_shown(hall, f"=== {before}")

    stage = hall.locator(".er-stage")
    hall.keyboard.press("d")
    assert stage.get_attribute("data-theme") == "dark"
    hall.keyboard.press("b")
    assert not hall.locator(".er-caption").is_visible()
    hall.keyboard.press("b")
    assert hall.locator(".er-caption").is_visible()
    hall.keyboard.press("v")
    assert not hall.locator(".er-caption").is_visible()
    assert not witness.complaints


def test_a_lane_that_comes_late_leaves_what_is_held_as_it_is(hall: Page, bare: str) -> None:
    late: list[Route] = []
    hall.route("**/digits-annealed/rows?*", lambda route: route.continue_() if late else late.append(route))
    hall.goto(bare + PAIR)
    await_shown(hall, "=== 1500")
    hall.keyboard.press("ArrowLeft")
    await_shown(hall, "< 1500")
    held = shown(hall)
    assert hall.locator(FIGURE).get_attribute("data-rows") == "0"  # that both have
    late[0].continue_()
    await_rows(hall, 150)
    assert shown(hall) == held
    hall.keyboard.press("ArrowRight")
    await_shown(hall, "=== 1500")


def test_a_replay_plays_every_logged_row_and_ends_at_the_last(hall: Page, bare: str) -> None:
    ready(hall, f"{bare}/stage?run=digits-collapsed")
    last = shown(hall)
    hall.evaluate(f"""() => {{
        const figure = document.querySelector('{FIGURE}');
        window.seen = [];
        new MutationObserver(() => window.seen.push(Number(figure.dataset.shown)))
          .observe(figure, {{ attributes: true, attributeFilter: ["data-shown"] }});
    }}""")
    hall.keyboard.press(" ")
    hall.wait_for_timeout(2000)
    assert shown(hall) < 100  # logged rows, not steps: the first of them fill the first seconds
    axis = hall.locator(".er-tick.er-middle:not(.er-halo)").last.text_content()
    assert axis is not None
    assert int(axis.replace(",", "")) <= 100  # and the axis grows with the run
    finished(hall, last)
    seen = hall.evaluate("window.seen")
    assert seen == sorted(seen)
    logged = {row["step"] for row in Run(ASSETS / "digits-collapsed").rows()}
    assert len(set(seen) & set(range(51))) > 40
    assert set(seen) <= logged


def test_the_cursor_moves_images_and_equation(hall: Page, bare: str) -> None:
    ready(hall, f"{bare}/stage?run=digits-annealed")
    box = hall.locator(".er-panels").bounding_box()
    assert box is not None
    equation = hall.locator(".er-equation").text_content()
    hall.mouse.move(box["x"] + 170, box["y"] + 100)
    hall.wait_for_timeout(600)
    assert hall.locator(".er-equation").text_content() != equation
    foot = hall.locator(".er-foot").text_content()
    assert foot is not None
    assert int(foot.removeprefix("at step ").replace(",", "")) < 200
    hall.mouse.move(5, 5)
    hall.wait_for_timeout(300)
    assert hall.locator(".er-equation").text_content() == equation


def test_it_replays_with_no_engine_and_the_network_gone(hall: Page, bare: str, context: BrowserContext) -> None:
    ready(hall, f"{bare}{PAIR}&play=1")
    finished(hall, 1500)
    context.set_offline(True)
    pictures = "() => [...document.querySelectorAll('.er-tile')].map((tile) => tile.toDataURL()).join()"
    at_the_end = hall.evaluate(pictures)
    hall.keyboard.press(" ")
    hall.wait_for_timeout(1500)
    assert 0 < shown(hall) < 200
    assert hall.evaluate(pictures) != at_the_end
    finished(hall, 1500)
    hall.wait_for_timeout(300)
    assert hall.evaluate(pictures) == at_the_end


def test_the_first_visit_weighs_little(hall: Page, bare: str, context: BrowserContext) -> None:
    session = context.new_cdp_session(hall)
    session.send("Network.enable")
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    ready(hall, f"{bare}{PAIR}&play=1")
    finished(hall, 1500)
    assert 50_000 < sum(received) <= 350 * 1024


def test_reduced_motion_rests_at_the_last_frame(chromium: Browser, bare: str) -> None:
    page = chromium.new_page(reduced_motion="reduce")
    ready(page, f"{bare}{PAIR}&play=1")
    page.wait_for_timeout(800)
    assert shown(page) == 1500
    page.close()


def test_the_file_opens_from_disk_and_replays(hall: Page, tmp_path: Path, witness: Witness) -> None:
    path = tmp_path / "läufe für die Übung.html"
    to_html([Run(ASSETS / "digits-collapsed"), Run(ASSETS / "digits-annealed")], path)
    asked: list[str] = []
    hall.on("request", lambda request: asked.append(request.url))
    ready(hall, path.as_uri())
    assert hall.locator(".er-caption").text_content() == "Same model, same data, same seed. Only β differs."
    assert hall.evaluate("document.fonts.check('28px Inter') && document.fonts.check('28px \"Source Serif\"')")
    hall.keyboard.press(" ")
    hall.wait_for_timeout(1500)
    assert 0 < shown(hall) < 200
    finished(hall, 1500)
    assert not witness.complaints
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)


def test_the_figure_can_be_taken_away(hall: Page, bare: str, tmp_path: Path) -> None:
    ready(hall, f"{bare}/stage?run=digits-annealed")
    for name, ending, begins in (
        ("SVG", "svg", b"<svg"),
        ("PNG, 2×", "png", b"\x89PNG"),
        ("CSV", "csv", b"split,step,beta"),
    ):
        hall.get_by_role("button", name="Take the figure away").click()
        with hall.expect_download() as waiting:
            hall.get_by_role("menuitem", name=name, exact=True).click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        assert path.name == f"digits-annealed.{ending}"
        assert path.read_bytes().startswith(begins)
    svg = (tmp_path / "digits-annealed.svg").read_text()
    assert "Reconstruction" in svg
    assert "var(--" not in svg
    rows = (tmp_path / "digits-annealed.csv").read_text().splitlines()
    assert len(rows) == 1 + len(Run(ASSETS / "digits-annealed").rows())


def test_a_phone_scrolls_down_never_sideways(chromium: Browser, bare: str) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    ready(page, bare + PAIR)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert min(size for _, size in page.evaluate(TYPE_SIZES)) >= 12
    page.close()


@pytest.mark.parametrize("address", ["/stage", "/stage?run=nope", "/stage?run=../x", "/stage?run=a&run=b&run=c"])
def test_a_bad_address_is_one_sentence(hall: Page, bare: str, address: str) -> None:
    answer = hall.goto(bare + address)
    assert answer is not None
    assert answer.status == 404
    assert hall.locator("p").first.text_content()
    assert "Traceback" not in hall.content()
