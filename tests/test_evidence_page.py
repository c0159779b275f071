"""The page of ln p(x), without a browser: its sections, its questions, and what its routes answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.requests import Request
from starlette.responses import Response

from tests.opening_helpers import Own
from tests.page_helpers import button, html, links, open_page, said
from tests.run_helpers import copied, finish, tiny
from tests.test_once import MANY, together
from ui import evidence, evidence_routes, maps
from ui.answers import told
from vae_core import slow_checks
from vae_core.evaluation import evaluate
from vae_core.evidence import Gaps, annealed_evidence, gaps, importance_weights, moved, prior
from vae_core.latents import cache
from vae_core.opening.door import Files, open_model
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.training import train

ANNEALED = Run(ASSETS / "digits-annealed")
SECTIONS = [section.name for section in evidence.SECTIONS]
Answer = tuple[int, dict[str, Any]]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store, through which the shipped runs show."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    return RunStore(tmp_path / "runs")


def request(run: str, **query: str) -> Request:
    """A request of a view about a run."""
    text = "&".join(f"{key}={value}" for key, value in query.items())
    return Request({"type": "http", "path_params": {"run": run}, "query_string": text.encode(), "headers": []})


def asked(route: Callable[[Request], Response], run: str, **query: str) -> Answer:
    """What a route answers, as JSON."""
    response = told(route)(request(run, **query))
    return response.status_code, json.loads(bytes(response.body))


@pytest.fixture(scope="module")
def seen() -> evidence_routes.Seen:
    """The model and the images of the shipped run."""
    return evidence_routes.seen_images(ANNEALED)


@pytest.fixture(scope="module")
def core(seen: evidence_routes.Seen) -> Gaps:
    """The gaps of the second image, by the core."""
    return gaps(seen.vae, seen.x[1:2], evidence_routes.SAMPLES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of one's own."""
    run = RunStore(tmp_path_factory.mktemp("trained")).create(tiny())
    assert finish(run) == 0
    return run


def goes_on(run: Run, step: int) -> None:
    """As if a run had trained on to that step."""
    newest = run.checkpoints()[-1]
    for suffix in ("", ".sha256"):
        shutil.copy(f"{newest}{suffix}", newest.with_name(f"ckpt-{step:08d}.safetensors{suffix}"))


# The page


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_its_equation_its_question_and_the_ways_to_the_others(name: str) -> None:
    app = open_page("evidence", run="digits-annealed", section=name)
    (here,) = [section for section in evidence.SECTIONS if section.name == name]
    assert not app.exception
    assert not app.error
    assert app.latex[0].value.strip("$\n ") == here.equation
    assert any(here.question in element.value for element in app.markdown)
    for section in evidence.SECTIONS:
        if section is not here:
            assert links(app)[section.title] == ("evidence", f"section={section.name}&run=digits-annealed")
    assert f'aria-current="true">{here.title}<' in html(app)


@pytest.mark.parametrize("section", evidence.SECTIONS, ids=SECTIONS)
def test_an_answer_is_told_whether_the_numbers_agree(section: evidence.Section) -> None:
    for place, choice in enumerate(section.choices):
        app = open_page("evidence", run="digits-annealed", section=section.name)
        app.button_group(key=f"choice-{section.name}").select(choice).run()
        answer = app.markdown[-1].value
        assert answer.endswith(section.answer)
        assert ("check_circle" in answer) == (place == section.right)


def test_asked_first_the_view_keeps_its_conclusions_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr("ui.lecture._component", lambda here: lambda **arguments: given.append(arguments["data"]))
    app = open_page("evidence", section="bayes", ask="1")
    section = evidence.SECTIONS[SECTIONS.index("bayes")]
    assert given[-1]["ask"]
    assert not any(section.answer in element.value for element in app.markdown)
    app.button_group(key="answer-bayes").select(section.choices[0]).run()
    button(app, "Show the answer").click().run()
    assert not given[-1]["ask"]
    assert any("Not so." in element.value and section.answer in element.value for element in app.markdown)


