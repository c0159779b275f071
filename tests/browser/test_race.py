"""A lesson on collapse in a real browser: a race, the verdict on the run that collapsed, its cure; more lanes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server, Witness, await_rows, await_state, settled
from tests.browser.paper import from_disk, hand_in, sheets
from tests.race_helpers import recorded_race
from vae_core.races import race

pytestmark = pytest.mark.browser
FIGURE = ".st-key-price-and-use .js-plotly-plot"
VERDICT = ".st-key-verdict"


def test_from_a_race_to_the_cure_of_the_run_that_collapsed(page: Page, server: Server, witness: Witness) -> None:
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
    expect(page.get_by_text("constant 1 × 1")).to_be_visible(timeout=30_000)

    page.get_by_role("link", name="Verdict on the left").click()
    expect(page.locator(VERDICT)).to_contain_text("Collapsed. The decoder ignores z")
    box = page.locator(FIGURE).bounding_box()
    assert box is not None
    assert box["y"] > 0
    assert box["y"] + box["height"] <= 768

    page.get_by_role("button", name="Start again with β rising over 1,000 steps").click()
    page.wait_for_url("**/watch?run=headline*-constant-1-s0-cured")
    await_state(page, "running")
    page.get_by_role("button", name="Full speed").click()
    await_state(page, "done")
    page.get_by_test_id("stTopNavLink").filter(has_text="Collapse").click()
    page.wait_for_url("**/collapse?run=headline*-constant-1-s0-cured")
    expect(page.locator(VERDICT)).to_contain_text("Healthy.")
    assert page.get_by_role("button", name="Start again").count() == 0
    assert not witness.complaints
    assert not witness.foreign


def test_lanes_that_join_train_as_one_model_and_a_race_is_handed_in(
    page: Page, chromium: Browser, server: Server, witness: Witness, tmp_path: Path
) -> None:
    begun = recorded_race(server.store)
    page.goto(f"{server.url}/race?race={begun.name}")
    settled(page)
    never = "These lanes have no run here: {}. “Add a schedule” runs them."
    expect(page.get_by_text(never.format("warm-up 100; warm-up 300; delayed; cyclical"))).to_be_visible(timeout=30_000)
    page.get_by_text("Add a schedule", exact=True).click()
    lanes = page.get_by_role("combobox", name="Lanes of this race")
    for lane in ("delayed", "cyclical"):
        settled(page)
        lanes.click()
        lanes.press_sequentially(lane)
        page.get_by_role("option", name=lane).click()
        expect(page.locator("[data-tag]", has_text=lane)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add these").click()
    expect(page.get_by_text("cyclical × 1")).to_be_visible(timeout=60_000)
    expect(page.get_by_text(never.format("warm-up 100; warm-up 300"))).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Stop the race")).to_have_count(0)
    joined = [run for lane, run in begun.entries() if lane in ("delayed", "cyclical")]
    assert len({run.status().pid for run in joined}) == 1

    path = hand_in(page, "Two of them.", tmp_path)
    assert path.name == f"race-{begun.name}-hand-in.html"
    with from_disk(chromium, path) as paper:
        expect(paper.locator("figure > svg")).to_have_count(2)
        expect(paper.locator("tr", has_text="cyclical, seed 0")).to_be_visible()
        expect(paper.get_by_text("These have not: warm-up 100, warm-up 300.")).to_be_visible()
        expect(paper.locator(".words")).to_have_text("Two of them.")
        expect(paper.locator("pre")).to_have_count(2)
        assert 5 <= sheets(paper) <= 6
    assert not witness.complaints
    assert not witness.foreign
