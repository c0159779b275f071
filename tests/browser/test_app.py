"""The story of the app in a real browser: train, watch, hold, go on, move β, stop."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import (
    FIGURE,
    Server,
    Witness,
    await_rows,
    await_state,
    settled,
    start_server,
    still,
    stop_server,
)
from vae_core.commands import Pause, Stop
from vae_core.presets import preset
from vae_core.runs import Run

pytestmark = pytest.mark.browser


def start_training(page: Page, server: Server) -> Run:
    """Press the button on Train and return the run that Watch then shows."""
    page.goto(f"{server.url}/train")
    settled(page)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/watch?run=*")
    return server.store[page.url.split("run=")[1]]


def until(condition, seconds: float = 20.0) -> None:
    """Wait for something on disk."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_train_watch_pause_resume_stop(page: Page, server: Server, witness: Witness) -> None:
    run = start_training(page, server)
    await_rows(page)
    await_state(page, "running")
    page.get_by_role("button", name="Pause", exact=True).click()
    await_state(page, "paused")
    assert run.state == "paused"
    held = run.status().step
    page.wait_for_timeout(1200)
    assert run.status().step == held

    page.get_by_role("button", name="Resume", exact=True).click()
    await_state(page, "running")
    until(lambda: run.status().step > held)

    page.get_by_role("button", name="Stop", exact=True).click()
    await_state(page, "stopped")
    assert run.checkpoints()
    assert not witness.complaints
    assert not witness.foreign


def test_beta_moved_while_it_runs_changes_the_curve(page: Page, server: Server) -> None:
    run = start_training(page, server)
    await_rows(page, 20)
    thumb = page.get_by_role("slider", name="β from now on")
    thumb.focus()
    thumb.press("Home")  # β = 0 from now on
    until(lambda: bool(run.journal()))
    since = run.journal()[0]["step"]
    page.get_by_role("button", name="Full speed").click()
    await_state(page, "done")
    rows = [row for row in run.rows("train") if row["step"] >= since]
    assert rows
    assert all(row["beta"] == 0 for row in rows)
    assert run.rows("test")[-1]["kl"] > 8  # with β = 0 nothing holds the code back; the plan would end below 4
    assert "β = 0" in (page.locator(FIGURE).text_content() or "")


def test_a_deep_link_on_a_cold_server_opens_the_run_and_fits_the_screen(
    page: Page, tmp_path: Path, witness: Witness
) -> None:
    server = start_server(tmp_path / "runs")
    try:
        run = server.store.create(preset("digits-collapsed").config, "cold")
        page.goto(f"{server.url}/watch?run=cold")  # the first request this server ever sees
        await_state(page, "done")
        await_rows(page, 150)
        box = page.locator(FIGURE).bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 768
        assert run.rows("test")[-1]["active_units"] == 0
        expect(page.locator(FIGURE)).to_contain_text("Collapsed")
        assert not witness.complaints
        assert not witness.foreign
    finally:
        stop_server(server)


def test_polling_stops_when_the_run_ends_and_while_the_tab_is_hidden(
    page: Page, server: Server, witness: Witness
) -> None:
    run = start_training(page, server)
    await_rows(page, 5)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(1000)
    witness.polls.clear()
    page.wait_for_timeout(1500)
    assert not witness.polls
    with page.expect_request("**/rows?*"):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    run.post(Stop())
    await_state(page, "stopped")
    while time.monotonic() - witness.polls[-1] < 1.5:  # it looks once more for last rows
        page.wait_for_timeout(100)
    witness.polls.clear()
    page.wait_for_timeout(4500)
    assert len(witness.polls) <= 2  # it may be resumed by somebody else
    page.goto(f"{server.url}/watch?run=digits-annealed")
    await_state(page, "done")
    page.wait_for_timeout(1500)
    witness.polls.clear()
    page.wait_for_timeout(2000)
    assert not witness.polls


def test_a_run_that_is_resumed_is_followed_again_here_and_elsewhere(
    page: Page, profile: BrowserContext, server: Server
) -> None:
    run = start_training(page, server)
    await_rows(page, 5)
    page.get_by_role("button", name="Stop", exact=True).click()
    await_state(page, "stopped")
    other = profile.new_page()
    other.goto(f"{server.url}/watch?run={run.name}")
    await_state(other, "stopped")
    before = await_rows(other)
    page.get_by_role("button", name="Resume", exact=True).click()
    for one in (page, other):
        await_state(one, "running", "done")
        await_rows(one, before + 10)
    run.post(Stop())


def test_a_refresh_and_a_closed_tab_leave_the_training_alone(page: Page, server: Server) -> None:
    run = start_training(page, server)
    seen = await_rows(page, 10)
    page.reload()
    assert await_rows(page, seen) >= seen
    page.goto("about:blank")
    step = run.status().step
    until(lambda: run.status().step > step)
    run.post(Stop())


