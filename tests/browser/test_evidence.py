"""The views of ln p(x) in a real browser: their mathematics against the core's oracles, drags, and the page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import EXPORT, Server, Witness, settled
from tests.browser.lecture_views import MOUNT
from tests.run_helpers import finish, remove, tiny
from ui.evidence import BIT, BITS, DATA, LINEAR, SECTIONS
from ui.evidence_routes import seen_images
from vae_core.oracle import LinearGaussian, bernoulli_model
from vae_core.runs import ASSETS, Run, RunStore

pytestmark = pytest.mark.browser


def exact(values: Any) -> torch.Tensor:
    """Numbers in float64."""
    return torch.tensor(values, dtype=torch.float64)


ORACLE = LinearGaussian(exact(LINEAR["weight"]), exact(LINEAR["bias"]), 0.5)
X = exact(LINEAR["x"])
MODELS = """
async ([kind, data, codes]) => {
  const { LinearModel, LogisticModel } = await import(new URL("/files/lecture/models.mjs", location.origin));
  const model = new { LinearModel, LogisticModel }[kind](data, data.x);
  const places = [...codes, [model.best.mean, model.best.std]];
  const row = ([mean, std]) => {
    const chi = String(model.chiSquare?.(mean, std));
    return { ...model.terms(mean, std), gap: model.gap(mean, std), chi };
  };
  return { evidence: model.logEvidence, best: model.best, rows: places.map(row) };
}
"""
OFFERED = {"tiles": None, "count": 16}
HANDLE = "document.querySelectorAll('.lx-handle')[{}].getBoundingClientRect()"


def section(name: str) -> dict[str, Any]:
    """What the page gives a view, without a run."""
    return next(section.data for section in SECTIONS if section.name == name)


def mount(page: Page, bare: str, name: str, **options: Any) -> None:
    """A view on a page with nothing else on it, drawn."""
    page.goto(f"{bare}/blank")
    given = {"data": {**section(name), **OFFERED}, "query": {}, "base": "", **options}
    page.evaluate(MOUNT, [name, given])
    page.wait_for_selector(f'.lx-{name}[data-ready="1"]')


def shown(page: Page, name: str) -> dict[str, str]:
    """The numbers that a view shows, as it tells them."""
    return page.evaluate(f"({{ ...document.querySelector('.lx-{name}').dataset }})")


def drag(page: Page, handle: int, across: float, down: float) -> None:
    """Take hold of a handle and move it."""
    box = page.evaluate(HANDLE.format(handle))
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y + down, steps=4)
    page.mouse.up()


def test_small_models_in_the_page_are_those_of_the_core(page: Page, bare: str) -> None:
    page.goto(f"{bare}/blank")
    codes = [[[0.0, 0.0], [1.0, 1.0]], [[0.5, 0.8], [0.4, 0.3]], [[-0.1, 0.5], [0.2, 0.1]]]
    found = page.evaluate(MODELS, ["LinearModel", LINEAR, codes])
    assert found["evidence"] == pytest.approx(float(ORACLE.log_evidence(X)), abs=1e-12)
    best = [part.tolist() for part in ORACLE.best_factorised(X)]
    assert [found["best"]["mean"], found["best"]["std"]] == [pytest.approx(part, abs=1e-12) for part in best]
    for row, (mean, std) in zip(found["rows"], [*codes, best], strict=True):
        q = exact(mean), exact(std)
        assert row["reconstruction"] - sum(row["kl"]) == pytest.approx(float(ORACLE.elbo(X, *q)), abs=1e-10)
        assert row["gap"] == pytest.approx(float(ORACLE.kl_to_posterior(X, *q)), abs=1e-10)
        chi = float(ORACLE.chi_square(X, *q))
        assert float(row["chi"].replace("Infinity", "inf")) == (
            pytest.approx(chi, rel=1e-9) if math.isfinite(chi) else chi
        )

    for data, places in ((BIT, [[[0.8], [0.6]], [[0.0], [1.0]]]), (BITS, [[[1.0, 0.0], [0.7, 0.5]]])):
        model = bernoulli_model(*(exact(data[key]) for key in ("x", "weight", "bias")))
        found = page.evaluate(MODELS, ["LogisticModel", data, places])
        assert found["evidence"] == pytest.approx(model.log_evidence, abs=1e-9)
        for row, (mean, std) in zip(found["rows"], places, strict=False):
            bound = model.elbo(exact(mean), exact(std))
            assert row["reconstruction"] - sum(row["kl"]) == pytest.approx(float(bound), abs=1e-8)
        assert found["rows"][-1]["gap"] == min(row["gap"] for row in found["rows"])  # the best q is the last


def test_q_is_dragged_and_the_parts_go_on_making_ln_p(page: Page, bare: str, witness: Witness) -> None:
    mount(page, bare, "identity", query={"q": "0.5,0.8,0.4,0.3"})
    start = shown(page, "identity")
    assert float(start["elbo"]) == pytest.approx(-7.6326375941, abs=1e-9)
    assert float(start["gap"]) == pytest.approx(1.9412531280, abs=1e-9)
    drag(page, 0, -60, 30)
    page.wait_for_function(f"document.querySelector('.lx-identity').dataset.elbo !== '{start['elbo']}'")
    drag(page, 1, 25, 0)
    page.wait_for_function("window.mounted.view.q.std[0] > 0.5")
    mean, std = page.evaluate("(({ mean, std }) => [mean, std])(window.mounted.view.q)")
    assert mean[0] < 0.3
    assert mean[1] < 0.7
    page.wait_for_function(f"window.told.at(-1)?.q.startsWith('{mean[0]:.3f}'.replace(/0+$/, ''))")
    page.wait_for_function("document.querySelector('.lx-badge').dataset.verdict === 'good'")
    found = shown(page, "identity")
    bound = ORACLE.elbo(X, exact(mean), exact(std))
    assert float(found["elbo"]) == pytest.approx(float(bound), abs=1e-9)
    assert float(found["elbo"]) + float(found["gap"]) == pytest.approx(float(found["evidence"]), abs=1e-9)
    badge = page.locator(".lx-badge")
    expect(badge).to_have_attribute("data-verdict", "good")
    drag(page, 0, 900, 0)  # not out of what can be seen
    page.wait_for_function("window.mounted.view.q.mean[0] === window.mounted.view.view.x[1]")
    page.get_by_role("button", name="the best factorised q").click()
    page.wait_for_function("Number(document.querySelector('.lx-identity').dataset.gap) < 0.1")
    assert float(shown(page, "identity")["gap"]) == pytest.approx(0.0940261158, abs=1e-9)

    # A side that were wrong would be told: the badge compares numbers, it is not written.
    page.evaluate("window.mounted.view.model.logEvidence += 0.001")
    page.evaluate("window.mounted.view.redraw()")
    expect(badge).to_have_attribute("data-verdict", "bad")

    for model, most in (("Bernoulli, one latent", 0.0137), ("Bernoulli, two latents", 0.1)):
        page.get_by_role("button", name=model).click()
        page.get_by_role("button", name="the best factorised q").click()
        page.wait_for_function(f"Number(document.querySelector('.lx-identity').dataset.gap) <= {most}")
        expect(badge).to_have_attribute("data-verdict", "good")
    assert not witness.complaints


def test_an_image_of_a_run_is_measured_by_its_decoder_in_the_page(page: Page, bare: str, witness: Witness) -> None:
    mount(page, bare, "identity", base="/api/runs/digits-z2", query={"model": "run", "image": "3"})
    page.wait_for_selector(".lx-identity[data-elbo]", timeout=120_000)  # the decoder is exported first
    seen = seen_images(Run(ASSETS / "digits-z2"))
    ways = page.evaluate("""async () => {
      const { model } = window.mounted.view;
      const codes = [[0.3, -0.2], [1.5, 0.5], [-1, 2]];
      return [await model.likelihoods(codes), [...await model.ask(codes)], model.decoder.where];
    }""")
    codes = torch.tensor([[0.3, -0.2], [1.5, 0.5], [-1.0, 2.0]])
    with torch.no_grad():
        core = seen.vae.likelihood.log_prob(seen.vae.decode(codes), seen.x[3:4].expand(3, -1, -1, -1)).tolist()
    assert ways == [pytest.approx(core, abs=1e-3), pytest.approx(core, abs=1e-3), "in this browser"]

    noise = torch.tensor(page.evaluate("window.mounted.view.model.noise"))
    mean, std = (
        torch.tensor(part) for part in page.evaluate("(({ mean, std }) => [mean, std])(window.mounted.view.q)")
    )
    with torch.no_grad():
        logs = seen.vae.likelihood.log_prob(seen.vae.decode(mean + std * noise), seen.x[3:4].expand(64, -1, -1, -1))
    kl = 0.5 * (mean.square() + std.square() - 1) - std.log()
    found = shown(page, "identity")
    assert float(found["elbo"]) == pytest.approx(float(logs.mean() - kl.sum()), abs=2e-3)
    assert "Estimates" in (page.locator(".lx-note").text_content() or "")
    assert not page.locator(".lx-badge").is_visible()
    page.get_by_role("button", name="the prior").click()
    page.wait_for_function(f"Number(document.querySelector('.lx-identity').dataset.elbo) < {found['elbo']} - 1")
    assert not witness.complaints


def test_an_address_beyond_all_bounds_opens_what_can_be_shown(page: Page, bare: str) -> None:
    mount(page, bare, "identity", query={"q": "1e200,-7,0,1e9"})
    expect(page.locator(".lx-badge")).to_have_attribute("data-verdict", "good")
    assert page.evaluate("(({ mean, std }) => [...mean, ...std])(window.mounted.view.q)") == [3, -3, 0.05, 1.5]
    query = {"model": "run", "image": "99", "on": "encoder"}
    mount(page, bare, "identity", base="/api/runs/digits-z2", query=query)
    page.wait_for_selector(".lx-identity[data-elbo]", timeout=EXPORT)
    assert page.evaluate("window.mounted.view.model.image") == 15

    # Where the encoder is surer than the sliders go, a link gives back what it was copied from.
    def surer(route: Route) -> None:
        facts = route.fetch().json()
        route.fulfill(json=facts | {"q": facts["q"] | {"std": [0.013, 0.2]}})

    page.route("**/evidence?image=15", surer)
    mount(page, bare, "identity", base="/api/runs/digits-z2", query=query | {"q": "0.5,0.5,0.013,0.2"})
    page.wait_for_selector(".lx-identity[data-elbo]", timeout=EXPORT)
    assert page.evaluate("window.mounted.view.q.std") == [0.013, 0.2]


def test_the_image_that_was_chosen_last_is_shown_whichever_answer_comes_first(page: Page, bare: str) -> None:
    mount(page, bare, "identity", base="/api/runs/digits-z2", query={"model": "run", "image": "0"})
    page.wait_for_selector(".lx-identity[data-elbo]", timeout=EXPORT)
    held: list[Route] = []
    page.route("**/evidence?image=3", lambda route: held.append(route))
    page.evaluate("window.mounted.view.choose(3)")
    expect(page.locator(".lx-said")).to_contain_text("Looking for")
    expect(page.locator(".lx-handle")).to_have_count(0)  # nothing of the image before can be dragged
    page.evaluate("window.mounted.view.choose(5)")
    page.wait_for_function("window.mounted.view.model?.image === 5", timeout=EXPORT)
    with page.expect_response("**/evidence?image=3"):
        held[0].continue_()
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))")
    assert page.evaluate("window.mounted.view.model.image") == 5

    mount(page, bare, "sampling")
    page.wait_for_selector('.lx-sampling[data-repeats="100"]')
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    mount(page, bare, "sampling", base="/api/runs/digits-z2", query={"model": "run"})
    page.wait_for_function("document.querySelector('.lx-sampling').dataset.repeats > 0", timeout=EXPORT)
    assert len([url for url in asked if "/weights?" in url]) == 1
    page.route("**/weights?image=0&proposal=narrow*", lambda route: route.fulfill(status=422, body="{}"))
    page.locator(".lx-select").select_option("narrow")
    expect(page.locator(".lx-badge")).to_be_hidden()
    expect(page.locator(".lx-drawing path")).to_have_count(0)


def test_a_check_that_nobody_works_on_is_asked_for_again(page: Page, bare: str) -> None:
    told = iter([{"state": "working", "message": "Annealing", "share": 0.4, "step": 7}, {"state": "absent", "step": 7}])
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url.split("?")[1])
        route.fulfill(json=next(told))

    page.route("**/evidence/annealing?*", answer)
    mount(page, bare, "gaps", base="/api/runs/digits-collapsed", data=OFFERED | {"run": "digits-collapsed"})
    button = page.get_by_role("button", name="Check by annealing")
    button.click()
    expect(page.get_by_text("Nobody works on it any more")).to_be_visible()
    expect(button).to_be_enabled()
    assert asked == ["start=1", "step=7"]


@pytest.fixture
def single(bare: str) -> Iterator[Run]:
    """A run of one latent, in the store of the bare server for as long as it is needed."""
    run = RunStore.default().create(tiny(latent=1, steps=300))
    assert finish(run) == 0
    yield run
    remove(run.path)


def test_the_posterior_of_a_single_latent_is_drawn_on_a_line(
    page: Page, bare: str, single: Run, witness: Witness
) -> None:
    mount(page, bare, "identity", base=f"/api/runs/{single.name}", query={"model": "run", "image": "2"})
    page.wait_for_selector(".lx-identity[data-elbo]", timeout=EXPORT)
    line = page.evaluate("window.mounted.view.model.line")
    codes = torch.tensor([[z] for z, _ in line])
    seen = seen_images(single)
    with torch.no_grad():
        likelihood = seen.vae.likelihood.log_prob(seen.vae.decode(codes), seen.x[2:3].expand(len(codes), -1, -1, -1))
    joint = likelihood - 0.5 * (codes[:, 0].square() + math.log(2 * math.pi))
    assert [value for _, value in line] == pytest.approx(joint.tolist(), abs=1e-3)
    # The sum over the line is ln p(x), which the view knows from codes of the best q.
    summed = float((joint.double().logsumexp(0) + (codes[1] - codes[0]).log()).item())
    found = {key: float(value) for key, value in shown(page, "identity").items() if key in ("evidence", "elbo")}
    assert found["evidence"] == pytest.approx(summed, abs=0.05)
    drag(page, 0, 40, 0)
    page.wait_for_function(f"document.querySelector('.lx-identity').dataset.elbo !== '{found['elbo']}'")
    assert not witness.complaints


def test_the_mean_of_ln_p_is_minus_entropy_minus_kl(page: Page, bare: str) -> None:
    mount(page, bare, "likelihood")
    start = shown(page, "likelihood")
    drag(page, 0, 40, -50)
    page.wait_for_function(f"document.querySelector('.lx-likelihood').dataset.kl !== '{start['kl']}'")
    w1, w2, sigma = page.evaluate("(({ w1, w2, sigma }) => [w1, w2, sigma])(window.mounted.view.theta)")
    model = LinearGaussian(exact([[w1], [w2]]), torch.zeros(2), sigma)
    core = model.expected_evidence(torch.zeros(2), exact(DATA))
    found = {key: float(value) for key, value in shown(page, "likelihood").items() if key in ("mean", "entropy", "kl")}
    assert found["mean"] == pytest.approx(core.value, abs=1e-6)
    assert found["entropy"] == pytest.approx(core.entropy, abs=1e-9)
    assert found["kl"] == pytest.approx(core.divergence, abs=1e-6)
    expect(page.locator(".lx-badge")).to_have_attribute("data-verdict", "good")
    column = page.locator("svg.lx-drawing").nth(1).locator(".lx-strong").all_text_contents()
    most, rest, now = (float(text.replace("\u2212", "-")) for text in column)
    assert most == pytest.approx(now + rest, abs=1e-9)  # as printed
    assert [now, rest] == pytest.approx([core.value, core.divergence], abs=0.0101)
    page.get_by_role("button", name="The best model").click()
    page.wait_for_function("Number(document.querySelector('.lx-likelihood').dataset.kl) < 1e-9")


def test_a_grid_is_exact_in_few_dimensions_and_hopeless_in_many(page: Page, bare: str) -> None:
    mount(page, bare, "bayes")
    expect(page.locator(".lx-badge")).to_have_attribute("data-verdict", "good")
    assert float(shown(page, "bayes")["evidence"]) == pytest.approx(-1.4052849435, abs=1e-3)
    cells = page.locator(".lx-table tbody tr").nth(2).locator("td").all_inner_texts()
    assert cells[0].replace(" ", "") == "1.7×1013"
    page.locator(".lx-slider input").fill("5")
    expect(page.locator(".lx-badge")).to_have_attribute("data-verdict", "bad")
    page.get_by_role("button", name="two").click()
    page.locator(".lx-slider input").fill("31")
    expect(page.locator(".lx-badge")).to_have_attribute("data-verdict", "good")
    assert "961 points" in (page.locator(".lx-said").text_content() or "")


def test_repeated_estimates_err_as_predicted_and_an_infinite_variance_is_told(page: Page, bare: str) -> None:
    mount(page, bare, "sampling")
    page.wait_for_selector('.lx-sampling[data-repeats="100"]')
    found = shown(page, "sampling")
    assert float(found["chi"]) == pytest.approx(7.0638, abs=1e-4)
    assert float(found["effective"]) / 10_000 == pytest.approx(1 / 8.0638, abs=0.02)
    assert abs(float(found["middle"])) < 0.02
    expect(page.locator(".lx-badge")).to_have_attribute("data-verdict", "good")
    page.locator(".lx-select").select_option("narrow")
    expect(page.locator(".lx-said")).to_contain_text("χ² is infinite")
    page.get_by_role("button", name="More latents").click()
    page.locator(".lx-select").select_option("prior")
    page.get_by_role("button", name="20", exact=True).click()
    page.wait_for_function("Number(document.querySelector('.lx-sampling').dataset.middle) < -100")
    assert float(shown(page, "sampling")["truth"]) == pytest.approx(-20.9535, abs=1e-4)
    assert float(shown(page, "sampling")["effective"]) < 5
    expect(page.locator(".lx-note")).to_contain_text("too few to show it")
    page.locator(".lx-select").select_option("best")  # the posterior itself
    expect(page.locator(".lx-note")).to_contain_text("Every weight is p(x)")
    expect(page.locator(".lx-badge")).to_have_attribute("data-verdict", "good")

    # Science's table for one latent and K = 10, 100: the mean's error and its spread.
    means = page.evaluate("""async () => {
      const here = (name) => import(new URL(`/files/lecture/${name}.mjs`, location.origin));
      const { COUNTS, estimates, gaussianWeights } = await here("weights");
      const { LinearModel } = await here("models");
      const model = new LinearModel({ weight: [[1]], bias: [0], sigma: 0.1 }, [0.5]);
      const fill = gaussianWeights(model, { mean: [0], std: [1] }, 3);
      const rows = Array.from({ length: 1500 }, () => estimates(fill(new Float64Array(100))));
      const mean = (place) => rows.reduce((sum, row) => sum + row[place], 0) / rows.length;
      return [10, 100].map((count) => mean(COUNTS.indexOf(count)) - model.logEvidence);
    }""")
    assert means[0] == pytest.approx(-1.08, abs=0.35)
    assert means[1] == pytest.approx(-0.04, abs=0.03)


def test_a_collapsed_run_has_no_gap_and_is_told_why(page: Page, bare: str, witness: Witness) -> None:
    mount(page, bare, "gaps", base="/api/runs/digits-collapsed", data=OFFERED | {"run": "digits-collapsed"})
    page.wait_for_selector('.lx-gaps[data-image="0"]')
    expect(page.locator(".lx-said")).to_contain_text("the decoder ignores z")
    assert abs(float(shown(page, "gaps")["total"])) < 0.02
    assert not witness.complaints


def test_from_the_page_to_a_runs_gaps_and_its_questions(page: Page, server: Server, witness: Witness) -> None:
    page.goto(f"{server.url}/evidence?ask=1&q=0.5,0.8,0.4,0.3")
    page.wait_for_selector('.lx-identity[data-ready="1"]')
    settled(page)
    assert page.locator(".lx-badge").evaluate("(badge) => getComputedStyle(badge).visibility") == "hidden"
    page.keyboard.press("v")
    expect(page.locator(".st-key-words")).to_contain_text("The posterior is tilted")
    page.wait_for_function("getComputedStyle(document.querySelector('.lx-badge')).visibility === 'visible'")
    assert "q=0.5%2C0.8%2C0.4%2C0.3" in page.url  # an answer leaves the state in the address
    page.get_by_role("link", name="Gaps of a run").click()
    page.wait_for_selector('.lx-gaps[data-image="0"]')
    assert json.loads(page.evaluate("JSON.stringify(new URL(location).searchParams.get('section'))")) == "gaps"
    page.get_by_role("button", name="Test image 5").click()
    page.wait_for_selector('.lx-gaps[data-image="5"]')
    found = {
        key: float(value)
        for key, value in shown(page, "gaps").items()
        if key in ("total", "approximation", "amortisation")
    }
    assert found["total"] == pytest.approx(found["approximation"] + found["amortisation"], abs=1e-3)
    assert found["amortisation"] >= 0
    page.wait_for_function("new URL(location).searchParams.get('image') === '5'")
    page.get_by_text("The whole run: negative log-likelihood").click()
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text("negative log-likelihood, at most")).to_be_visible()
    assert not witness.complaints
    assert not witness.foreign
