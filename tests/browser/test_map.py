"""The latent canvas in a real browser: the decoder under the pointer, the map, the lasso, and life without WebGL2."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import EXPORT, PATIENCE, Server, Witness, settled, still
from tests.browser.drawing import draw_a_stroke
from vae_core.latents import aligned, cloud, inside, pca
from vae_core.latents.projections import Projection
from vae_core.runs import ASSETS, Run
from vae_core.spec import InputError

pytestmark = pytest.mark.browser
CANVAS, SURFACE, DECODED = '[data-testid="latent-canvas"]', '[data-testid="latent-surface"]', '[data-testid="decoded"]'
MOUNT = """
async ([base, query]) => {
  const { mountCanvas } = await import(new URL("/files/latent/canvas.mjs", location.origin));
  window.mounted?.destroy();
  window.mounted = mountCanvas(document.getElementById("host"), { base, query });
}
"""
PIXELS = """
async (z) => {
  const { canvas } = window.mounted;
  return [...await canvas.decoder.decode(Float32Array.from(z), canvas.cloud.latent)];
}
"""
SHIPPED = sorted(path.name for path in ASSETS.iterdir())


@pytest.fixture
def sheet(chromium: Browser, bare: str, witness: Witness) -> Iterator[Page]:
    """A blank page of the bare server."""
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(PATIENCE)
    witness.watch(page)
    page.goto(f"{bare}/blank")
    yield page
    page.close()


def mount(page: Page, run: str, **query: str) -> None:
    """Put the canvas of a run on the page and wait for it."""
    page.evaluate(MOUNT, [f"/api/runs/{run}", query])
    page.wait_for_selector(f'{CANVAS}[data-ready="1"]', timeout=EXPORT)
    still(page)


def box(page: Page) -> dict[str, float]:
    """The pointer's surface on the screen."""
    found = page.locator(SURFACE).bounding_box()
    assert found is not None
    return dict(found)


def decoded(page: Page) -> dict[str, str]:
    """What the picture says of itself."""
    return page.evaluate(f"({{...document.querySelector('{DECODED}').dataset}})")


def tell(page: Page, name: str) -> Any:
    """A field of the canvas."""
    return page.evaluate(f"window.mounted.canvas.{name}")


