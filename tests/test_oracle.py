"""The closed forms against torch.distributions, quadrature and the printed tables."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from vae_core.datasets import Digits
from vae_core.gaussian import DiagonalGaussian, standard_normal_log_prob
from vae_core.oracle import LinearGaussian, ppca_optimum


def numbers(values: list) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def random_numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


EXAMPLE = LinearGaussian(numbers([[1, 0], [0.5, 1], [-1, 2]]), numbers([0.1, -0.2, 0.3]), 0.5)
X = numbers([0.7, -0.4, 1.9])
BEST_MEAN, BEST_STD = EXAMPLE.best_factorised(X)
EVIDENCE = -5.691384466162
PRIOR = numbers([0, 0]), numbers([1, 1])
TABLE = [
    (*PRIOR, -21.0973740579, 0.0, -21.0973740579, 15.4059895918),
    (numbers([0.5, 0.8]), numbers([0.4, 0.3]), -5.9423740579, 1.6902635362, -7.6326375941, 1.9412531280),
    (BEST_MEAN, BEST_STD, -3.8864896233, 1.8989209586, -5.7854105819, 0.0940261158),
]
rows = pytest.mark.parametrize(("mean", "std", "reconstruction", "kl", "bound", "gap"), TABLE)

SIZES = [(1, 1), (5, 2), (2, 5), (4, 4)]


def model(pixels: int, latent: int) -> LinearGaussian:
    return LinearGaussian(random_numbers(pixels, latent), random_numbers(pixels, seed=1), 0.3 + 0.1 * pixels)


every = pytest.mark.parametrize(
    "oracle", [EXAMPLE, *(model(*size) for size in SIZES)], ids=lambda m: str(m.weight.shape)
)


def some_x(oracle: LinearGaussian, count: int = 6) -> Tensor:
    return 2 * random_numbers(count, len(oracle.bias), seed=2)


def some_q(oracle: LinearGaussian, count: int = 6) -> tuple[Tensor, Tensor]:
    latent = oracle.weight.shape[1]
    return random_numbers(count, latent, seed=3), (0.5 * random_numbers(count, latent, seed=4)).exp()


def marginal(oracle: LinearGaussian) -> MultivariateNormal:
    identity = torch.eye(len(oracle.bias), dtype=torch.float64)
    return MultivariateNormal(oracle.bias, oracle.weight @ oracle.weight.T + oracle.sigma**2 * identity)


def test_the_example_has_the_evidence_and_posterior_of_the_table() -> None:
    assert float(EXAMPLE.log_evidence(X)) == pytest.approx(EVIDENCE, abs=1e-12)
    mean, covariance = EXAMPLE.posterior(X)
    expected = numbers([[0.12068966, 0.03448276], [0.03448276, 0.05747126]])
    torch.testing.assert_close(mean, numbers([-0.11724138, 0.53793103]), rtol=0, atol=5e-9)
    torch.testing.assert_close(covariance, expected, rtol=0, atol=5e-9)
    torch.testing.assert_close(BEST_STD, numbers([0.316228, 0.218218]), rtol=0, atol=5e-7)


@rows
def test_the_example_has_the_bounds_of_the_table(
    mean: Tensor, std: Tensor, reconstruction: float, kl: float, bound: float, gap: float
) -> None:
    elbo, price = float(EXAMPLE.elbo(X, mean, std)), float(DiagonalGaussian(mean[None], 2 * std[None].log()).kl().sum())
    measured = float(EXAMPLE.kl_to_posterior(X, mean, std))
    assert (price, elbo, elbo + price, measured) == pytest.approx((kl, bound, reconstruction, gap), abs=1e-10)
    assert elbo + measured == pytest.approx(EVIDENCE, abs=1e-12)


def test_one_dimension_has_its_golden_values() -> None:
    oracle, x = LinearGaussian(numbers([[1]]), numbers([0]), 0.5), numbers([1.5])
    mean, covariance = oracle.posterior(x)
    assert (float(mean), float(covariance)) == pytest.approx((1.2, 0.2), abs=1e-15)
    assert float(oracle.log_evidence(x)) == pytest.approx(-1.930510, abs=5e-7)
    assert float(oracle.elbo(x, mean, covariance[0].sqrt())) == pytest.approx(float(oracle.log_evidence(x)), abs=1e-14)
    assert float(oracle.elbo(x, numbers([0]), numbers([1]))) == pytest.approx(-6.725791, abs=5e-7)
    assert float(oracle.kl_to_posterior(x, numbers([0]), numbers([1]))) == pytest.approx(4.795281, abs=5e-7)


@every
def test_the_evidence_is_that_of_the_marginal_gaussian(oracle: LinearGaussian) -> None:
    x = some_x(oracle)
    torch.testing.assert_close(oracle.log_evidence(x), marginal(oracle).log_prob(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(oracle.log_evidence(x[0]), oracle.log_evidence(x)[0])


@every
def test_the_posterior_is_the_joint_gaussian_conditioned_on_x(oracle: LinearGaussian) -> None:
    x, weight = some_x(oracle), oracle.weight
    regression = weight.T @ torch.linalg.inv(marginal(oracle).covariance_matrix)
    mean, covariance = oracle.posterior(x)
    torch.testing.assert_close(mean, (x - oracle.bias) @ regression.T, rtol=1e-11, atol=1e-11)
    identity = torch.eye(weight.shape[1], dtype=torch.float64)
    torch.testing.assert_close(covariance, identity - regression @ weight, rtol=1e-11, atol=1e-11)


@every
def test_bayes_rule_holds_at_every_code(oracle: LinearGaussian) -> None:
    x = some_x(oracle)
    z = some_q(oracle)[0]
    likelihood = MultivariateNormal(
        z @ oracle.weight.T + oracle.bias, oracle.sigma**2 * torch.eye(len(oracle.bias)).double()
    )
    mean, covariance = oracle.posterior(x)
    evidence = likelihood.log_prob(x) + standard_normal_log_prob(z) - MultivariateNormal(mean, covariance).log_prob(z)
    torch.testing.assert_close(evidence, oracle.log_evidence(x), rtol=1e-11, atol=1e-11)


@every
def test_bound_and_gap_add_up_to_the_evidence(oracle: LinearGaussian) -> None:
    x, (mean, std) = some_x(oracle), some_q(oracle)
    total = oracle.elbo(x, mean, std) + oracle.kl_to_posterior(x, mean, std)
    torch.testing.assert_close(total, oracle.log_evidence(x), rtol=1e-12, atol=1e-12)


@every
def test_the_gap_is_the_divergence_of_torch(oracle: LinearGaussian) -> None:
    x, (mean, std) = some_x(oracle), some_q(oracle)
    theirs = kl_divergence(
        MultivariateNormal(mean, std.square().diag_embed()), MultivariateNormal(*oracle.posterior(x))
    )
    torch.testing.assert_close(oracle.kl_to_posterior(x, mean, std), theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("mean", "std"), [row[:2] for row in TABLE])
def test_the_bound_is_the_quadrature_of_its_definition(mean: Tensor, std: Tensor) -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    noise = numbers(list(itertools.product(nodes, repeat=2)))
    weight = numbers([a * b for a, b in itertools.product(weights / math.sqrt(2 * math.pi), repeat=2)])
    z = mean + std * noise
    residual = (X - EXAMPLE.bias - z @ EXAMPLE.weight.T) / EXAMPLE.sigma
    log_q = standard_normal_log_prob(noise) - std.log().sum()
    terms = standard_normal_log_prob(residual) - 3 * math.log(EXAMPLE.sigma) + standard_normal_log_prob(z) - log_q
    assert float(weight @ terms) == pytest.approx(float(EXAMPLE.elbo(X, mean, std)), abs=1e-11)


@every
def test_no_factorised_posterior_beats_the_best(oracle: LinearGaussian) -> None:
    x = some_x(oracle)
    mean, std = oracle.best_factorised(x)
    free = [mean.clone().requires_grad_(), std.log().expand_as(mean).clone().requires_grad_()]
    slopes = torch.autograd.grad(oracle.elbo(x, free[0], free[1].exp()).sum(), free)
    assert all(slope.abs().max() < 1e-10 for slope in slopes)
    best = oracle.elbo(x, mean, std)
    for scale in (0.8, 1.25):
        assert oracle.elbo(x, mean, std * scale).lt(best).all()
        assert oracle.elbo(x, mean + scale * std, std).lt(best).all()
    precision = torch.linalg.inv(oracle.posterior(x)[1])
    gap = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    torch.testing.assert_close(oracle.kl_to_posterior(x, mean, std), gap.expand(len(x)), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("latent", [1, 3, 6])
def test_the_optimum_is_the_mean_evidence_of_probabilistic_pca(latent: int, sigma: float) -> None:
    x = random_numbers(200, 6) @ random_numbers(6, 6, seed=1) * 0.4
    covariance = torch.cov(x.T, correction=0)
    eigenvalues, vectors = (part.flip(-1)[..., :latent] for part in torch.linalg.eigh(covariance))
    weight = vectors * (eigenvalues - sigma**2).clamp_min(0).sqrt()
    optimum = ppca_optimum(covariance, latent, sigma)
    value = optimum.elbo
    assert optimum.active == int((eigenvalues > sigma**2).sum())

    def mean_evidence(weight: Tensor) -> float:
        return float(LinearGaussian(weight, x.mean(0), sigma).log_evidence(x).mean())

    assert value == pytest.approx(mean_evidence(weight), abs=1e-10)
    for seed in range(5):
        assert mean_evidence(weight + 0.05 * random_numbers(6, latent, seed=seed)) < value


def test_the_bound_is_tight_at_the_optimum() -> None:
    x, sigma = random_numbers(200, 6) @ random_numbers(6, 6, seed=1), 0.7
    eigenvalues, vectors = (part.flip(-1)[..., :3] for part in torch.linalg.eigh(torch.cov(x.T, correction=0)))
    oracle = LinearGaussian(vectors * (eigenvalues - sigma**2).sqrt(), x.mean(0), sigma)
    mean, std = oracle.best_factorised(x)
    optimum = ppca_optimum(torch.cov(x.T, correction=0), 3, sigma)
    assert float(oracle.elbo(x, mean, std).mean()) == pytest.approx(optimum.elbo, abs=1e-10)
    torch.testing.assert_close(mean.var(0, correction=0), optimum.variance_of_means)


@pytest.mark.parametrize(
    ("eigenvalues", "variance", "active"),
    [([5, 3, 1.2, 0.6, 0.2], v, a) for v, a in [(0.25, 4), (0.5, 4), (1, 3), (2, 2)]],
)
def test_a_dimension_is_active_where_its_eigenvalue_exceeds_the_noise(
    eigenvalues: list[float], variance: float, active: int
) -> None:
    covariance = numbers(eigenvalues).diag()
    assert ppca_optimum(covariance, 5, math.sqrt(variance)).active == active
    assert ppca_optimum(covariance, 2, math.sqrt(variance)).active == 2


@pytest.mark.parametrize(
    ("variance", "value", "active"), [(0.5, -41.26574, 3), (0.1, -1.63156, 12), (0.03, 19.55693, 20)]
)
def test_the_digits_have_their_known_optimum(variance: float, value: float, active: int) -> None:
    train, _ = Digits().load()
    covariance = torch.cov((train.images.double() / train.top).flatten(1).T, correction=0)
    found = ppca_optimum(covariance, 20, math.sqrt(variance))
    assert found.elbo == pytest.approx(value, abs=1e-4)
    assert found.active == active


def test_an_oracle_computes_in_double_precision() -> None:
    oracle = LinearGaussian(EXAMPLE.weight.float(), EXAMPLE.bias.float(), 0.5)
    assert oracle.log_evidence(X.float()).dtype == torch.float64
    assert oracle.elbo(X.float(), BEST_MEAN.float(), BEST_STD.float()).dtype == torch.float64
