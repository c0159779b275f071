"""Which bound a run trains stands under its equation, in a real browser, wherever the figure is."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import await_rows
from tests.run_helpers import tiny
from vae_core.objectives import Iwae
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.training import train
from vae_core.viewer import to_html

pytestmark = pytest.mark.browser
PLAIN = Run(ASSETS / "digits-collapsed")
SENTENCE = "Trains the importance-weighted bound, K = 3"


def test_a_run_of_another_bound_says_so_and_a_plain_one_does_not(page: Page, tmp_path: Path) -> None:
    other = RunStore(tmp_path).create(tiny(objective=Iwae(samples=3), steps=200, log_every=1), "other")
    train(str(other.path))
    page.set_viewport_size({"width": 1920, "height": 1080})
    bound = page.locator(".er-bound")
    for runs, says in (
        ([PLAIN, other], ["", f"{SENTENCE}."]),
        ([other], [f"{SENTENCE}; the curves show the ELBO at β = 1."]),
        ([PLAIN], [""]),
    ):
        to_html(runs, tmp_path / "page.html")
        page.goto((tmp_path / "page.html").as_uri())
        await_rows(page, 150)
        expect(bound).to_have_text(says)
        expect(bound.last).to_be_visible(visible=bool(says[-1]))
        size = bound.last.evaluate("line => parseFloat(getComputedStyle(line).fontSize)")
        assert size >= 27.99  # as every text at the end of a hall
        tops = {round(box["y"]) for panels in page.locator(".er-panels").all() if (box := panels.bounding_box())}
        assert len(tops) == 1  # the panels of two runs stand side by side
