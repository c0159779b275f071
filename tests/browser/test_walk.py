"""The walk in a real browser: paths, what tells smooth from plausible, one dimension at a time, attributes, files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import EXPORT, PATIENCE, Server, Witness, settled, still
from tests.browser.drawing import draw_a_stroke
from tests.opening_helpers import Own
from vae_core.latents import (
    aggregate_log_density,
    attribute,
    cloud,
    lerp,
    path_length,
    shell,
    slerp,
    traverse,
)
from vae_core.latents.clouds import Cloud
from vae_core.opening.door import Files, open_model
from vae_core.runs import ASSETS, Run, RunStore

pytestmark = pytest.mark.browser
WALK, PICTURE = '[data-testid="walk"]', '[data-testid="walk-picture"]'
MOUNT = """
async ([base, query]) => {
  const { mountWalk } = await import(new URL("/files/latent/walk.mjs", location.origin));
  window.mounted?.destroy();
  window.told = [];
  const onState = (state) => window.told.push(state);
  window.mounted = mountWalk(document.getElementById("host"), { base, query, onState });
}
"""
CALL = """
async ([module, name, given]) => {
  const found = await import(new URL(`/files/latent/${module}.mjs`, location.origin));
  return found[name](...given);
}
"""
PAINTED = """
(selector) => [...document.querySelectorAll(selector)].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, index) => index % 4 === 0);
})
"""
PATH = "window.mounted.walk.here.view.paths.find(({{ kind }}) => kind === '{}')"


@pytest.fixture
def sheet(chromium: Browser, bare: str, witness: Witness) -> Iterator[Page]:
    """A blank page of the bare server."""
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(PATIENCE)
    witness.watch(page)
    page.goto(f"{bare}/blank")
    yield page
    page.close()


@pytest.fixture
def opened(bare: str, tmp_path: Path) -> Iterator[Any]:
    """Opens an own model into the store of the bare server, and takes it away again."""
    store = RunStore(Path(os.environ["VAE_RUNS"]))
    runs: list[Run] = []

    def open_(own: Own, *parts: str) -> Run:
        given = {part: getattr(own, "npy" if part == "images" else part)() for part in parts}
        runs.append(open_model(Files(own.latents(), **given), store))
        return runs[-1]

    yield open_
    for run in runs:
        shutil.rmtree(run.path)


def ready(page: Page) -> None:
    """Wait until everything that was asked for is shown."""
    page.wait_for_selector(f'{WALK}[data-ready="1"]', timeout=EXPORT)
    still(page)


def mount(page: Page, run: str, **query: str) -> None:
    """Put the walks of a run on the page and wait for them."""
    page.evaluate(MOUNT, [f"/api/runs/{run}", query])
    ready(page)


def call(page: Page, module: str, name: str, *given: Any) -> Any:
    """A function of one of our modules, evaluated in the page."""
    return page.evaluate(CALL, [module, name, list(given)])


def tell(page: Page, what: str) -> Any:
    """A field of the walk."""
    return page.evaluate(f"window.mounted.walk.{what}")


def along(page: Page, kind: str, what: str) -> np.ndarray:
    """Numbers of a path, one for each of its points."""
    return np.array(page.evaluate(f"[...{PATH.format(kind)}.{what}]"), float)


def shipped(name: str) -> tuple[Run, Cloud]:
    """A run that came with the program, and its cloud."""
    run = Run(ASSETS / name)
    return run, cloud(run)


def pictures(run: Run, codes: np.ndarray) -> np.ndarray:
    """What the decoder makes of codes [k, d]: [k, pixels]."""
    with torch.no_grad():
        return run.model()[1].picture(torch.from_numpy(codes).float()).flatten(1).numpy()


ENDS = [
    ([0.3, -1.2, 2.0], [1.5, 0.4, -0.7]),
    ([2.0, 0.0], [-2.0, 0.0]),
    ([1.0, 1.0], [2.0, 2.0]),
    ([0.0, 0.0], [1.0, 2.0]),
    ([1.5], [-0.5]),
]


@pytest.mark.parametrize(("a", "b"), ENDS)
def test_paths_are_those_of_the_core(sheet: Page, a: list[float], b: list[float]) -> None:
    for kind, path in (("linear", lerp), ("spherical", slerp)):
        made = np.array(call(sheet, "walk_maths", "walk", kind, a, b, 11))
        assert np.abs(made - path(np.array(a), np.array(b), 11)).max() < 1e-5


@pytest.mark.parametrize("d", [1, 2, 10, 64, 500])
def test_the_shell_is_that_of_the_core(sheet: Page, d: int) -> None:
    _, wanted = shell(d, (0.05, 0.5, 0.95))
    made = [call(sheet, "walk_maths", "shell", d, p) for p in (0.05, 0.5, 0.95)]
    assert made == pytest.approx(wanted, rel=1e-6)


def verdict(page: Page, *paths: tuple[list[float], list[float] | None], floor: float = -10) -> str:
    """The sentence about made-up paths: ln q(z) and the change of the picture."""
    kinds = ("linear", "spherical")
    given = [{"kind": kinds[i], "density": d, "length": length} for i, (d, length) in enumerate(paths)]
    return call(page, "walk_words", "verdict", given, floor, 64)


EVEN, JUMP, STILL = [0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 0.1, 0.2, 0.3, 8, 8.1, 8.2, 8.3, 8.4], [0.0] * 9
DEEP, FLAT = [-3, -8, -17, -9, -4], [-3, -4, -4, -4, -3]


def test_the_sentence_tells_smooth_from_plausible(sheet: Page) -> None:
    one_crosses = verdict(sheet, (DEEP, EVEN), (FLAT, EVEN))
    assert one_crosses == (
        "The straight path crosses a region 13 nats less likely than the images at its ends; the spherical one does "
        "not. Yet the picture changes smoothly."
    )
    assert verdict(sheet, (FLAT, EVEN), (DEEP, EVEN)).startswith("The spherical path crosses a region 13 nats")
    both = verdict(sheet, (DEEP, EVEN), ([-3, -12.5, -3], EVEN))
    assert "the straight one by 13 nats, the spherical one by 9.5." in both
    assert verdict(sheet, (FLAT, EVEN), (FLAT, EVEN)) == (
        "Both paths stay where the codes of images are. The picture changes smoothly, too."
    )
    # As deep, but codes of images are no less likely there.
    assert verdict(sheet, (DEEP, EVEN), (FLAT, EVEN), floor=-30).startswith("Both paths stay")
    jumps = verdict(sheet, (FLAT, EVEN), (FLAT, JUMP))
    assert "half of its change happens within 13 % of the spherical path" in jumps
    assert "does not change" in verdict(sheet, (FLAT, STILL), (FLAT, STILL))
    assert verdict(sheet, (DEEP, None)) == (
        "The path crosses a region 13 nats less likely than the images at its ends."
    )


@pytest.mark.parametrize("name", ["digits-z2", "digits-annealed"])
def test_the_numbers_along_the_path_are_those_of_the_core(sheet: Page, name: str) -> None:
    run, seen = shipped(name)
    mount(sheet, name, **{"from": "3", "to": "100"})
    # ln σ² travels in half precision.
    sent = Cloud(
        seen.run, seen.step, seen.split, seen.mean, seen.logvar.astype(np.float16).astype(np.float32), seen.kl,
        seen.reconstruction, seen.labels,
    )  # fmt: skip
    for kind, path in (("linear", lerp), ("spherical", slerp)):
        codes = path(seen.mean[3], seen.mean[100], 41)
        assert np.abs(np.array(tell_codes(sheet, kind)) - codes).max() < 1e-5
        assert along(sheet, kind, "norm") == pytest.approx(np.linalg.norm(codes, axis=1), rel=1e-4)
        assert along(sheet, kind, "density") == pytest.approx(aggregate_log_density(sent, codes), rel=1e-3)
        assert along(sheet, kind, "density") == pytest.approx(aggregate_log_density(seen, codes), rel=2e-3, abs=0.02)
        assert along(sheet, kind, "length") == pytest.approx(path_length(pictures(run, codes)), rel=1e-3)
    median = np.median(aggregate_log_density(sent, seen.mean))
    assert tell(sheet, "usual.median") == pytest.approx(median, rel=1e-3)  # 297 images: all of them
    assert tell(sheet, "usual.low") < median


def tell_codes(page: Page, kind: str) -> Any:
    """The codes of a path."""
    return page.evaluate(f"{PATH.format(kind)}.codes")


def test_the_strips_show_what_the_decoder_makes(sheet: Page, witness: Witness) -> None:
    run, seen = shipped("digits-annealed")
    mount(sheet, "digits-annealed", **{"from": "3", "to": "100"})
    for kind, path in (("linear", lerp), ("spherical", slerp)):
        painted = np.array(sheet.evaluate(PAINTED, f'.wk-strip[data-kind="{kind}"] canvas'))
        wanted = 255 * (1 - pictures(run, path(seen.mean[3], seen.mean[100], 11)))  # ink on paper
        assert painted.shape == (11, 64)
        assert np.abs(painted - wanted).max() < 1.01
        # Before they are painted they are exact.
        ends = along(sheet, kind, "pixels").reshape(41, 64)[[0, -1]]
        assert 255 * np.abs(ends - pictures(run, seen.mean[[3, 100]])).max() < 1e-2
    assert not witness.complaints
    assert not witness.foreign


def test_dragging_decodes_without_asking_the_server(sheet: Page) -> None:
    run, seen = shipped("digits-annealed")
    mount(sheet, "digits-annealed", **{"from": "3", "to": "100", "kind": "spherical"})
    box = sheet.locator(".wk-path .wk-slider").first.bounding_box()
    assert box is not None
    asked: list[str] = []
    sheet.on("request", lambda request: asked.append(request.url))
    before = int(sheet.locator(WALK).get_attribute("data-decodes") or 0)
    middle = box["y"] + box["height"] / 2
    sheet.mouse.move(box["x"] + box["width"] / 2, middle)
    sheet.mouse.down()
    for step in range(30):
        sheet.mouse.move(box["x"] + box["width"] * (0.5 + step / 75), middle)
        sheet.wait_for_timeout(17)
    sheet.mouse.up()
    still(sheet)
    assert not asked
    assert int(sheet.locator(WALK).get_attribute("data-decodes") or 0) > before + 15
    share = float(sheet.locator(WALK).get_attribute("data-share") or 0)
    assert 0.85 < share < 0.95
    step = round(200 * share)
    code = slerp(seen.mean[3], seen.mean[100], 201)[[step]]
    painted = np.array(sheet.evaluate(PAINTED, PICTURE))
    assert np.abs(painted - 255 * (1 - pictures(run, code))).max() < 1.01
    expect(sheet.locator(".wk-title").first).to_contain_text(f"{np.linalg.norm(code):.2f}")


def test_the_keyboard_walks_and_goes_from_tab_to_tab(sheet: Page) -> None:
    mount(sheet, "digits-z2", at="0.5")
    slider = sheet.locator(".wk-path .wk-slider").first
    slider.focus()
    sheet.keyboard.press("ArrowRight")
    sheet.keyboard.press("ArrowRight")
    assert float(sheet.locator(WALK).get_attribute("data-share") or 0) == pytest.approx(0.51)
    sheet.keyboard.press("End")
    assert sheet.locator(WALK).get_attribute("data-share") == "1"
    expect(slider).to_have_attribute("aria-valuetext", "100 % of the way")  # written with the next frame
    sheet.get_by_role("tab", name="From image to image").focus()
    sheet.keyboard.press("ArrowRight")
    assert sheet.locator(WALK).get_attribute("data-view") == "dimensions"
    expect(sheet.get_by_role("tab", name="One dimension at a time")).to_be_focused()
    expect(sheet.get_by_role("tabpanel", name="One dimension at a time")).to_be_visible()


def test_ends_are_chosen_from_the_gallery_and_told(sheet: Page) -> None:
    _, seen = shipped("digits-z2")
    mount(sheet, "digits-z2")
    assert seen.labels is not None
    ends = [tell(sheet, f"ends.{slot}.index") for slot in "AB"]
    assert seen.labels[ends[0]] != seen.labels[ends[1]]
    offered = tell(sheet, "gallery.offered")
    assert [int(seen.labels[index]) for index in offered] == [label for label in range(10) for _ in range(2)]
    apart = np.linalg.norm(seen.mean[offered][:, None] - seen.mean[offered], axis=2)
    assert np.linalg.norm(seen.mean[ends[0]] - seen.mean[ends[1]]) == pytest.approx(apart.max(), rel=0.1)

    sheet.get_by_role("button", name="Other images").click()
    again = tell(sheet, "gallery.offered")
    assert again != offered
    for place in (4, 17):
        sheet.locator(".wk-pick").nth(place).click()
        ready(sheet)
    assert [tell(sheet, f"ends.{slot}.index") for slot in "AB"] == [again[4], again[17]]
    sheet.get_by_role("button", name="Spherical").click()
    sheet.wait_for_function("window.told.at(-1)?.kind === 'spherical'")
    told = sheet.evaluate("window.told.at(-1)")
    assert (told["from"], told["to"], told["kind"]) == (again[4], again[17], "spherical")
    mount(sheet, "digits-z2", **{"from": str(told["from"]), "to": str(told["to"]), "kind": "spherical", "at": "0.25"})
    assert [tell(sheet, f"ends.{slot}.index") for slot in "AB"] == [again[4], again[17]]
    assert tell(sheet, "share") == 0.25


def test_a_start_alone_is_walked_from(sheet: Page) -> None:
    mount(sheet, "digits-z2")
    first, last = (tell(sheet, f"ends.{slot}.index") for slot in "AB")
    for start, end in ((7, last), (last, first)):
        mount(sheet, "digits-z2", **{"from": str(start)})
        assert [tell(sheet, f"ends.{slot}.index") for slot in "AB"] == [start, end]


def test_a_drawing_becomes_an_end(sheet: Page) -> None:
    mount(sheet, "digits-z2")
    draw_a_stroke(sheet)
    sheet.wait_for_function("window.mounted.walk.ends.A.index === null")
    ready(sheet)
    assert tell_codes(sheet, "linear")[0] == tell(sheet, "ends.A.z")
    expect(sheet.locator('[data-slot="A"]')).to_have_attribute("aria-label", "From A: your own image")


def test_one_dimension_at_a_time(sheet: Page) -> None:
    run, seen = shipped("digits-annealed")
    mount(sheet, "digits-annealed", view="dimensions", around="7")
    used = [int(dimension) for dimension in seen.order if seen.active[dimension]]
    rows = sheet.locator(".wk-panel:not([hidden]) .wk-list").first.locator(".wk-dimension")
    assert [int(row.get_attribute("data-dimension") or -1) for row in rows.all()] == used
    values = np.linspace(-3, 3, 9)
    for base in (7, 42):
        painted = np.array(sheet.evaluate(PAINTED, f'.wk-dimension[data-dimension="{used[0]}"] canvas'))
        wanted = 255 * (1 - pictures(run, traverse(seen.mean[base], used[0], values)))
        assert np.abs(painted - wanted).max() < 1.01
        sheet.locator(".wk-base input").fill("42")
        ready(sheet)
    fold = sheet.locator(".wk-dimensions summary")
    expect(fold).to_have_text(f"{10 - len(used)} dimensions are not in use")
    fold.click()
    ready(sheet)
    dead = int(seen.order[-1])
    painted = np.array(sheet.evaluate(PAINTED, f'.wk-dimension[data-dimension="{dead}"] canvas'))
    assert np.abs(painted - 255 * (1 - pictures(run, traverse(seen.mean[42], dead, values)))).max() < 1.01


def test_an_attribute_is_added(sheet: Page) -> None:
    run, seen = shipped("digits-z2")
    mount(sheet, "digits-z2", view="attributes", around="7")
    for minus in (None, 4):
        sheet.get_by_label("towards").select_option("1")
        sheet.get_by_label("away from").select_option("" if minus is None else str(minus))
        ready(sheet)
        vector = attribute(seen, 1, minus)
        assert tell(sheet, "here.view.vector") == pytest.approx(vector, abs=1e-5)
        sheet.locator(".wk-attribute .wk-slider").fill("1.5")
        still(sheet)
        painted = np.array(sheet.evaluate(PAINTED, '[data-testid="attribute-picture"]'))
        wanted = 255 * (1 - pictures(run, (seen.mean[7] + 1.5 * vector)[None]))
        assert np.abs(painted - wanted).max() < 1.01


def test_the_walk_is_taken_away_as_gif_and_png(sheet: Page) -> None:
    run, seen = shipped("digits-z2")
    mount(sheet, "digits-z2", **{"from": "3", "to": "100"})
    with sheet.expect_download() as waiting:
        sheet.get_by_role("button", name="GIF there and back").click()
    path = waiting.value.path()
    assert path.read_bytes()[:6] == b"GIF89a"
    with Image.open(path) as film:
        assert (film.size, getattr(film, "n_frames", 0)) == ((168, 168), 21 + 19)
        film.seek(20)  # the farthest point
        frame = np.array(film.convert("L"), float)[10::21, 10::21]
    assert np.abs(frame.ravel() - 255 * (1 - pictures(run, seen.mean[[100]])[0])).max() < 1.5
    with sheet.expect_download() as waiting:
        sheet.get_by_role("button", name="PNG of the strips").click()
    with Image.open(waiting.value.path()) as strips:
        assert strips.size == (11 * (112 + 8) - 8 + 48, 2 * (112 + 44) + 36)


def test_colours_survive_the_film(sheet: Page, opened: Any, tmp_path: Path) -> None:
    own = Own.make(tmp_path / "own")
    run = opened(own, "decoder", "images")
    mount(sheet, run.name, **{"from": "3", "to": "9"})
    with sheet.expect_download() as waiting:
        sheet.get_by_role("button", name="GIF there and back").click()
    with Image.open(waiting.value.path()) as film:
        frame = np.array(film.convert("RGB"), float)
    times = frame.shape[0] // 4
    small = frame[times // 2 :: times, times // 2 :: times].transpose(2, 0, 1)
    assert np.abs(small - 255 * own.images[3]).max() < 12  # 256 colours, 24 pixels


def test_what_a_model_lacks_is_said_and_the_rest_is_shown(sheet: Page, opened: Any, tmp_path: Path) -> None:
    own = Own.make(tmp_path / "own")
    bare_codes = opened(own)
    mount(sheet, bare_codes.name)
    expect(sheet.locator(WALK)).to_contain_text("This model came without images; their codes are shown by number.")
    expect(sheet.locator(WALK)).to_contain_text("This model came without a decoder, so there are no pictures")
    assert along(sheet, "linear", "density").shape == (41,)
    expect(sheet.locator(".wk-verdict").first).not_to_be_empty()
    sheet.get_by_role("tab", name="One dimension").click()
    expect(sheet.locator(".wk-dimensions")).to_contain_text("This model came without a decoder")
    sheet.get_by_role("tab", name="Attributes").click()
    expect(sheet.locator(".wk-attribute")).to_contain_text("These images have no classes")

    decoded = opened(own, "decoder")
    mount(sheet, decoded.name)
    expect(sheet.locator(WALK)).to_contain_text("their codes are shown decoded")
    assert len(set(map(tuple, sheet.evaluate(PAINTED, ".wk-pick canvas")))) > 5


def test_what_cannot_be_read_is_one_sentence(sheet: Page) -> None:
    sheet.evaluate(MOUNT, ["/api/runs/nothing-like-it", {}])
    expect(sheet.locator(".wk-note")).to_contain_text("nothing-like-it")
    expect(sheet.locator(".wk-body")).to_be_hidden()


def test_with_one_dimension_there_is_one_path(sheet: Page, opened: Any, tmp_path: Path) -> None:
    run = opened(Own.make(tmp_path / "line", latent=1), "decoder", "images")
    mount(sheet, run.name)
    assert tell(sheet, "here.view.paths.length") == 1
    expect(sheet.locator(WALK)).to_contain_text("With one dimension there is only the straight path.")
    assert sheet.get_by_role("button", name="Spherical").count() == 0


def test_the_page_of_the_walk(page: Page, server: Server, witness: Witness) -> None:
    page.goto(f"{server.url}/walk?run=digits-z2&from=3&to=100&at=0.25")
    settled(page)
    ready(page)
    found = page.locator(WALK).bounding_box()
    assert found is not None
    assert found["y"] + found["height"] <= 768
    assert page.locator(WALK).get_attribute("data-share") == "0.25"
    page.get_by_role("button", name="Spherical").click()
    page.wait_for_url("**kind=spherical**")
    assert "from=3" in page.url
    assert not witness.complaints
    assert not witness.foreign
