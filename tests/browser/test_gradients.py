"""The views of gradients in a real browser: their maths, what follows the pointer, and what the server measures."""

from __future__ import annotations

import math

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server, Witness, settled
from tests.browser.lecture_views import MOUNT, changed, drag, mount, number, tuned
from vae_core.gaussian import DiagonalGaussian
from vae_core.gradients import (
    ESTIMATORS,
    Affine,
    Bent,
    Square,
    both_densities,
    expected_log_posterior,
    expected_log_prior,
    sampled_kl_error,
)

pytestmark = pytest.mark.browser

MATHS = """
async (cases) => {
  const from = (name) => import(new URL(`/files/lecture/${name}.mjs`, location.origin));
  const [estimators, plane, kl] = await Promise.all(["estimators_maths", "jacobian_maths", "kl_maths"].map(from));
  const spread = (of, epsilon, [estimator, mu, sigma, samples]) =>
    Array.from(estimators.estimates(estimator, mu, sigma, of, samples, epsilon));
  const sides = ({ shift, factor, bend, at }) => {
    const map = new plane.PlaneMap({ shift, factor, bend });
    const { logVolume, changed, direct } = plane.bothSides(map, at);
    return [...map.forward(at), logVolume, changed, direct, ...map.backward(map.forward(at))];
  };
  return {
    variances: cases.estimators.map(([name, mu, sigma, samples]) =>
      ["mu", "sigma"].map((of) => estimators.variance(name, mu, sigma, of, samples))),
    estimates: cases.estimators.map((one) => ["mu", "sigma"].map((of) => spread(of, cases.noise, one))),
    kl: cases.kl.map(([mu, sigma]) =>
      [kl.ownHalf(sigma), kl.priorHalf(mu, sigma), kl.samplingError(mu, sigma, 7), ...kl.quadrature(mu, sigma)]),
    sides: cases.maps.map(sides),
  };
}
"""
GOOD = '.lx-badge[data-verdict="good"]'


