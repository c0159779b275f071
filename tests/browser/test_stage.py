"""The stage and the file to take home, in a real browser: keys, sizes of type, replay without engine or network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import FIGURE, PATIENCE, Witness, await_rows
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
    context.set_default_timeout(PATIENCE)
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


@pytest.fixture
def timed(hall: Page) -> Page:
    """The same page, whose time `play` and `finish` tell."""
    hall.clock.install(time=0)
    return hall


def play(page: Page, milliseconds: int) -> None:
    """Press Space and let so much time pass, frame by frame, and none after it."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1000)
    page.keyboard.press(" ")
    page.clock.run_for(milliseconds)


def finish(page: Page, last: int) -> None:
    """Jump to the end of a replay, and wait for the images there."""
    page.clock.fast_forward(60_000)
    page.clock.resume()
    await_shown(page, f"=== {last}")
    await_images(page, f"=== {last}")


def await_images(page: Page, what: str) -> None:
    """Wait until the images beside every run are of such a step."""
    every = "const all = [...document.querySelectorAll('.er-images')]; return all.length && all.every"
    page.wait_for_function(f"() => {{ {every}(({{ dataset }}) => Number(dataset.step) {what}) }}")


def sheets(name: str) -> set[str]:
    """The paths of all images that a replay of a run shows."""
    frames = [f"{row['step']:08}" for row in Run(ASSETS / name).rows("test")]
    return {f"/api/runs/{name}/frames/{frame}.png" for frame in ("inputs", *frames)}


def await_sheets(page: Page, url: str) -> None:
    """Go there, and wait until all images of the pair have come."""
    came: set[str] = set()
    page.on("requestfinished", lambda request: came.add(urlsplit(request.url).path))
    ready(page, url)
    wanted = sheets("digits-collapsed") | sheets("digits-annealed")
    while not wanted <= came:
        page.wait_for_event("requestfinished")


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


def test_a_replay_plays_every_logged_row_and_ends_at_the_last(timed: Page, bare: str) -> None:
    ready(timed, f"{bare}/stage?run=digits-collapsed")
    last = shown(timed)
    timed.evaluate(f"""() => {{
        const figure = document.querySelector('{FIGURE}');
        window.seen = [];
        new MutationObserver(() => window.seen.push(Number(figure.dataset.shown)))
          .observe(figure, {{ attributes: true, attributeFilter: ["data-shown"] }});
    }}""")
    play(timed, 2000)
    assert 0 <= shown(timed) < 100  # logged rows, not steps: the first of them fill the first seconds
    numbers = timed.locator(".er-tick.er-middle:not(.er-halo)").filter(has_not_text="steps")
    axis = numbers.last.text_content()
    assert axis is not None
    assert int(axis.replace(",", "")) <= 100  # and the axis grows with the run
    timed.clock.run_for(20_000)
    await_shown(timed, f"=== {last}")
    seen = timed.evaluate("window.seen")
    assert seen == sorted(seen)
    logged = {row["step"] for row in Run(ASSETS / "digits-collapsed").rows()}
    assert len(set(seen) & set(range(51))) > 40
    assert set(seen) <= logged


def test_the_cursor_moves_images_and_equation(hall: Page, bare: str) -> None:
    ready(hall, f"{bare}/stage?run=digits-annealed")
    box = hall.locator(".er-panels").bounding_box()
    assert box is not None
    equation = hall.locator(".er-equation").text_content()
    assert equation
    hall.mouse.move(box["x"] + 170, box["y"] + 100)
    expect(hall.locator(".er-equation")).not_to_have_text(equation)
    await_images(hall, "< 200")
    foot = hall.locator(".er-foot").text_content()
    assert foot is not None
    assert int(foot.removeprefix("at step ").replace(",", "")) < 200
    hall.mouse.move(5, 5)
    expect(hall.locator(".er-equation")).to_have_text(equation)


def test_it_replays_with_no_engine_and_the_network_gone(timed: Page, bare: str, context: BrowserContext) -> None:
    await_sheets(timed, f"{bare}{PAIR}&play=1")
    finish(timed, 1500)
    context.set_offline(True)
    pictures = "() => [...document.querySelectorAll('.er-tile')].map((tile) => tile.toDataURL()).join()"
    at_the_end = timed.evaluate(pictures)
    play(timed, 1500)
    assert 0 < shown(timed) < 200
    await_images(timed, "< 200")
    assert timed.evaluate(pictures) != at_the_end
    finish(timed, 1500)
    assert timed.evaluate(pictures) == at_the_end


def test_the_first_visit_weighs_little(timed: Page, bare: str, context: BrowserContext) -> None:
    session = context.new_cdp_session(timed)
    session.send("Network.enable")
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    await_sheets(timed, f"{bare}{PAIR}&play=1")
    finish(timed, 1500)
    timed.wait_for_load_state("networkidle")
    assert 50_000 < sum(received) <= 350 * 1024


def test_reduced_motion_rests_at_the_last_frame(chromium: Browser, bare: str) -> None:
    page = chromium.new_page(reduced_motion="reduce")
    ready(page, f"{bare}{PAIR}&play=1")
    page.wait_for_timeout(800)
    assert shown(page) == 1500
    page.close()


def test_the_file_opens_from_disk_and_replays(timed: Page, tmp_path: Path, witness: Witness) -> None:
    path = tmp_path / "läufe für die Übung.html"
    to_html([Run(ASSETS / "digits-collapsed"), Run(ASSETS / "digits-annealed")], path)
    asked: list[str] = []
    timed.on("request", lambda request: asked.append(request.url))
    ready(timed, path.as_uri())
    assert timed.locator(".er-caption").text_content() == "Same model, same data, same seed. Only β differs."
    assert timed.evaluate("document.fonts.check('28px Inter') && document.fonts.check('28px \"Source Serif\"')")
    play(timed, 1500)
    assert 0 < shown(timed) < 200
    finish(timed, 1500)
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
