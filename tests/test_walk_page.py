"""The page of the walk, without a browser: its frame, its links, and what it hands to the component."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_helpers import html, links, open_page
from ui.contents import entry, siblings


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store, through which the shipped runs show."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))


def test_the_walk_stands_beside_the_map() -> None:
    assert [page.name for page in siblings("walk")][:2] == ["latent", "walk"]
    app = open_page("walk", run="digits-annealed")
    assert not app.exception
    assert entry("walk").purpose in html(app)
    assert links(app)["Map"] == ("latent", "run=digits-annealed")
    assert links(app)["Touch the whole map"] == ("latent", "run=digits-annealed")


def test_the_component_is_given_the_run_and_what_the_address_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, object]] = []
    monkeypatch.setattr("ui.walk._component", lambda: lambda **arguments: given.append(arguments))
    app = open_page("walk", run="digits-z2")
    app.query_params["from"] = "3"
    app.query_params["kind"] = "spherical"
    app.query_params["other"] = "x"
    app.run()
    assert given[-1]["data"] == {"base": "/api/runs/digits-z2", "query": {"from": "3", "kind": "spherical"}}


def test_an_unknown_run_is_one_sentence() -> None:
    app = open_page("walk", run="nothing-like-it")
    assert not app.exception
    assert len(app.error) == 1
