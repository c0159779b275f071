"""The page of gradients, without a browser: its sections, their links, and what its routes tell of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.requests import Request
from starlette.responses import Response

from tests.opening_helpers import Own
from tests.page_helpers import html, links, open_page
from tests.run_helpers import finish, tiny
from tests.test_once import MANY, together
from ui import gradient_routes
from ui.answers import told
from ui.contents import entry, siblings
from ui.gradients import SECTIONS
from ui.host import ROOT
from ui.lecture import Section
from vae_core.diagnostics import prepare_once
from vae_core.gradients import affordable, decoder_gradient, encoder_gradient
from vae_core.opening.door import Files, open_model
from vae_core.runs import RunStore

VIEWS = ROOT / "ui" / "static" / "lecture"
sections = pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store, through which the shipped runs show."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    return RunStore(tmp_path / "runs")


def asked(route: Callable[[Request], Response], run: str, query: str = "") -> tuple[int, dict[str, Any]]:
    """What a route answers, as JSON."""
    scope = {"type": "http", "path_params": {"run": run}, "query_string": query.encode(), "headers": []}
    response = told(route)(Request(scope))
    return response.status_code, json.loads(bytes(response.body))


def test_the_gradients_stand_beside_ln_p() -> None:
    assert [page.name for page in siblings("gradients")] == ["evidence", "gradients"]
    app = open_page("gradients")
    assert not app.exception
    assert entry("gradients").purpose in html(app)
    assert app.query_params["section"] in (SECTIONS[0].name, [SECTIONS[0].name])
    assert links(app)["How far is the bound from the truth?"][0] == "evidence"
    for section in SECTIONS[1:]:
        assert links(app)[section.title] == ("gradients", f"section={section.name}")


@sections
def test_every_section_opens_with_its_equation_and_question(section: Section) -> None:
    app = open_page("gradients", section=section.name)
    assert not app.exception
    assert [element.value.strip("$\n ") for element in app.latex] == [section.equation.strip()]
    words = [element.value for element in app.markdown]
    assert section.text in words
    assert f"**{section.question}**" in words
    assert section.answer not in words


@sections
def test_every_section_has_a_view_and_one_right_choice(section: Section) -> None:
    assert f"export const {section.mount} = " in (VIEWS / f"{section.name}.mjs").read_text("utf-8")
    assert 0 <= section.right < len(section.choices) == len(set(section.choices))


def test_a_section_about_a_run_keeps_it() -> None:
    app = open_page("gradients", section="encoder", run="digits-annealed")
    assert links(app)["A decoder"] == ("gradients", "section=decoder&run=digits-annealed")
    assert "digits-annealed" in html(app)


def test_the_encoder_s_route_tells_what_the_core_measures() -> None:
    _, answer = asked(gradient_routes.encoder, "digits-annealed", "seed=3")
    run = RunStore.default()["digits-annealed"]
    step, vae = run.model()
    x = prepare_once(vae, run.config.dataset.load()[1].images[:1000])[:64]
    found = encoder_gradient(vae, x, affordable(vae, 64, 200, 1000), generator=torch.Generator().manual_seed(3))
    assert (answer["step"], answer["images"], answer["codes"], answer["parameters"]) == (
        step,
        64,
        1000,
        found.parameters,
    )
    assert answer["norm"] == pytest.approx(found.norm, rel=1e-4)
    for row in answer["rows"]:
        same = found.row(row["estimator"], row["samples"])
        assert row["variance"] == pytest.approx(same.variance, rel=1e-3)
        assert row["bias"] == (None if same.bias is None else pytest.approx(same.bias, rel=1e-3))
        assert len(row["along"]) == row["repeats"] == same.repeats
        assert row["downhill"] == pytest.approx(sum(share < 0 for share in row["along"]) / row["repeats"], abs=0.011)


def test_the_decoder_s_route_tells_what_the_core_measures() -> None:
    _, answer = asked(gradient_routes.decoder, "digits-z2")
    run = RunStore.default()["digits-z2"]
    vae = run.model()[1]
    x = prepare_once(vae, run.config.dataset.load()[1].images[:1000])[:64]
    found = decoder_gradient(vae, x, 400, torch.Generator().manual_seed(1))
    assert answer["draws"] == 400
    assert answer["samples"] == list(found.samples)
    assert answer["variance"] == pytest.approx(found.variance, rel=1e-3)


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_class_that_opens_a_section_measures_it_once(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    calls: list[Any] = []
    measure = getattr(gradient_routes, f"{name}_gradient")
    monkeypatch.setattr(gradient_routes, f"{name}_gradient", lambda *a, **k: calls.append(a) or measure(*a, **k))
    run = store.create(tiny())
    assert finish(run) == 0
    found = together(lambda: asked(getattr(gradient_routes, name), run.name))
    assert found == [found[0]] * MANY
    assert found[0][1]["step"] == 120
    assert len(calls) == 1


@pytest.mark.parametrize("route", [gradient_routes.encoder, gradient_routes.decoder])
def test_what_cannot_be_measured_is_one_sentence(
    store: RunStore, tmp_path: Path, route: Callable[[Request], Response]
) -> None:
    own = Own.make(tmp_path)
    opened = open_model(Files(own.latents()), store)
    cases = [("nothing-like-it", "", "nothing-like-it"), (opened.name, "", "opened")]
    cases += [("digits-z2", f"seed={seed}", "no such seed") for seed in ("-1", "100", "1e9", "")]
    for name, query, reason in cases:
        status, answer = asked(route, name, query)
        assert status == 404
        assert reason in answer["error"]
        assert "\n" not in answer["error"]
