"""Evidence beyond one estimate: proposals, curves, bounds, gaps and grids, against closed forms and printed tables."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.test_evidence import (
    LINE,
    LINE_EVIDENCE,
    LINE_X,
    PLANE,
    PLANE_X,
    gaussian,
    numbers,
    prior,
    seeded,
    wired,
)
from vae_core.diagnostics import broken_bounds, prepare_once
from vae_core.evidence import (
    IwaeBounds,
    chi_square,
    effective_sample_size,
    evidence_curve,
    gaps,
    image_posterior,
    importance_log_evidence,
    importance_weights,
    iwae_bounds,
    optimise_posterior,
    proposals,
    weights_of,
)
from vae_core.evidence.gaps import improved
from vae_core.gaussian import DiagonalGaussian
from vae_core.likelihoods import Gaussian
from vae_core.nets import Linear
from vae_core.oracle import LinearGaussian
from vae_core.runs import ASSETS, Run
from vae_core.spec import InputError
from vae_core.vae import VAE


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


# Proposals, and estimates of any model


def plane(z: Tensor) -> Tensor:
    return PLANE.log_likelihood(PLANE_X, z)


def at(mean: list[float], std: list[float]) -> DiagonalGaussian:
    return DiagonalGaussian(numbers([mean]), 2 * numbers([std]).log())


BEST = [part.flatten().tolist() for part in PLANE.best_factorised(PLANE_X)]
TABLE = [
    (at([0, 0], [1, 1]), 7.0638, [-21.08, -6.319, -5.726, -5.693, -5.692]),
    (at([0.5, 0.8], [0.4, 0.3]), 26.082, [-7.629, -6.123, -5.771, -5.698, -5.692]),
    (at(*BEST), 0.47798, [-5.785, -5.707, -5.6937, -5.6913, -5.6916]),
]
TABLED = 200  # the least number of estimates that a printed mean may be of
COUNTS = (1, 10, 100, 1000, 5000)


@pytest.mark.parametrize(("q", "chi", "bounds"), TABLE, ids=["prior", "off", "best"])
def test_one_stream_of_weights_gives_all_bounds_of_the_table(q: DiagonalGaussian, chi: float, bounds: list) -> None:
    curve = evidence_curve(weights_of(plane, q, 500_000, seeded())[:, 0], COUNTS, chi)
    assert curve.repeats.tolist() == [500_000 // count for count in COUNTS]
    for found, error, expected in zip(curve.mean.tolist(), curve.error.tolist(), bounds, strict=True):
        assert abs(found - expected) < 4 * error + (0.034 if expected == -21.08 else 0.006)
    truth = float(PLANE.log_evidence(PLANE_X))
    assert curve.log_evidence == pytest.approx(truth, abs=0.03)
    assert curve.bias.tolist() == pytest.approx([-chi / (2 * count) for count in COUNTS])
    assert abs(float(curve.mean[3]) - truth - float(curve.bias[3])) < 4 * float(curve.error[3]) + 0.004
    assert (curve.low < curve.median).all()
    assert (curve.median < curve.high).all()


@pytest.mark.parametrize(
    ("q", "error"), [(TABLE[0][0], 0.02), (TABLE[1][0], 0.1), (TABLE[2][0], 0.2)], ids=["prior", "off", "best"]
)
def test_weights_know_their_chi_square(q: DiagonalGaussian, error: float) -> None:
    """The narrower q is, the rarer the large weights that make its χ²; the last two have no fourth moment."""
    exact = float(PLANE.chi_square(PLANE_X, q.mean, q.std))
    found = weights_of(plane, q, 1_000_000, seeded())
    assert float(chi_square(found)) == pytest.approx(exact, rel=error)
    assert float(effective_sample_size(found)) / 1_000_000 == pytest.approx(1 / (1 + exact), rel=error)


def test_the_line_has_the_biases_of_the_table() -> None:
    q = at([0.0], [1.0])
    found = weights_of(lambda z: LINE.log_likelihood(LINE_X, z), q, 1_000_000, seeded())[:, 0]
    biases = {1: -4.795, 2: -1.97, 5: -0.52, 10: -0.19, 50: -0.027, 100: -0.013, 1000: -0.0014}
    curve = evidence_curve(found, tuple(biases), float(LINE.chi_square(LINE_X, q.mean, q.std)))
    for mean, error, expected in zip(curve.mean.tolist(), curve.error.tolist(), biases.values(), strict=True):
        assert abs(mean - LINE_EVIDENCE - expected) < 4 * error + 0.006
    assert float(curve.bias[-1]) == pytest.approx(-2.7092 / 2000, abs=1e-6)
    assert curve.mean.tolist() == sorted(curve.mean.tolist())


@pytest.mark.parametrize(
    ("latent", "biases"),
    [
        (1, {10: -1.08, 100: -0.04, 1000: -0.01, 10_000: 0.0}),
        (2, {10: -10.2, 100: -0.51, 1000: -0.03, 10_000: -0.01}),
        (5, {10: -79.5, 100: -23.6, 1000: -6.1, 10_000: -1.3}),
    ],
)
def test_the_bias_of_the_prior_grows_with_the_dimension(latent: int, biases: dict[int, float]) -> None:
    oracle = LinearGaussian(torch.eye(latent).double(), torch.zeros(latent), 0.1)
    x = torch.full((1, latent), 0.5).double()
    truth = float(oracle.log_evidence(x))
    assert truth == pytest.approx(-1.04768 * latent, abs=1e-4)
    found = weights_of(lambda z: oracle.log_likelihood(x, z), at([0.0] * latent, [1.0] * latent), 1_000_000, seeded())
    curve = evidence_curve(found[:, 0], (1, *biases))
    gap = float(oracle.kl_to_posterior(x, torch.zeros(1, latent), torch.ones(1, latent)))
    assert abs(float(curve.mean[0]) - truth + gap) < 4 * float(curve.error[0])
    theirs = (curve.error * (curve.repeats / TABLED).sqrt())[1:].tolist()
    for found, error, other, expected in zip(
        curve.mean[1:].tolist(), curve.error[1:].tolist(), theirs, biases.values(), strict=True
    ):
        assert abs(found - truth - expected) < 4 * math.hypot(error, other) + 0.006


@pytest.mark.parametrize("counts", [(0,), (1, 11)])
def test_a_stream_is_not_cut_into_blocks_longer_than_itself(counts: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="the stream at most"):
        evidence_curve(torch.zeros(10), counts)


def test_a_chosen_proposal_takes_the_place_of_the_encoder() -> None:
    vae, x = prior(LINE), LINE_X[:, None, None]
    mean, covariance = LINE.posterior(LINE_X)
    exact = DiagonalGaussian(mean, covariance[None, 0].log())
    found = importance_log_evidence(vae, x, 3, seeded(), exact)
    assert float(found) == pytest.approx(LINE_EVIDENCE, abs=1e-11)
    assert float(importance_log_evidence(vae, x, 3, seeded())) != pytest.approx(LINE_EVIDENCE, abs=1e-3)


def test_wrong_proposals_are_wrong_by_as_much_as_they_say() -> None:
    q = at(*BEST)
    assert torch.equal(proposals.prior(q).mean, torch.zeros(1, 2).double())
    assert torch.equal(proposals.prior(q).std, torch.ones(1, 2).double())
    off = proposals.moved(q, 1.5, 0.5)
    torch.testing.assert_close(off.mean, q.mean + 1.5 * q.std)
    torch.testing.assert_close(off.std, 0.5 * q.std)
    assert PLANE.chi_square(PLANE_X, off.mean, off.std).isinf().all()
    found = evidence_curve(weights_of(plane, off, 100_000, seeded())[:, 0], (1000,))
    assert float(found.median) < float(PLANE.log_evidence(PLANE_X)) - 0.1


# Importance-weighted bounds of a model


def trained(name: str, count: int) -> tuple[VAE, Tensor]:
    run = Run(ASSETS / name)
    _, vae = run.model()
    vae.requires_grad_(False)
    return vae, prepare_once(vae, run.config.dataset.load()[1].images[:count])


def test_bounds_are_cut_from_the_weights_of_the_estimate() -> None:
    vae, x = wired(PLANE), PLANE_X.repeat(3, 1)[:, None, None]
    bounds = iwae_bounds(vae, x, (100, 1, 7), generator=seeded())
    assert bounds.counts == (1, 7, 100)
    assert bounds.values.shape == bounds.noise.shape == (3, 3)
    assert torch.equal(bounds.values[2], importance_log_evidence(vae, x, 100, seeded()))
    weights = importance_weights(vae, x, 100, seeded())
    torch.testing.assert_close(bounds.values[0], weights.mean(0))
    torch.testing.assert_close(bounds.noise[0], weights.std(0) / 10)
    assert bounds.noise[2].isnan().all()
    assert iwae_bounds(vae, x[:0]).values.shape == (4, 0)


def sound(bounds: IwaeBounds) -> list[str]:
    return broken_bounds(iwae=bounds.means, iwae_errors=bounds.step_errors, tolerance=1e-4)


def test_bounds_in_a_wrong_order_are_told() -> None:
    vae, x = gaussian([0.5, 0.8], [0.4, 0.3])(), PLANE_X.repeat(50, 1)[:, None, None]
    bounds = iwae_bounds(vae, x, (1, 10, 100, 1000), generator=seeded())
    assert sound(bounds) == []
    forgot = -torch.tensor([1.0, 10.0, 100.0, 1000.0]).log()[:, None]  # the mean of the weights, divided twice
    assert len(sound(replace(bounds, values=bounds.values + forgot))) == 3


@pytest.mark.parametrize("name", ["digits-annealed", "mnist-annealed"])
def test_a_trained_model_has_ordered_bounds_and_positive_gaps(name: str, request: pytest.FixtureRequest) -> None:
    if name.startswith("mnist"):
        request.getfixturevalue("mnist")
    vae, x = trained(name, 6)
    bounds = iwae_bounds(vae, x, (1, 10, 100, 1000), 2000, generator=seeded())
    assert sound(bounds) == []
    rises = bounds.values.diff(dim=0)
    assert (rises > -4 * torch.hypot(bounds.noise[1:], bounds.noise[:-1])).all()
    found = gaps(vae, x, 2000, generator=seeded())
    for gap in (found.amortisation, found.approximation, found.total):
        assert (gap >= 0).all()
    torch.testing.assert_close(found.amortisation + found.approximation, found.total, rtol=1e-3, atol=1e-3)
    assert (found.amortisation > 4 * found.amortisation_error).any()
    assert (bounds.values[-1] < found.log_evidence + 4 * found.log_evidence_error + 0.1).all()
    torch.testing.assert_close(bounds.values[0], found.elbo, rtol=0, atol=1.0)


# Gaps


def test_the_gaps_of_the_plane_are_those_of_the_closed_forms() -> None:
    vae, x = gaussian([0.5, 0.8], [0.4, 0.3])(), PLANE_X[:, None, None]
    found = gaps(vae, x, 20_000, generator=seeded())
    torch.testing.assert_close(found.best.mean, numbers([BEST[0]]), rtol=0, atol=0.02)
    torch.testing.assert_close(found.best.std, numbers([BEST[1]]), rtol=0.05, atol=0)
    exact = {"elbo": -7.6326376, "best_elbo": -5.7854106, "log_evidence": -5.6913845}
    exact |= {"amortisation": 1.847227, "approximation": 0.0940261, "total": 1.9412531}
    for name, value in exact.items():
        error = float(getattr(found, f"{name}_error"))
        assert abs(float(getattr(found, name)) - value) < 4 * error + 0.002
        assert 0 < error < 0.05


def test_the_evidence_from_both_proposals_is_unbiased_and_knows_its_error() -> None:
    """The higher of the two estimates would err high, by 0.07 nats here."""
    images = 400
    x = PLANE_X[:, None, None].expand(images, -1, -1, -1)
    best = DiagonalGaussian(*(part.expand(images, -1) for part in (at(*BEST).mean, at(*BEST).logvar)))
    found = gaps(gaussian([0.5, 0.8], [0.4, 0.3])(), x, 500, seeded(), best)
    off = found.log_evidence - PLANE.log_evidence(PLANE_X)
    assert abs(float(off.mean())) < 4 * float(off.std()) / images**0.5
    assert float(found.log_evidence_error.mean()) == pytest.approx(float(off.std()), rel=0.15)


def test_optimising_never_lowers_a_bound_and_finds_the_best() -> None:
    x = PLANE.bias + 1.5 * torch.randn(4, 3, generator=seeded(), dtype=torch.float64)
    vae = gaussian([0.3, -0.2], [0.9, 0.6])()
    start = vae.encode(x[:, None, None])
    before = PLANE.elbo(x, start.mean.detach(), start.std.detach())
    q = optimise_posterior(vae, x[:, None, None], generator=seeded())
    after = PLANE.elbo(x, q.mean, q.std)
    best = PLANE.elbo(x, *PLANE.best_factorised(x))
    assert (after > before).all()
    assert (best - after < 0.01).all()
    again = optimise_posterior(wired(PLANE), x[:, None, None], steps=40, generator=seeded())
    assert (best - PLANE.elbo(x, again.mean, again.std) < 0.01).all()
    kept = optimise_posterior(vae, x[:, None, None], steps=0)
    assert torch.equal(kept.mean, start.mean)


def test_an_encoder_that_cannot_be_improved_has_no_amortisation_gap() -> None:
    vae, x = wired(PLANE), PLANE_X[:, None, None]
    found = gaps(vae, x, 500, generator=seeded(), best=at([3.0, -2.0], [0.5, 0.5]))
    assert float(found.amortisation) == 0
    torch.testing.assert_close(found.best.mean, vae.encode(x).mean.detach())


def test_a_decoder_without_a_slope_is_refused() -> None:
    with pytest.raises(InputError, match="no slope"):
        improved(lambda z: plane(z).detach(), at(*BEST), steps=1)


# The true posterior on a grid


def test_the_posterior_on_a_grid_is_that_of_the_closed_form() -> None:
    for oracle, x in ((LINE, LINE_X), (PLANE, PLANE_X)):
        found = image_posterior(wired(oracle), x[:, None, None])
        assert found.log_evidence == pytest.approx(float(oracle.log_evidence(x)), abs=1e-8)
        mean, covariance = oracle.posterior(x)
        torch.testing.assert_close(found.moments()[0], mean[0], rtol=0, atol=1e-7)
        torch.testing.assert_close(found.moments()[1], covariance, rtol=0, atol=1e-7)
        q = oracle.best_factorised(x)
        expected = float(oracle.kl_to_posterior(x, *q))
        assert found.kl_from(q[0][0], q[1]) == pytest.approx(expected, abs=1e-7)


def test_the_grid_and_the_codes_agree_on_a_trained_model() -> None:
    vae, x = trained("digits-z2", 3)
    exact = [image_posterior(vae, image[None]) for image in x]
    weights = importance_weights(vae, x, 20_000, seeded())
    for posterior, part in zip(exact, weights.T, strict=True):
        error = math.sqrt(float(chi_square(part)) / len(part))
        assert float(evidence_curve(part, (20_000,)).log_evidence) == pytest.approx(
            posterior.log_evidence, abs=4 * error + 1e-3
        )
        assert posterior.log_joint.shape == (151, 151)
        assert float(posterior.density.sum() * posterior.cell) == pytest.approx(1)


def test_more_latents_than_a_plane_has_are_not_drawn() -> None:
    vae = VAE(Linear(), Gaussian(), (1, 1, 1), 3)
    with pytest.raises(InputError, match="1 or 2"):
        image_posterior(vae, torch.zeros(1, 1, 1, 1))
