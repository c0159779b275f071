"""Hand in, in a real browser: from a page's menu to one file that opens without a network and prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server, Witness, opened, settled
from tests.browser.paper import from_disk, hand_in, sheets
from vae_core.captions import nats
from vae_core.python_export import python_text
from vae_core.runs import ASSETS, Run
from vae_core.verdicts import verdict

pytestmark = pytest.mark.browser
WORDS = "I expected both to learn.\n“β = 1” did not: <why>?"


@pytest.mark.parametrize(("name", "run"), [("watch", "digits-annealed"), ("collapse", "digits-collapsed")])
def test_a_run_is_handed_in_as_one_file(
    page: Page, chromium: Browser, server: Server, witness: Witness, tmp_path: Path, name: str, run: str
) -> None:
    page.goto(f"{server.url}/{name}?run={run}")
    settled(page)
    opened(page.get_by_role("button", name="Share and export"), page.get_by_role("button", name="Hand in"))
    path = hand_in(page, WORDS, tmp_path, "Ada <i>L</i>")
    assert path.name == f"{run}-hand-in.html"
    assert not witness.complaints
    assert not witness.foreign
    last = Run(ASSETS / run).rows("test")[-1]
    with from_disk(chromium, path) as paper:
        expect(paper.get_by_role("heading", level=1)).to_have_text(run)
        expect(paper.locator(".words")).to_have_text(WORDS)
        expect(paper.locator(".by")).to_have_text("Ada <i>L</i>")
        expect(paper.locator("figure > svg")).to_be_visible()
        expect(paper.locator(".pictures img")).to_have_count(2)
        expect(paper.locator(".verdict")).to_have_text([verdict(Run(ASSETS / run)).sentence] * (name == "collapse"))
        expect(paper.locator("tr", has_text="ELBO").first).to_contain_text(nats(last["elbo"]))
        expect(paper.locator("tr", has_text="Split")).to_contain_text("297 held out")
        expect(paper.locator("tr", has_text="Learning rate").last).to_contain_text("0.004")
        expect(paper.get_by_text("With seed 0, on cpu")).to_be_visible()
        assert paper.locator("pre").text_content() == python_text(Run(ASSETS / run))
        assert 3 <= sheets(paper) <= 4
