"""Collapse in a real browser: steps with the keyboard, the guess, and the link that asks for it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser


def test_steps_are_looked_at_one_by_one_and_a_key_ends_the_guessing(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/collapse?run=digits-annealed&step=90")
    page.get_by_role("link", name="Ask me first").click()
    page.wait_for_url("**step=90&ask=1")
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
