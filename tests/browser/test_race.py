"""Race in a real browser: two lanes large, the whole race after them, and the prediction held to what happened."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, Witness, await_rows, await_state, settled
from vae_core.races import heats, race

pytestmark = pytest.mark.browser


def test_the_headline_race_from_its_prediction_to_its_check(page: Page, server: Server, witness: Witness) -> None:
    page.goto(f"{server.url}/race")
    settled(page)
    expect(page.get_by_text(race("headline").prediction[:60])).to_be_visible()
    page.get_by_role("button", name="Start the race").click()
    page.wait_for_url("**/race?race=headline*")
    await_state(page, "running")
    await_rows(page, 5)
    page.get_by_role("button", name="Full speed").click()
    await_state(page, "done")
    expect(page.locator(".er-lanes")).to_have_attribute("data-count", "2")
    expect(page.get_by_text("Collapsed. The decoder ignores z").first).to_be_visible()
    expect(page.get_by_text("constant 1 × 1")).to_be_visible(timeout=30_000)

    page.get_by_text("Add a schedule").click()
    page.get_by_role("button", name="Run the whole race").click()
    expect(page.get_by_text("warm-up 750 × 5")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("held: β = 1 from the start: no code at the end, for every seed.")).to_be_visible(
        timeout=60_000
    )
    (begun,) = heats.heats(server.store)
    assert len(begun.entries()) == 30
    assert len({run.status().pid for _, run in begun.entries()}) == 2  # two lanes first, then all others as one model
    assert not witness.complaints
    assert not witness.foreign