def places(page: Page) -> np.ndarray:
    """Where the points stand on the map: float32 [n, 2]."""
    return np.array(page.evaluate("[...window.mounted.canvas.cloud.points]"), np.float32).reshape(-1, 2)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_browser_decodes_as_torch_does(sheet: Page, name: str, witness: Witness) -> None:
    run = Run(ASSETS / name)
    if not run.config.dataset.ready():
        pytest.skip(f"the images of {name} are not here")
    mount(sheet, name)
    assert tell(sheet, "decoder.where") == "in this browser"
    codes = torch.randn(5, run.config.latent, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = run.model()[1].picture(codes).flatten().numpy()
    assert np.abs(np.array(sheet.evaluate(PIXELS, codes.flatten().tolist())) - wanted).max() < 1e-3
    assert not witness.complaints
    assert not witness.foreign


def test_the_pointer_decodes_what_is_under_it(sheet: Page) -> None:
    mount(sheet, "digits-z2")
    around = box(sheet)
    before = int(decoded(sheet)["decodes"])
    for step in range(20):
        sheet.mouse.move(around["x"] + 200 + 8 * step, around["y"] + 150 + 5 * step)
    still(sheet)
    told = decoded(sheet)
    assert int(told["decodes"]) > before + 3
    x, y = tell(sheet, f"view.value([{200 + 8 * 19}, {150 + 5 * 19}])")
    assert json.loads(told["z"]) == pytest.approx([x, y], abs=1e-3)
    with torch.no_grad():
        picture = Run(ASSETS / "digits-z2").model()[1].picture(torch.tensor([json.loads(told["z"])]))
    painted = np.array(
        sheet.evaluate(f"""() => {{
        const canvas = document.querySelector('{DECODED}');
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [...data].filter((_, index) => index % 4 === 0);
    }}""")
    )
    assert np.abs(painted - 255 * (1 - picture.flatten().numpy())).max() <= 1.01  # ink on paper


def test_on_pca_the_pointer_moves_in_the_plane_and_the_rest_of_z_stays(sheet: Page) -> None:
    mount(sheet, "digits-annealed")
    seen = cloud(Run(ASSETS / "digits-annealed"))
    map_ = pca(seen)
    around = box(sheet)
    sheet.mouse.move(around["x"] + 120, around["y"] + 90)
    still(sheet)
    first = np.array(json.loads(decoded(sheet)["z"]))
    sheet.mouse.move(around["x"] + 420, around["y"] + 290)
    still(sheet)
    second = np.array(json.loads(decoded(sheet)["z"]))
    assert map_.components is not None
    across = np.eye(seen.latent) - map_.components.T @ map_.components
    assert np.abs(across @ (second - first)).max() < 1e-4
    place = np.array(tell(sheet, "view.value([420, 290])"))
    assert map_.place(second[None])[0] == pytest.approx(place, abs=1e-3)


@pytest.mark.parametrize("mode", ["Lasso", "Box"])
def test_the_lasso_selects_exactly_what_is_inside(sheet: Page, mode: str) -> None:
    mount(sheet, "digits-annealed")
    around = box(sheet)
    sheet.get_by_role("button", name=mode, exact=True).click()
    corners = [(200, 80), (520, 120), (470, 330), (330, 240), (230, 380)]
    corners = corners if mode == "Lasso" else corners[:3]
    sheet.mouse.move(around["x"] + corners[0][0], around["y"] + corners[0][1])
    sheet.mouse.down()
    for x, y in corners[1:]:
        sheet.mouse.move(around["x"] + x, around["y"] + y)
    sheet.mouse.up()
    still(sheet)
    polygon, points = (
        np.array(tell(sheet, "marks.fence")),
        np.array(tell(sheet, "cloud.points.length && [...window.mounted.canvas.cloud.points]")),
    )
    wanted = np.flatnonzero(inside(points.reshape(-1, 2).astype(np.float32), polygon.astype(np.float64)))
    assert len(wanted) > 5
    assert tell(sheet, "marks.selected") == wanted.tolist()
    expect(sheet.locator(".lc-selection")).to_contain_text(f"{len(wanted)} images selected")

    with sheet.expect_download() as waiting:
        sheet.get_by_role("button", name="Download CSV").click()
    lines = waiting.value.path().read_text().splitlines()
    assert [int(line.split(",")[0]) for line in lines[1:]] == wanted.tolist()
    sheet.locator(SURFACE).focus()
    sheet.keyboard.press("Escape")
    assert tell(sheet, "marks.selected") == []


def test_a_class_can_be_taken_out_and_is_not_selected(sheet: Page) -> None:
    mount(sheet, "digits-z2")
    seen = cloud(Run(ASSETS / "digits-z2"))
    assert seen.labels is not None
    sheet.locator(".lc-class", has_text="3").click()
    sheet.evaluate("window.mounted.canvas.marks.enclose([[-9, -9], [9, -9], [9, 9], [-9, 9]])")
    assert tell(sheet, "marks.selected") == np.flatnonzero(seen.labels != 3).tolist()


def test_sliders_and_keyboard_move_z(sheet: Page) -> None:
    mount(sheet, "digits-annealed")
    first = tell(sheet, "cloud.head.order[0]")
    sheet.locator(".lc-slider input").first.focus()
    sheet.keyboard.press("End")
    still(sheet)
    assert json.loads(decoded(sheet)["z"])[first] >= 3.5
    assert sheet.locator(".lc-dead").count() == 5  # five of ten are in use
    sheet.locator(SURFACE).focus()
    before = json.loads(decoded(sheet)["z"])
    for _ in range(5):
        sheet.keyboard.press("ArrowRight")
    still(sheet)
    assert json.loads(decoded(sheet)["z"]) != before
    scale = tell(sheet, "view.scale")
    sheet.keyboard.press("+")
    assert tell(sheet, "view.scale") > scale
    sheet.keyboard.press("0")
    assert tell(sheet, "view.scale") == pytest.approx(scale)


def test_a_press_on_a_point_takes_its_own_code(sheet: Page) -> None:
    mount(sheet, "digits-annealed")
    around = box(sheet)
    x, y = tell(sheet, "view.pixel(window.mounted.canvas.cloud.point(7))")
    sheet.mouse.click(around["x"] + x, around["y"] + y)
    still(sheet)
    found = json.loads(decoded(sheet)["z"])
    mean = cloud(Run(ASSETS / "digits-annealed")).mean
    assert np.abs(mean - np.array(found)).max(1).min() < 1e-5


def test_there_is_a_way_to_walk_from_one_image_or_between_two(sheet: Page) -> None:
    mount(sheet, "digits-z2", split="test")
    seen = cloud(Run(ASSETS / "digits-z2"))
    sheet.evaluate("window.mounted.canvas.point.put([4.5, 4.5])")
    nearest = np.linalg.norm(seen.mean - [4.5, 4.5], axis=1).argmin()
    way = sheet.get_by_role("link", name="Walk from the nearest")
    expect(way).to_have_attribute("href", f"walk?run=digits-z2&from={nearest}&split=test")

    link = sheet.locator(".lc-selection").get_by_role("link")
    for chosen, words, ends in (
        ([5], "Walk from here", "from=5"),
        ([5, 9], "Walk from one to the other", "from=5&to=9"),
    ):
        sheet.evaluate("(chosen) => window.mounted.canvas.marks.select(chosen)", chosen)
        expect(link).to_have_text(words)
        expect(link).to_have_attribute("href", f"walk?run=digits-z2&{ends}&split=test")
    sheet.evaluate("window.mounted.canvas.marks.select([5, 9, 11])")
    expect(sheet.get_by_role("button", name="Clear")).to_be_visible()
    expect(link).to_be_hidden()


def test_names_of_classes_do_not_lie_over_one_another(sheet: Page) -> None:
    generator = np.random.default_rng(1)
    boxes = np.hstack([generator.uniform(0, 120, (12, 2)), np.tile([30.0, 15.0], (12, 1))])
    moved = sheet.evaluate(
        """async (boxes) => (await import(new URL("/files/latent/geometry.mjs", location.origin))).apart(boxes)""",
        [*boxes.tolist(), [500, 500, 30, 15]],
    )
    gaps = np.abs(np.array(moved)[:, None, :2] - np.array(moved)[None, :, :2])
    lies_over = (gaps < [30, 15]).all(2) & ~np.eye(13, dtype=bool)
    assert not lies_over.any()
    assert moved[-1] == [500, 500, 30, 15]  # what is free stays


def test_the_steps_of_a_run_do_not_turn_the_map(sheet: Page) -> None:
    mount(sheet, "digits-annealed")
    steps = tell(sheet, "cloud.head.steps")
    assert len(steps) > 3
    sheet.evaluate(f"window.mounted.canvas.go({{ step: {steps[-3]} }})")
    sheet.wait_for_selector(f'{CANVAS}[data-step="{steps[-3]}"]')
    run = Run(ASSETS / "digits-annealed")
    wanted: Projection = aligned(cloud(run, steps[-3]), pca(cloud(run)))
    assert np.abs(places(sheet) - wanted.points).max() < 1e-4
    codes = torch.zeros(1, 10)
    with torch.no_grad():
        picture = run.model(steps[-3])[1].picture(codes).flatten().numpy()
    assert np.abs(np.array(sheet.evaluate(PIXELS, codes.flatten().tolist())) - picture).max() < 1e-3


def test_moving_over_the_map_asks_the_server_nothing(sheet: Page) -> None:
    mount(sheet, "digits-z2")
    around = box(sheet)
    sheet.mouse.move(around["x"] + 300, around["y"] + 200)
    sheet.wait_for_timeout(800)  # the images of the neighbours come once
    asked: list[str] = []
    sheet.on("request", lambda request: asked.append(request.url))
    for step in range(40):
        sheet.mouse.move(around["x"] + 150 + 9 * step, around["y"] + 100 + 6 * step)
    sheet.wait_for_timeout(500)
    assert not asked


def test_a_drawing_is_encoded_and_the_map_goes_there(sheet: Page) -> None:
    mount(sheet, "digits-z2")
    draw_a_stroke(sheet)
    sheet.wait_for_function("window.mounted.canvas.point.guest !== null")
    still(sheet)
    guest = tell(sheet, "point.guest")
    assert json.loads(decoded(sheet)["z"]) == pytest.approx(guest["mean"], abs=1e-5)
    assert all(sigma > 0 for sigma in guest["sigma"])


def test_a_column_of_a_file_colours_the_points(sheet: Page, tmp_path: Any) -> None:
    mount(sheet, "digits-z2")
    path = tmp_path / "mine.csv"
    path.write_text("name,weight\n" + "".join(f"a,{index}\n" for index in range(297)))
    sheet.get_by_label("A column of numbers").set_input_files(path)
    sheet.wait_for_function("window.mounted.canvas.marks.extra !== null")
    assert tell(sheet, "marks.extra.name") == "weight"
    expect(sheet.locator(".lc-legend")).to_contain_text("294")
    path.write_text("1\n2\n")
    sheet.get_by_label("A column of numbers").set_input_files(path)
    expect(sheet.locator(".lc-note")).to_contain_text("has 2 rows; the map has 297 points")


def test_without_webgl_and_without_wasm_it_still_works(chromium: Browser, bare: str) -> None:
    page = chromium.new_page()
    page.add_init_script("""
        const real = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
          return kind === "webgl2" ? null : real.call(this, kind, ...rest);
        };
        delete window.WebAssembly;
    """)
    page.goto(f"{bare}/blank")
    mount(page, "digits-z2")
    assert page.locator(CANVAS).get_attribute("data-renderer") == "2d"
    around = box(page)
    page.mouse.move(around["x"] + 250, around["y"] + 200)
    page.wait_for_function(f"Number(document.querySelector('{DECODED}').dataset.decodes) > 0")
    still(page)
    told = decoded(page)
    assert int(told["decodes"]) > 0
    expect(page.locator(".lc-words").first).to_contain_text("on the server")
    with torch.no_grad():
        picture = Run(ASSETS / "digits-z2").model()[1].picture(torch.tensor([json.loads(told["z"])]))
    assert np.abs(np.array(page.evaluate(PIXELS, json.loads(told["z"]))) - picture.flatten().numpy()).max() < 1e-3
    page.close()


def test_a_network_that_cannot_be_exported_decodes_on_the_server_and_it_is_said_why(
    sheet: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> bytes:
        raise InputError("ONNX has no operator for aten::new", "digits-z2")

    monkeypatch.setattr("ui.maps.decoder_bytes", refuse)
    mount(sheet, "digits-z2", step="0")
    expect(sheet.locator(".lc-words").first).to_contain_text("on the server")
    expect(sheet.locator(CANVAS)).to_contain_text("ONNX has no operator for aten::new")
    with torch.no_grad():
        picture = Run(ASSETS / "digits-z2").model(0)[1].picture(torch.tensor([[0.5, -1.0]])).flatten().numpy()
    assert np.abs(np.array(sheet.evaluate(PIXELS, [0.5, -1.0])) - picture).max() < 1e-3


def test_the_page_of_the_map(page: Page, server: Server, witness: Witness) -> None:
    page.goto(f"{server.url}/latent?run=digits-z2")
    settled(page)
    page.wait_for_selector(f'{CANVAS}[data-ready="1"]', timeout=EXPORT)
    found = page.locator(CANVAS).bounding_box()
    assert found is not None
    assert found["y"] + found["height"] <= 768
    page.get_by_label("map", exact=True).select_option("pca")
    page.wait_for_selector(f'{CANVAS}[data-method="pca"]')
    page.wait_for_url("**method=pca**")
    assert not witness.complaints
    assert not witness.foreign


def test_by_keyboard_from_a_point_of_the_map_to_a_walk_from_it(page: Page, server: Server, witness: Witness) -> None:
    page.goto(f"{server.url}/latent?run=digits-annealed")
    settled(page)
    page.wait_for_selector(f'{CANVAS}[data-ready="1"]', timeout=EXPORT)
    surface = page.locator(SURFACE)
    surface.focus()
    while page.get_by_role("link", name="Walk from here").count() == 0:  # until the arrows come upon a point
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(90)
    page.keyboard.press("Enter")
    held = np.array(json.loads(decoded(page)["z"]))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Walk from here")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/walk?run=digits-annealed&from=*")
    walk = page.locator('[data-testid="walk"][data-ready="1"]')
    walk.wait_for(timeout=EXPORT)
    start = int(page.url.split("from=")[1].split("&")[0])
    assert cloud(Run(ASSETS / "digits-annealed")).mean[start] == pytest.approx(held, abs=1e-5)
    expect(walk.locator('[data-slot="A"]')).to_have_attribute("aria-label", re.compile(f"From A: image {start}, "))
    assert not witness.complaints


def test_the_aggregate_posterior_is_drawn_as_it_is(sheet: Page) -> None:
    mount(sheet, "digits-annealed")
    sheet.get_by_text("Prior and posterior").click()
    still(sheet)
    assert sheet.locator(".lc-density").count() == 10
    drawn = sheet.evaluate("""async () => {
        const { aggregate } = await import(new URL("/files/latent/prior.mjs", location.origin));
        return [...aggregate(window.mounted.canvas.cloud, 3, [-1, 0, 0.5, 2])];
    }""")
    seen = cloud(Run(ASSETS / "digits-annealed"))
    mean, sigma = seen.mean[:, 3].astype(float), np.exp(seen.logvar[:, 3].astype(float) / 2)
    grid = np.array([-1, 0, 0.5, 2])[:, None]
    wanted = (np.exp(-(((grid - mean) / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))).mean(1)
    assert drawn == pytest.approx(wanted, rel=5e-3)  # ln σ² comes in half precision