def numbers(values: list) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_maths_in_the_page_are_those_of_the_core(sheet: Page) -> None:
    estimators = [
        (name, mu, sigma, samples)
        for name in ESTIMATORS
        for mu, sigma in ((1.0, 1.0), (-1.3, 0.1), (0.0, 2.0))
        for samples in (1, 2, 5)
        if name != "leave-one-out" or samples > 1
    ]
    factors = [[[1.1, 0.0], [0.5, 0.6]], [[0.3, 0.0], [-1.0, 1.6]]]
    maps = [
        {"shift": [0.4, 0.2], "factor": factor, "bend": bend, "at": at}
        for factor in factors
        for bend in (0.0, 0.9, -1.2)
        for at in ([0.8, -0.6], [-3.0, 2.5])
    ]
    kls = [(0.0, 1.0), (0.5, 0.1), (-3.0, 0.05), (2.0, 2.5)]
    draws = torch.randn(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cases = {"estimators": estimators, "maps": maps, "kl": kls, "noise": draws.tolist()}
    found = sheet.evaluate(MATHS, cases)
    for (name, mu, sigma, samples), variances, estimates in zip(
        estimators, found["variances"], found["estimates"], strict=True
    ):
        assert variances == pytest.approx(Square(mu, sigma).variance(name, samples), rel=1e-12)
        expected = by_hand(name, mu, sigma, draws.view(-1, samples))
        torch.testing.assert_close(numbers(estimates).T, expected, rtol=1e-10, atol=1e-10)
    for given, told in zip(maps, found["sides"], strict=True):
        bent = Bent(Affine(numbers(given["shift"]), numbers(given["factor"])), given["bend"])
        both = both_densities(bent, numbers([given["at"]]))
        exact = [*both.z[0].tolist(), float(both.log_volume), float(both.direct), float(both.direct), *given["at"]]
        assert told == pytest.approx(exact, abs=1e-12)
    for (mu, sigma), told in zip(kls, found["kl"], strict=True):
        q = DiagonalGaussian(numbers([[mu]]), 2 * numbers([[sigma]]).log())
        halves = float(expected_log_posterior(q)), float(expected_log_prior(q))
        exact = [*halves, float(sampled_kl_error(q, 7)), halves[1], halves[0]]
        assert told == pytest.approx(exact, abs=1e-10)


def by_hand(name: str, mu: float, sigma: float, noise: torch.Tensor) -> torch.Tensor:
    """Estimates [repeats, 2] from this noise [repeats, samples], by the definitions."""
    z = mu + sigma * noise
    score = torch.stack([noise, noise.square() - 1]) / sigma
    if name == "pathwise":
        return torch.stack([2 * z, 2 * z * noise]).mean(-1).T
    samples = noise.shape[1]
    f = z.square()
    others = (f.sum(1, keepdim=True) - f) / max(1, samples - 1)
    less = {"score": 0.0, "baseline": mu**2 + sigma**2, "leave-one-out": others}[name]
    return ((f - less) * score).mean(-1).T


def test_mu_and_sigma_are_dragged_and_the_noise_stays(sheet: Page, witness: Witness) -> None:
    view = mount(sheet, "reparametrise")
    handles = view.locator(".lx-handle")
    slope = number(view, "slope")
    places = "(root) => [...root.querySelectorAll('circle.lx-dot')].map((dot) => dot.getAttribute('cx'))"
    noise = view.evaluate(places)
    drag(sheet, handles.nth(0), -120)
    mu = changed(view, "mu", 1.0)
    assert mu < 0.5
    assert number(view, "slope") - slope == pytest.approx(2 * (mu - 1), abs=2e-3)
    drag(sheet, handles.nth(1), 40)
    assert changed(view, "sigma", 0.6) > 0.8
    assert view.evaluate(places) == noise
    expect(view.locator(GOOD)).to_contain_text("differ by")
    expect(view.locator(".lx-said")).to_contain_text("Exact:")
    view.get_by_role("button", name="Other ε").click()
    expect(view).to_have_attribute("data-seed", "2")
    assert view.evaluate(places) != noise
    view.get_by_role("slider", name="μ").press("ArrowRight")
    changed(view, "mu", mu)
    sheet.wait_for_function("window.told.at(-1)?.seed === 2")
    assert not witness.complaints


def test_both_sides_agree_wherever_the_point_is_dragged(sheet: Page) -> None:
    view = mount(sheet, "jacobian", map="bent", bend="-1", at="0.5,0.5")
    volume = number(view, "volume")
    for index, (right, down) in enumerate(((60, -40), (-30, 30))):
        at = view.get_attribute("data-at")
        drag(sheet, view.locator(".lx-handle").nth(index), right, down)
        expect(view).not_to_have_attribute("data-at", at or "")
        assert number(view, "changed") == pytest.approx(number(view, "direct"), abs=1e-12)
        expect(view.locator(GOOD)).to_be_visible()
    assert number(view, "volume") != pytest.approx(volume)
    view.get_by_role("button", name="z = μ + σε").click()
    expect(view.get_by_role("slider", name="bend")).to_be_hidden()
    expect(view).to_have_attribute("data-volume", str(1.1 * 0.6))
    sheet.wait_for_function("window.told.at(-1)?.map === 'scaled' && window.told.at(-1).bend === undefined")


def test_the_measured_variances_are_the_exact_ones_everywhere(sheet: Page) -> None:
    view = mount(sheet, "estimators", mu="1", sigma="1")
    assert (number(view, "path"), number(view, "score")) == pytest.approx((4, 30))
    tuned(view, "σ", 0.1)
    expect(view.locator(".lx-said")).to_contain_text("2,854 times as noisy")
    for derivative in ("μ", "σ"):
        view.get_by_role("button", name=derivative, exact=True).click()
        for samples in ("100", "2"):
            view.get_by_role("button", name=samples, exact=True).click()
            for mu, sigma in ((-2, 0.1), (0, 2), (1.5, 0.7)):
                before = view.evaluate("(root) => root.dataset.measured")
                tuned(view, "μ", mu)
                tuned(view, "σ", sigma)
                expect(view).not_to_have_attribute("data-measured", before)
                expect(view.locator(GOOD)).to_contain_text("standard errors of the exact ones")
    view.get_by_role("button", name="signal to noise").click()
    expect(view.locator("svg.lx-drawing")).to_contain_text("|gradient| / standard deviation")


def test_the_halves_of_the_kl_follow_the_pointer(sheet: Page) -> None:
    view = mount(sheet, "kl", mu="0.5", sigma="0.1", seed="4")
    assert number(view, "kl") == pytest.approx(1.932585092994, abs=1e-11)
    expect(view.locator(".lx-note")).to_contain_text("3 + σ² for 1 + ln σ²")
    expect(view.locator(".lx-note p")).to_be_hidden()
    view.locator("summary").click()
    expect(view.locator(".lx-note p")).to_contain_text("which no KL can be")
    assert abs(number(view, "sampled") - number(view, "kl")) < 4 * number(view, "error")
    drag(sheet, view.locator(".lx-handle").nth(0), 60)
    mu = changed(view, "mu", 0.5)
    assert 0.9 < mu < 3
    drag(sheet, view.locator(".lx-handle").nth(1), 50)
    assert changed(view, "sigma", 0.1) > 0.5
    assert number(view, "own") - number(view, "prior") == pytest.approx(number(view, "kl"), abs=1e-12)
    expect(view.locator(GOOD)).to_contain_text("quadrature")


def test_a_run_s_gradients_are_measured_by_the_server(sheet: Page) -> None:
    view = mount(sheet, "encoder", "digits-annealed")
    assert number(view, "ratio") > 50
    assert 0.3 < number(view, "downhill") < 0.6
    expect(view.locator(GOOD)).to_contain_text("every mean leads as far along the gradient")
    ratio = number(view, "ratio")
    view.get_by_role("button", name="10", exact=True).click()
    changed(view, "ratio", ratio)
    expect(view.locator(".lx-said")).to_contain_text("10 codes")
    view.get_by_role("button", name="signal to noise").click()
    expect(view.locator("svg.lx-drawing")).to_contain_text("|gradient| / standard deviation")

    view = mount(sheet, "decoder", "digits-annealed", seed="2")
    expect(view.locator(GOOD)).to_contain_text("of one over the root of S")
    assert number(view, "one") / number(view, "many") == pytest.approx(math.sqrt(50), rel=0.4)

    dots = view.locator("circle.lx-bar")
    assert dots.count() > 2
    sheet.evaluate("window.mounted.update({ ask: true })")
    expect(dots).to_have_count(1)
    expect(view.locator("svg.lx-drawing")).not_to_contain_text("root of S")

    sheet.evaluate(MOUNT, ["encoder", {"base": "/api/runs/nothing-like-it"}])
    expect(sheet.locator(".lx-note")).to_contain_text("nothing-like-it")


def test_a_link_opens_the_exact_state(chromium: Browser, server: Server, witness: Witness) -> None:
    context = chromium.new_context(viewport={"width": 1360, "height": 768}, color_scheme="dark")
    page = context.new_page()
    witness.watch(page)
    page.goto(f"{server.url}/gradients?section=kl&mu=2&sigma=0.5&ask=1")
    settled(page)
    view = page.locator('[data-testid="lecture-kl"][data-ready="1"]')
    expect(view).to_have_attribute("data-mu", "2.000")
    expect(view).to_have_attribute("data-theme", "dark")
    expect(view.locator(".lx-said")).to_be_hidden()
    box = view.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 768
    page.get_by_text("About 50", exact=True).click()
    page.get_by_role("button", name="Show the answer").click()
    expect(view.locator(".lx-said")).to_be_visible()
    expect(view.locator(GOOD)).to_be_visible()
    view.get_by_role("slider", name="μ").press("ArrowLeft")
    page.wait_for_url("**mu=1.99**")
    assert not witness.complaints
    assert not witness.foreign
    context.close()
