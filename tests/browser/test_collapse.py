"""From a collapsed run to its cure in a real browser: the verdict, the button, a training, and the verdict again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, Witness, await_state, settled
from vae_core.runs import ASSETS, Run
from vae_core.verdicts import verdict

pytestmark = pytest.mark.browser
FIGURE = ".st-key-price-and-use .js-plotly-plot"


def test_a_collapsed_run_is_cured_by_one_button(page: Page, server: Server, witness: Witness) -> None:
    page.goto(f"{server.url}/collapse?run=digits-collapsed")
    settled(page)
    expect(page.locator(".st-key-verdict")).to_contain_text("Collapsed. The decoder ignores z")
    box = page.locator(FIGURE).bounding_box()
    assert box is not None
    assert box["y"] > 0
    assert box["y"] + box["height"] <= 768

    page.get_by_role("button", name="Start again with β rising over 1,000 steps").click()
    page.wait_for_url("**/watch?run=digits-collapsed-cured")
    run = server.store["digits-collapsed-cured"]
    assert run.config == verdict(Run(ASSETS / "digits-collapsed")).cure
    await_state(page, "running")
    page.get_by_role("button", name="Full speed").click()
    await_state(page, "done")

    page.goto(f"{server.url}/collapse?run=digits-collapsed-cured")
    expect(page.locator(".st-key-verdict")).to_contain_text("Healthy.")
    assert page.get_by_role("button", name="Start again").count() == 0
    assert not witness.complaints
    assert not witness.foreign


def test_steps_are_looked_at_one_by_one_and_a_key_ends_the_guessing(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/collapse?run=digits-annealed&step=90&ask=1")
    page.get_by_text("After step 90 of 1,500").wait_for()
    expect(page.locator(".st-key-verdict")).to_have_count(0)
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("After step 139 of 1,500").wait_for()
    page.wait_for_url("**step=139**")
    page.get_by_role("radio", name="Cannot tell yet").click()
    page.keyboard.press("v")
    expect(page.locator(".st-key-verdict")).to_contain_text("Too early.")
    expect(page.get_by_text("You said: “Cannot tell yet”. The evidence agrees.")).to_be_visible()
