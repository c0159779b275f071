"""Gradients of E z² by four estimators, a change of variables, and the KL's two halves, against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian
from vae_core.gradients import (
    ESTIMATORS,
    Affine,
    Bent,
    Estimator,
    Square,
    both_densities,
    expected_log_posterior,
    expected_log_prior,
    sampled_kl,
    sampled_kl_error,
)
from vae_core.spec import InputError

SQUARES = [(1.0, 1.0), (1.0, 0.1), (0.0, 1.0), (0.5, 0.2)]
squares = pytest.mark.parametrize(("mean", "std"), SQUARES)
estimators = pytest.mark.parametrize("estimator", ESTIMATORS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(values: list) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("mean", "std", "pathwise", "score", "baseline"),
    [(1, 1, 4, 30, 18), (1, 0.1, 0.04, 114.15, 8.1), (0, 1, 4, 15, 10), (0.5, 0.2, 0.16, 5.6625, 2.4)],
)
def test_the_variances_in_the_mean_are_those_of_the_table(
    mean: float, std: float, pathwise: float, score: float, baseline: float
) -> None:
    square = Square(float(mean), float(std))
    found = [square.variance(name)[0] for name in ("pathwise", "score", "baseline")]
    assert found == pytest.approx([pathwise, score, baseline], rel=1e-12)


@squares
@estimators
@pytest.mark.parametrize("samples", [1, 2, 7])
def test_estimates_have_the_exact_mean_and_variance(
    mean: float, std: float, estimator: Estimator, samples: int
) -> None:
    square = Square(mean, std)
    if estimator == "leave-one-out" and samples == 1:
        with pytest.raises(InputError, match="at least 2"):
            square.estimates(estimator, samples, 10)
        return
    found = square.estimates(estimator, samples, 200_000, seeded())
    centred = found - numbers(list(square.gradient))
    error = centred.std(0) / math.sqrt(len(found))
    assert (centred.mean(0).abs() < 4.5 * error).all()
    squared = centred.square()
    tolerance = 4.5 * squared.std(0) / math.sqrt(len(found))
    assert ((squared.mean(0) - numbers(list(square.variance(estimator, samples)))).abs() < tolerance).all()


@squares
def test_the_exact_variances_agree_with_quadrature(mean: float, std: float) -> None:
    points, mass = np.polynomial.hermite_e.hermegauss(20)
    mass = mass / mass.sum()
    z = mean + std * points
    value, centred = z**2, z**2 - mean**2 - std**2
    score = points / std, (points**2 - 1) / std
    estimates = {
        "pathwise": (2 * z, 2 * z * points),
        "score": (value * score[0], value * score[1]),
        "baseline": (centred * score[0], centred * score[1]),
    }
    square = Square(mean, std)
    for name, pair in estimates.items():
        exact = [mass @ (one - goal) ** 2 for one, goal in zip(pair, square.gradient, strict=True)]
        assert square.variance(name) == pytest.approx(exact, rel=1e-11)  # type: ignore[arg-type]
        assert [mass @ one for one in pair] == pytest.approx(square.gradient, abs=1e-12)


@squares
def test_the_path_is_quietest_and_each_baseline_helps(mean: float, std: float) -> None:
    square = Square(mean, std)
    noise = [square.variance(name, 10)[0] for name in ("pathwise", "leave-one-out", "score")]
    assert noise == sorted(noise)
    assert square.variance("baseline")[0] < square.variance("score")[0]
    ratio = square.signal_to_noise("pathwise", 100)[0] / square.signal_to_noise("pathwise")[0] if mean else 10
    assert ratio == pytest.approx(10)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.0), (0.0, -1.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_what_is_no_gaussian_is_refused(mean: float, std: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        Square(mean, std)


def factor(latent: int) -> Tensor:
    lower = 0.5 * torch.randn(latent, latent, generator=seeded(3), dtype=torch.float64).tril()
    return lower - lower.diagonal().diag() + torch.diag(0.3 + torch.rand(latent, generator=seeded(4)).double())


def shift(latent: int) -> Tensor:
    return torch.randn(latent, generator=seeded(5), dtype=torch.float64)


MAPS: list[Callable[[int], Affine | Bent]] = [
    lambda latent: Affine.scaled(shift(latent), factor(latent).diagonal()),
    lambda latent: Affine(shift(latent), factor(latent)),
    *(lambda latent, bend=bend: Bent(Affine(shift(latent), factor(latent)), bend) for bend in (0.0, 0.9, -2.5)),
]
maps = pytest.mark.parametrize("build", MAPS, ids=["scaled", "affine", "straight", "stretched", "squeezed"])


@maps
@pytest.mark.parametrize("latent", [1, 2, 5])
def test_both_sides_of_the_change_of_variables_agree(build: Callable[[int], Affine | Bent], latent: int) -> None:
    noise = torch.randn(200, latent, generator=seeded(), dtype=torch.float64)
    both = both_densities(build(latent), noise)
    torch.testing.assert_close(both.changed, both.direct, rtol=0, atol=1e-12)
    torch.testing.assert_close(build(latent).inverse(both.z), noise, rtol=0, atol=1e-12)


def test_the_posterior_of_a_model_is_such_a_map() -> None:
    q = DiagonalGaussian(
        torch.randn(1, 4, generator=seeded()).double(), torch.randn(1, 4, generator=seeded(1)).double()
    )
    noise = torch.randn(50, 4, generator=seeded(2), dtype=torch.float64)
    both = both_densities(Affine.scaled(q.mean[0], q.std[0]), noise)
    torch.testing.assert_close(both.changed, q.log_prob(both.z), rtol=0, atol=1e-12)
    torch.testing.assert_close(both.log_volume, (0.5 * q.logvar.sum()).expand(50), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bend", [0.0, 1.2, -1.2])
def test_the_density_of_a_bent_code_counts_its_draws(bend: float) -> None:
    bent = Bent(Affine(numbers([0.4]), numbers([[0.8]])), bend)
    z = bent(torch.randn(400_000, 1, generator=seeded(), dtype=torch.float64))
    edges = torch.linspace(-1.5, 2, 36, dtype=torch.float64)
    found = torch.histogram(z[:, 0], edges)[0] / len(z)
    fine = torch.linspace(-1.5, 2, 3501, dtype=torch.float64)
    density = bent.log_density(fine[:, None]).exp()
    expected = torch.cumulative_trapezoid(density, fine)[99::100].diff(prepend=numbers([0]))
    assert ((found - expected).abs() < 5 * (expected / len(z)).sqrt()).all()


def test_the_volume_differs_from_place_to_place_only_where_the_map_is_bent() -> None:
    noise = torch.randn(100, 2, generator=seeded(), dtype=torch.float64)
    affine = Affine(shift(2), factor(2))
    assert float(both_densities(affine, noise).log_volume.std()) < 1e-12
    assert float(both_densities(Bent(affine, 0.7), noise).log_volume.std()) > 0.1


@pytest.mark.parametrize("lower", [[[1.0, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]], [[-1.0, 0.0], [0.0, 1.0]]])
def test_a_factor_that_is_not_triangular_or_not_invertible_is_refused(lower: list) -> None:
    with pytest.raises(InputError, match="lower triangular"):
        Affine(numbers([0, 0]), numbers(lower))


KL_TABLE = [
    (0, 1, 0.0),
    (1, 1, 0.5),
    (0, 2, 0.806852819440),
    (0, 0.5, 0.318147180560),
    (0.5, 0.1, 1.932585092994),
    (-3, 0.01, 8.605220185988),
    (2, 3, 4.901387711332),
]
kl_table = pytest.mark.parametrize(("mean", "std", "kl"), KL_TABLE)


def single(mean: float, std: float) -> DiagonalGaussian:
    return DiagonalGaussian(numbers([[mean]]), 2 * numbers([[std]]).log())


@kl_table
def test_the_halves_of_the_kl_differ_by_the_kl(mean: float, std: float, kl: float) -> None:
    q = single(mean, std)
    difference = float(expected_log_posterior(q) - expected_log_prior(q))
    assert (difference, float(q.kl())) == pytest.approx((kl, kl), abs=1e-11)


@kl_table
def test_the_halves_agree_with_quadrature(mean: float, std: float, kl: float) -> None:
    q = single(mean, std)
    z = torch.linspace(mean - 12 * std, mean + 12 * std, 4001, dtype=torch.float64)[:, None]
    log_q = q.log_prob(z)
    log_p = -0.5 * (z[:, 0].square() + math.log(2 * math.pi))
    halves = [float(torch.trapezoid(log_q.exp() * part, z[:, 0])) for part in (log_p, log_q)]
    assert halves == pytest.approx([float(expected_log_prior(q)), float(expected_log_posterior(q))], abs=1e-10)


@kl_table
@pytest.mark.parametrize("samples", [1, 10])
def test_the_sampled_kl_has_the_exact_mean_and_error(mean: float, std: float, kl: float, samples: int) -> None:
    q = single(mean, std)
    many = DiagonalGaussian(q.mean.expand(100_000, 1), q.logvar.expand(100_000, 1))
    found, error = sampled_kl(many, samples, seeded()), float(sampled_kl_error(q, samples))
    assert abs(float(found.mean()) - kl) <= 4.5 * error / math.sqrt(len(found)) + 1e-12
    assert float(found.std()) == pytest.approx(error, rel=0.03, abs=1e-12)


def test_the_error_of_the_sampled_kl_is_that_of_the_table() -> None:
    assert float(sampled_kl_error(single(0.5, 0.1)).square()) == pytest.approx(0.49255, abs=1e-12)
    with pytest.raises(InputError, match="at least 1"):
        sampled_kl(single(0, 1), 0)