def test_the_view_is_given_what_the_address_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr("ui.lecture._component", lambda here: lambda **arguments: given.append(arguments["data"]))
    open_page("evidence", run="digits-z2", section="identity", model="run", q="0,1,0.5,0.5", other="x")
    assert given[-1]["query"] == {"run": "digits-z2", "model": "run", "q": "0,1,0.5,0.5"}
    assert given[-1]["base"] == "/api/runs/digits-z2"
    assert given[-1]["data"]["tiles"]["url"].startswith("/api/runs/digits-z2/tiles/test/")


def test_an_unknown_section_is_the_first_and_an_unknown_run_one_sentence() -> None:
    assert f'aria-current="true">{evidence.SECTIONS[0].title}<' in html(open_page("evidence", section="nothing"))
    app = open_page("evidence", section="gaps", run="nothing-like-it")
    assert not app.exception
    assert len(app.error) == 1


def test_the_whole_run_is_measured_as_the_command_measures_it() -> None:
    app = open_page("evidence", section="gaps", run="digits-annealed")
    button(app, "Measure").click().run()
    assert not app.exception
    found = evaluate(ANNEALED.model()[1], ANNEALED.config.dataset.load()[1], samples=100, images=50)
    assert f"{found['nll']:.2f} ± {found['nll_standard_error']:.2f}" in html(app)
    assert f"{-found['elbo']:.2f}" in html(app)
    assert "errs low" in said(app)


def test_a_run_that_trains_on_is_not_measured_again_unasked(
    store: RunStore, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(evidence, "evaluate", lambda *given: calls.append(1) or evaluate(*given))
    run = copied(trained, store.root.parent)
    app = open_page("evidence", section="gaps", run=run.name)
    button(app, "Measure").click().run()
    assert "50 images<" in html(app)
    goes_on(run, 140)
    app.run()
    assert "50 images, step 120<" in html(app)
    assert len(calls) == 1
    button(app, "Measure").click().run()
    assert "50 images<" in html(app)
    assert len(calls) == 2
    assert not app.exception


def test_an_opened_model_has_no_gaps_and_says_so(store: RunStore, tmp_path: Path) -> None:
    own = Own.make(tmp_path / "own")
    open_model(Files(latents=own.latents()), store, "mine")
    app = open_page("evidence", section="gaps", run="mine")
    assert not app.exception
    status, found = asked(evidence_routes.image, "mine", image="0")
    assert status == 404
    assert "opened" in found["error"]


# The routes


def test_an_image_comes_with_its_gaps_as_the_core_has_them(seen: evidence_routes.Seen, core: Gaps) -> None:
    status, found = asked(evidence_routes.image, "digits-annealed", image="1")
    assert status == 200
    assert found["gaps"]["total"] == pytest.approx(float(core.total), abs=1e-5)
    assert found["gaps"]["elbo"] <= found["gaps"]["best_elbo"] <= found["gaps"]["log_evidence"]
    assert found["x"] == seen.x[1].flatten().tolist()
    with torch.no_grad():
        q = seen.vae.encode(seen.x[1:2])
    assert found["q"]["mean"] == pytest.approx(q.mean[0].tolist())
    assert found["shown"] == sorted(q.kl()[0].topk(2).indices.tolist())
    bounds = found["iwae"]["values"]
    assert bounds[0] == pytest.approx(found["gaps"]["elbo"], abs=0.1)
    assert bounds[-1] > bounds[0]


@pytest.mark.parametrize("image", ["-1", "x", "100000000", "297", ""])
def test_an_image_that_is_not_there_is_one_sentence(image: str) -> None:
    status, found = asked(evidence_routes.image, "digits-annealed", image=image)
    assert status == 404
    assert "no such test image" in found["error"]


def test_grey_values_under_a_bernoulli_have_no_evidence(store: RunStore) -> None:
    config = ANNEALED.config
    grey = config.model_copy(
        update={"likelihood": config.likelihood.model_copy(update={"binarise": "never"}), "steps": 20}
    )
    train(str(store.create(grey, "grey").path))
    status, found = asked(evidence_routes.image, "grey", image="0")
    assert status == 404
    assert "no ln p(x)" in found["error"]


@pytest.mark.parametrize("name", evidence_routes.PROPOSALS)
def test_weights_are_those_of_the_core_under_the_proposal_that_is_asked_for(
    seen: evidence_routes.Seen, core: Gaps, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_routes, "LONG", 0.0)
    response = told(evidence_routes.weights)(request("digits-annealed", image="1", proposal=name, seed="4"))
    facts = json.loads(response.headers["X-Facts"])
    rows = torch.from_numpy(np.frombuffer(bytes(response.body), "<f4").copy()).view(facts["repeats"], -1)
    assert rows.shape == (1, evidence_routes.STREAM)
    with torch.no_grad():
        q = seen.vae.encode(seen.x[1:2])
    proposal = {"prior": prior(q), "q": q, "optimised": core.best, "narrow": moved(core.best, scale=0.6)}[name]
    generator = torch.Generator().manual_seed(4)
    for row in rows:
        expected = importance_weights(seen.vae, seen.x[1:2], evidence_routes.STREAM, generator, proposal)[:, 0]
        torch.testing.assert_close(row, expected, atol=1e-3, rtol=1e-4)
    assert facts["truth"] == pytest.approx(float(core.log_evidence), abs=1e-4)
    assert facts["error"] == pytest.approx(float(core.log_evidence_error), abs=1e-4)


def test_weights_are_drawn_while_there_is_time_and_kept_for_who_asks_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_routes, "MOST", 3)
    monkeypatch.setattr(evidence_routes, "LONG", 1e9)
    first, second = (evidence_routes.weights(request("digits-annealed", image="1", seed="7")) for _ in range(2))
    assert json.loads(first.headers["X-Facts"])["repeats"] == 3
    assert first.body == second.body