def test_markup_in_a_title_stays_text(page: Page, server: Server, witness: Witness) -> None:
    config = preset("digits-annealed").config.model_copy(update={"steps": 60})
    run = server.store.create(type(config).model_validate(config.model_dump()), "hostile")
    evil = '<img src="http://evil.example/a.png" onerror="window.hit=1">![x](http://evil.example/b.png) :red[x] $x$'
    (run.path / "label.json").write_text(json.dumps({"title": evil}))
    for path in ("/", "/watch?run=hostile"):
        page.goto(server.url + path)
        settled(page)
        still(page)
    assert not witness.foreign
    assert page.evaluate("window.hit") is None
    expect(page.get_by_text("evil.example").first).to_be_visible()


@pytest.mark.parametrize("path", ["/watch?run=nope", "/watch?run=../../etc/passwd", "/watch?run=%00"])
def test_an_unknown_run_is_one_sentence_and_a_way_on(page: Page, server: Server, path: str) -> None:
    page.goto(server.url + path)
    settled(page)
    alert = page.get_by_role("alert")
    expect(alert).to_have_count(1)
    assert "Traceback" not in (page.content())
    expect(page.get_by_role("link", name="Train a VAE")).to_be_visible()


@pytest.mark.parametrize("width", [800, 1360])
@pytest.mark.parametrize("path", ["/", "/train", "/watch"])
def test_no_page_scrolls_sideways(page: Page, server: Server, width: int, path: str) -> None:
    page.set_viewport_size({"width": width, "height": 768})
    page.goto(server.url + path)
    settled(page)
    still(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_an_example_is_a_link(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/train?preset=digits-z2")
    settled(page)
    still(page)  # a page that is drawn once more closes what was opened
    expect(page.get_by_text("Two latents, both in use: every digit")).to_be_visible()
    page.get_by_role("combobox").first.click()
    page.get_by_text("(digits-noise)").click()
    expect(page.get_by_text("no schedule can make the code worth its price")).to_be_visible()
    page.wait_for_url("**/train?preset=digits-noise")


def test_beta_ahead_of_now_is_dragged_in_its_strip(page: Page, server: Server) -> None:
    run = server.store.create(preset("digits-annealed").config, "dragged", pace=60.0)
    until(lambda: len(run.rows()) >= 60, 60.0)
    run.post(Pause())  # however long the page takes, now stays where it is, and with it the knob
    page.goto(f"{server.url}/watch?run=dragged")
    await_state(page, "paused")
    await_rows(page, 60)
    still(page)
    knob = page.locator(".er-knob").bounding_box()
    assert knob is not None
    middle = (knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2)
    page.mouse.move(middle[0] - 1, middle[1])
    page.mouse.down()
    page.mouse.move(middle[0], middle[1] - 26, steps=5)
    expect(page.locator("text.er-beta")).to_contain_text("β to")
    page.mouse.up()
    until(lambda: bool(run.journal()))
    (start, _), (step, beta) = run.journal()[0]["schedule"]["points"]
    assert start < step
    assert 0.5 < beta < 1
    page.get_by_role("button", name="Resume", exact=True).click()
    await_state(page, "running")
    page.get_by_role("button", name="Full speed").click()
    await_state(page, "done")
    last = run.rows("train")[-1]
    assert last["beta"] == pytest.approx(beta)


def test_nobody_drags_the_beta_of_a_run_that_has_ended(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/watch?run=digits-annealed")
    await_rows(page, 150)
    expect(page.locator(".er-knob")).to_be_hidden()


def await_shown(page: Page, what: str) -> None:
    """Wait until the step that the figure shows is as said: "< 1000"."""
    page.wait_for_function(f"Number(document.querySelector('{FIGURE}').dataset.shown ?? NaN) {what}")


def test_home_replays_the_shipped_pair_once_and_rests(page: Page, server: Server, witness: Witness) -> None:
    page.clock.install()
    page.goto(server.url)
    settled(page)
    figure = page.locator(FIGURE)
    await_rows(page, 150)
    expect(figure.locator(".er-lane")).to_have_count(2)
    await_shown(page, "< 1000")
    page.clock.fast_forward(30_000)
    await_shown(page, "=== 1500")
    expect(figure).to_contain_text("0 of 10")
    page.clock.fast_forward(30_000)
    still(page)
    assert figure.get_attribute("data-shown") == "1500"
    assert not witness.complaints


def test_a_recorded_run_is_replayed_on_watch_with_scrubber_and_space(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/watch?run=digits-annealed")
    await_rows(page, 150)
    figure, scrubber = page.locator(FIGURE), page.get_by_role("slider", name="Step shown")
    scrubber.focus()
    page.keyboard.press("Home")
    await_shown(page, "=== 0")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    await_shown(page, "=== 3")
    page.keyboard.press(" ")
    await_shown(page, "> 3")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    still(page)
    held = figure.get_attribute("data-shown")
    assert held != "1500"
    page.wait_for_timeout(700)
    assert figure.get_attribute("data-shown") == held
    caption = figure.locator(".er-caption").text_content()
    page.keyboard.press("End")
    await_shown(page, "=== 1500")
    assert figure.locator(".er-caption").text_content() != caption
