"""The views of gradients at the ends of their sliders, without a gradient, and while they wait."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Witness
from tests.browser.lecture_views import MOUNT, drag, mount, placed, tuned

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", ["reparametrise", "kl"])
def test_sigma_dragged_past_mu_stays_at_its_least(sheet: Page, name: str) -> None:
    view = mount(sheet, name, mu="1", sigma="0.5")
    drag(sheet, view.locator(".lx-handle").nth(1), -160)
    least = {"reparametrise": "0.100", "kl": "0.050"}[name]
    expect(view).to_have_attribute("data-sigma", least)
    tops = [placed(handle)["y"] for handle in view.locator(".lx-handle").all()]
    assert abs(tops[0] - tops[1]) > 20


def test_a_point_beyond_the_plane_is_fetched_back(sheet: Page) -> None:
    view = mount(sheet, "jacobian", map="bent", s1="1.6", s2="1.6", shear="1", bend="1", at="3,3")
    expect(view.locator(".lx-said")).to_contain_text("d = 345,844 here")
    drag(sheet, view.locator(".lx-handle").nth(1), -100, 100)
    expect(view).not_to_have_attribute("data-at", "3.000,3.000")
    tuned(view, "ε1", -3)
    tuned(view, "ε2", -3)
    expect(view).to_have_attribute("data-at", "-3.000,-3.000")
    handle, words = (placed(view.locator(name).first) for name in (".lx-handle", "text:text('square')"))
    assert words["x"] > handle["x"] + 40


def test_without_a_gradient_all_is_noise(sheet: Page, witness: Witness) -> None:
    view = mount(sheet, "estimators", mu="0", show="snr")
    expect(view.locator("svg.lx-drawing")).to_contain_text("the gradient is 0 here: all is noise")
    tuned(view, "μ", 0.01)
    expect(view.locator("svg.lx-drawing")).not_to_contain_text("all is noise")
    view = mount(sheet, "estimators", mu="0.0001", show="snr")
    expect(view.locator("svg tspan")).not_to_have_count(0)
    assert not witness.complaints


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_what_is_awaited_has_its_room_and_says_so_though_asked_first(sheet: Page, name: str) -> None:
    sheet.route("**/gradients/*", lambda route: None)
    sheet.evaluate(MOUNT, [name, {"base": "/api/runs/digits-z2"}])
    sheet.evaluate("window.mounted.update({ ask: true })")
    view = sheet.locator(f'[data-testid="lecture-{name}"][data-ready="1"]')
    expect(view.locator(".lx-note")).to_be_visible()
    expect(view.locator(".lx-note")).to_contain_text("Drawing codes")
    expect(view.locator("svg.lx-drawing")).to_have_attribute("height", {"encoder": "384", "decoder": "380"}[name])