def test_a_proposal_that_is_none_is_one_sentence() -> None:
    status, found = asked(evidence_routes.weights, "digits-annealed", proposal="mine")
    assert status == 404
    assert "prior, q, optimised, narrow" in found["error"]


def test_codes_are_answered_with_ln_p_of_x_given_z(seen: evidence_routes.Seen) -> None:
    codes = torch.randn(7, seen.vae.latent, generator=torch.Generator().manual_seed(1))
    response = evidence_routes.likelihood(request("digits-annealed", image="2"), codes.numpy().tobytes())
    with torch.no_grad():
        core = seen.vae.likelihood.log_prob(seen.vae.decode(codes), seen.x[2:3].expand(7, -1, -1, -1))
    np.testing.assert_allclose(np.frombuffer(bytes(response.body), "<f4"), core.numpy(), atol=1e-4)


def test_annealing_is_told_beside_importance_sampling_of_the_same_images(
    seen: evidence_routes.Seen, core: Gaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, found = asked(evidence_routes.annealing, "digits-annealed")
    assert (status, found["state"], found["step"]) == (200, "absent", seen.step)
    made = annealed_evidence(seen.vae, seen.x[:2], 20, 8, torch.Generator().manual_seed(1))
    monkeypatch.setattr(slow_checks, "progress", lambda run, step: {"state": "ready", "share": 1.0, "message": ""})
    monkeypatch.setattr(slow_checks, "ready", lambda run, step: made)
    _, found = asked(evidence_routes.annealing, "digits-annealed")
    assert (found["state"], found["step"]) == ("ready", seen.step)
    assert found["annealed"] == pytest.approx(made.log_evidence.tolist())
    assert found["importance"][1] == pytest.approx(float(core.log_evidence), abs=1e-4)
    assert found["difference"] == pytest.approx(np.mean(np.subtract(found["annealed"], found["importance"])), abs=1e-4)


def test_annealing_stays_with_the_weights_that_it_began_with(
    store: RunStore, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("IMAGES", 2), ("TEMPERATURES", 5), ("CHAINS", 3)):
        monkeypatch.setattr(slow_checks, name, value)
    monkeypatch.setattr(slow_checks, "start", slow_checks.prepare)  # in this process
    run = copied(trained, store.root.parent)
    _, begun = asked(evidence_routes.annealing, run.name, start="1")
    assert begun == evidence_routes.WORKING | {"step": 120}
    goes_on(run, 140)
    _, other = asked(evidence_routes.annealing, run.name)
    assert (other["state"], other["step"]) == ("absent", 140)
    _, found = asked(evidence_routes.annealing, run.name, step="120")
    assert (found["state"], found["step"], found["images"]) == ("ready", 120, [0, 1])
    vae, x = evidence_routes.seen_images(run, 120).vae, evidence_routes.seen_images(run).x
    sampled = gaps(vae, x[:1], evidence_routes.SAMPLES).log_evidence
    assert found["importance"][0] == pytest.approx(float(sampled), abs=1e-4)
    for path in cache.folder(run).glob("annealed-*"):
        path.write_bytes(b"damaged")
    _, found = asked(evidence_routes.annealing, run.name, step="120")
    assert (found["state"], found["step"]) == ("absent", 120)


def test_while_a_run_trains_annealing_begins_with_weights_that_stay(
    store: RunStore, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    monkeypatch.setattr(slow_checks, "start", lambda run, step: started.append(step))
    run = copied(trained, store.root.parent)
    goes_on(run, 140)
    monkeypatch.setattr(Run, "state", "running")
    _, begun = asked(evidence_routes.annealing, run.name, start="1")
    assert begun["step"] == max(run.snapshots()) == 120
    assert started == [120]


@pytest.mark.parametrize("route", [evidence_routes.annealing, evidence_routes.image, evidence_routes.weights])
@pytest.mark.parametrize(("step", "reason"), [("x", "no such step"), ("1e3", "no such step"), ("61", "step 61")])
def test_weights_that_are_not_there_are_one_sentence(
    store: RunStore, trained: Run, route: Callable[[Request], Response], step: str, reason: str
) -> None:
    run = copied(trained, store.root.parent)
    status, found = asked(route, run.name, step=step)
    assert status == 404
    assert reason in found["error"]


def test_a_run_that_has_taken_the_name_of_another_has_a_decoder_at_another_address(store: RunStore) -> None:
    addresses = []
    for seed in range(2):
        run = store.create(tiny(seed=seed), "mine")
        assert finish(run) == 0
        _, found = asked(evidence_routes.image, "mine")
        _, map_ = asked(maps.head, "mine")
        addresses.append(found["decoder"])
        assert found["decoder"].endswith(f"?step=120&v={maps.version(run, 120)}")
        assert map_["decoder"].endswith(f"&v={maps.version(run, 120)}")
        store.trash("mine")
    assert addresses[0] != addresses[1]


def test_a_class_that_opens_a_section_measures_it_once(
    store: RunStore, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("prepare_once", "gaps", "iwae_bounds", "importance_weights"):
        work = getattr(evidence_routes, name)

        def counted(*given: Any, name: str = name, work: Callable[..., Any] = work) -> Any:
            calls.append(name)
            return work(*given)

        monkeypatch.setattr(evidence_routes, name, counted)
    monkeypatch.setattr(evidence_routes, "LONG", 0.0)
    run = copied(trained, store.root.parent)
    found = together(lambda: asked(evidence_routes.image, run.name, image="3"))
    assert found == [found[0]] * MANY
    assert calls == ["prepare_once", "gaps", "iwae_bounds"]
    bodies = together(lambda: evidence_routes.weights(request(run.name, image="3")).body)
    assert bodies == [bodies[0]] * MANY
    assert calls[3:] == ["importance_weights"]


def test_the_images_are_those_that_annealing_looks_at(seen: evidence_routes.Seen) -> None:
    test = ANNEALED.config.dataset.load()[1]
    vae = seen.vae
    first = slow_checks.prepare_once(vae, vae.likelihood.once(test.images[:16], test.top))
    torch.testing.assert_close(first, seen.x[:16])
