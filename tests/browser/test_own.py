"""An own model in a real browser: through the form on Home to the map, the walk and its dimensions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import EXPORT, Server, Witness, opened, settled, still
from tests.opening_helpers import Own

pytestmark = pytest.mark.browser
CANVAS, WALK = '[data-testid="latent-canvas"]', '[data-testid="walk"]'
PAINTED = """
() => {
  const canvas = document.querySelector('[data-testid="decoded"]');
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.dataset.z, [...data].filter((_, index) => index % 4 < 3)];
}
"""


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """A model of small colour images with five latents."""
    return Own.make(tmp_path / "own", shape=(3, 16, 16), latent=5, count=120)


def test_from_the_form_to_the_map_and_the_walk(page: Page, server: Server, witness: Witness, own: Own) -> None:
    page.goto(server.url)
    settled(page)
    still(page)
    dialog = opened(page.get_by_role("button", name="Open your own model"), page.get_by_role("dialog"))
    for label, path in (
        ("Codes (.npz)", own.latents()),
        ("Decoder (.onnx)", own.decoder("nhwc")),
        ("Images (.npy or .zip)", own.npy()),
    ):
        dialog.get_by_test_id("stFileUploader").filter(has_text=label).locator("input").set_input_files(path)
        expect(dialog.get_by_text(path.name)).to_be_visible()
    dialog.get_by_label("Name").fill("my-own")
    dialog.get_by_label("Name").press("Tab")
    settled(page)
    dialog.get_by_role("button", name="Open the model").click()

    page.wait_for_url("**/latent?run=my-own**", timeout=EXPORT)
    page.wait_for_selector(f'{CANVAS}[data-ready="1"]', timeout=EXPORT)
    expect(page.get_by_text("in this browser")).to_be_visible()
    around = page.locator('[data-testid="latent-surface"]').bounding_box()
    assert around is not None
    page.mouse.move(around["x"] + 200, around["y"] + 150)
    page.mouse.move(around["x"] + 260, around["y"] + 190)
    still(page)
    z, painted = page.evaluate(PAINTED)
    wanted = own.decode(np.array([json.loads(z)]))[0].transpose(1, 2, 0)  # colours are as they are in both themes
    assert np.abs(np.array(painted) - 255 * wanted.flatten()).max() <= 1.01
    page.get_by_text("How its files were read").click()
    expect(page.get_by_text("The decoder is read as nhwc in 0:1")).to_be_visible()

    page.goto(f"{server.url}/walk?run=my-own&from=3&to=100")
    page.wait_for_selector(f'{WALK}[data-ready="1"]', timeout=EXPORT)
    page.get_by_role("tab", name="One dimension at a time").click()
    expect(page.locator(".wk-dimensions")).to_have_attribute("data-rows", "5")
    assert not witness.complaints
    assert not witness.foreign
