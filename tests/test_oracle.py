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
from vae_core.oracle import LinearGaussian, QuadratureModel, bernoulli_model, ppca_optimum
from vae_core.spec import InputError


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


# More closed forms: χ², averages over Gaussian data, any β

OFF = numbers([0.5, 0.8]), numbers([0.4, 0.3])


@pytest.mark.parametrize(
    ("q", "value", "digits"),
    [(PRIOR, 7.0638, 5e-5), (OFF, 26.082, 5e-4), ((BEST_MEAN, BEST_STD), 0.47798, 5e-6)],
    ids=["prior", "off", "best"],
)
def test_the_example_has_the_chi_squares_of_the_table(q: tuple, value: float, digits: float) -> None:
    assert float(EXAMPLE.chi_square(X, *q)) == pytest.approx(value, abs=digits)


@every
def test_the_chi_square_is_that_of_the_ratio_of_densities(oracle: LinearGaussian) -> None:
    """E_q[(p/q)²] = ∫ p²/q, whose integrand is the Gaussian that it is at its peak times a known volume."""
    x = some_x(oracle)
    mean, covariance = oracle.posterior(x)
    wide = covariance.diagonal().sqrt() * 1.3 + some_q(oracle)[1]
    p = MultivariateNormal(mean, covariance)
    q = MultivariateNormal(some_q(oracle)[0], wide.square().diag_embed())
    precision = 2 * torch.linalg.inv(covariance) - q.precision_matrix
    pull = 2 * (torch.linalg.inv(covariance) @ mean[..., None]) - q.precision_matrix @ q.loc[..., None]
    peak = torch.linalg.solve(precision, pull).squeeze(-1)
    volume = 0.5 * (mean.shape[-1] * math.log(2 * math.pi) - torch.logdet(precision))
    expected = (2 * p.log_prob(peak) - q.log_prob(peak) + volume).expm1()
    torch.testing.assert_close(oracle.chi_square(x, q.loc, wide), expected, rtol=1e-8, atol=1e-10)


def test_a_proposal_narrower_than_half_the_variance_has_no_chi_square() -> None:
    mean, covariance = EXAMPLE.posterior(X)
    least = torch.linalg.eigvalsh(2 * torch.linalg.inv(covariance))[0].rsqrt().expand(2)
    assert EXAMPLE.chi_square(X, mean, 1.001 * least).isfinite()
    assert EXAMPLE.chi_square(X, mean, 0.999 * least).isinf()
    found = EXAMPLE.chi_square(X.repeat(2, 1), mean.repeat(2, 1), torch.stack([numbers([0.05, 0.05]), BEST_STD]))
    assert found.isinf().tolist() == [True, False]
    assert float(found[1]) > 0.47


def test_the_exact_posterior_has_no_chi_square_left() -> None:
    oracle, x = LinearGaussian(numbers([[1]]), numbers([0]), 0.5), numbers([[1.5], [-3]])
    mean, covariance = oracle.posterior(x)
    torch.testing.assert_close(oracle.chi_square(x, mean, covariance[0].sqrt()), numbers([0, 0]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("latent", "value"), [(1, 8.06), (2, 64.9), (5, 3.4e4), (10, 1.2e9), (20, 1.3e18)])
def test_the_chi_square_of_the_prior_grows_with_the_dimension(latent: int, value: float) -> None:
    oracle = LinearGaussian(torch.eye(latent).double(), torch.zeros(latent), 0.1)
    half = torch.full((latent,), 0.5).double()
    found = 1 + float(oracle.chi_square(half, torch.zeros(latent), torch.ones(latent)))
    assert found == pytest.approx(value, rel=0.06)
    wide, narrow = 1.0, 0.01 / 1.01
    one = wide / math.sqrt(narrow * (2 * wide - narrow)) * math.exp((0.5 / 1.01) ** 2 / (2 * wide - narrow))
    assert found == pytest.approx(one**latent, rel=1e-10)


@every
def test_the_average_evidence_of_gaussian_data_is_three_exact_numbers(oracle: LinearGaussian) -> None:
    """The average of ln p(x), a square of x, over a sample depends on its mean and covariance alone."""
    x = some_x(oracle, 40) + 0.3
    found = oracle.expected_evidence(x.mean(0), torch.cov(x.T, correction=0).reshape(len(oracle.bias), -1))
    assert found.value == pytest.approx(float(oracle.log_evidence(x).mean()), abs=1e-9)
    assert found.value == pytest.approx(-found.entropy - found.divergence, abs=1e-9)
    assert found.divergence > 0
    own = oracle.expected_evidence(marginal(oracle).mean, marginal(oracle).covariance_matrix)
    assert own.divergence == pytest.approx(0, abs=1e-10)
    assert own.entropy == pytest.approx(float(marginal(oracle).entropy()), abs=1e-10)


SPECTRUM = numbers([5, 3, 1.2, 0.6, 0.2]).diag()
HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("beta", "norms"),
    [
        (0.5, [4.75, 2.75, 0.95, 0.35, 0]),
        (1.0, [4.5, 2.5, 0.7, 0.1, 0]),
        (2.0, [4, 2, 0.2, 0, 0]),
        (4.0, [3, 1, 0, 0, 0]),
    ],
)
def test_a_direction_is_worth_a_latent_above_the_price(beta: float, norms: list[float]) -> None:
    found = ppca_optimum(SPECTRUM, 5, HALF, beta)
    assert found.squared_norms.tolist() == pytest.approx(norms, abs=1e-12)
    assert found.active == sum(norm > 0 for norm in norms)
    expected = [0.5 * math.log(max(1.0, value / (0.5 * beta))) for value in (5, 3, 1.2, 0.6, 0.2)]
    assert found.kl.tolist() == pytest.approx(expected, abs=1e-12)


def objective(oracle: LinearGaussian, mean: Tensor, std: Tensor, x: Tensor, beta: float) -> tuple[float, float]:
    """The ELBO at β = 1, and the β-weighted one: means over x."""
    bound = oracle.elbo(x, mean, std)
    kl = 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).sum(-1)
    return float(bound.mean()), float((bound + (1 - beta) * kl).mean())


def at_optimum(x: Tensor, latent: int, sigma: float | None, beta: float, scale: float = 1.0) -> tuple[float, float]:
    """`objective` at the closed form: q is the posterior of pPCA with noise βσ²; `scale` moves σ alone."""
    covariance = torch.cov(x.T, correction=0)
    found = ppca_optimum(covariance, latent, sigma, beta)
    vectors = torch.linalg.eigh(covariance)[1].flip(-1)[:, :latent]
    weight, noise = vectors * found.squared_norms.sqrt(), found.noise * scale
    again = ppca_optimum(covariance, latent, math.sqrt(noise), beta)
    weight = vectors * again.squared_norms.sqrt()
    twin = LinearGaussian(weight, x.mean(0), math.sqrt(beta * noise))
    mean, spread = twin.posterior(x)
    return objective(LinearGaussian(weight, x.mean(0), math.sqrt(noise)), mean, spread.diagonal().sqrt(), x, beta)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("latent", [2, 4])
def test_the_optimum_at_any_beta_has_the_elbo_of_the_closed_form(beta: float, latent: int) -> None:
    x = random_numbers(300, 6) @ random_numbers(6, 6, seed=1) * 0.4
    fixed = ppca_optimum(torch.cov(x.T, correction=0), latent, 0.4, beta)
    assert at_optimum(x, latent, 0.4, beta)[0] == pytest.approx(fixed.elbo, abs=1e-10)
    learned = ppca_optimum(torch.cov(x.T, correction=0), latent, None, beta)
    best = at_optimum(x, latent, None, beta)
    assert best[0] == pytest.approx(learned.elbo, abs=1e-10)
    for scale in (0.7, 0.97, 1.03, 1.4):
        assert at_optimum(x, latent, None, beta, scale)[1] < best[1]
    if beta == 1:
        assert learned.noise == pytest.approx(float(learned.eigenvalues[latent:].mean()))


def digits_covariance() -> Tensor:
    train, _ = Digits().load()
    return torch.cov((train.images.double() / train.top).flatten(1).T, correction=0)


def test_the_digits_have_their_known_learned_noise_and_their_known_prices() -> None:
    learned = ppca_optimum(digits_covariance(), 20)
    assert learned.noise == pytest.approx(0.01120521, abs=5e-9)
    assert learned.elbo == pytest.approx(27.44009, abs=5e-6)
    dear = ppca_optimum(digits_covariance(), 20, math.sqrt(0.1), 4.0)
    assert dear.active == 4
    assert float(dear.kl[3]) == pytest.approx(0.002, abs=5e-4)
    assert float(dear.kl[4]) == 0
    counted = [0.6881, 0.6360, 0.5498, 0.4017, 0.2744]
    assert dear.eigenvalues[:5].tolist() == pytest.approx(counted, abs=6e-5)


def test_a_noise_that_would_vanish_is_refused() -> None:
    with pytest.raises(InputError, match="left over"):
        ppca_optimum(numbers([2, 1, 0, 0]).diag(), 2)


def test_more_latents_than_directions_are_of_no_use() -> None:
    found = ppca_optimum(SPECTRUM, 8, HALF)
    assert found.kl.shape == (8,)
    assert found.elbo == pytest.approx(ppca_optimum(SPECTRUM, 5, HALF).elbo)


# By quadrature

COINS = bernoulli_model(numbers([1, 0, 1]), numbers([[2], [-1], [3]]), numbers([0.5, -0.25, -1]))


def test_one_coin_has_an_even_chance() -> None:
    one = bernoulli_model(numbers([1]), numbers([[2]]), numbers([0]))
    assert one.log_evidence == pytest.approx(-math.log(2), abs=1e-12)


@pytest.mark.parametrize(
    ("mean", "std", "reconstruction", "bound", "gap"),
    [
        (0.0, 1.0, -3.4751873608, -3.4751873608, 2.0699024173),
        (0.8, 0.6, -0.9880376472, -1.4988632710, 0.0935783275),
        (1.0, 0.7, -0.8341364402, -1.4358113842, 0.0305264407),
    ],
)
def test_three_coins_have_the_bounds_of_the_table(
    mean: float, std: float, reconstruction: float, bound: float, gap: float
) -> None:
    q = numbers([mean]), numbers([std])
    found = float(COINS.reconstruction(*q)), float(COINS.elbo(*q)), COINS.kl_to_posterior(*q)
    assert found == pytest.approx((reconstruction, bound, gap), abs=1e-10)
    assert found[1] + found[2] == pytest.approx(-1.4052849435, abs=1e-10)
    assert COINS.log_evidence == pytest.approx(-1.4052849435, abs=1e-10)


def test_no_gaussian_is_closer_to_three_coins_than_the_best() -> None:
    mean, std = COINS.best_factorised()
    best = float(COINS.elbo(mean, std))
    assert float(COINS.elbo(numbers([1.0]), numbers([0.7]))) < best < COINS.log_evidence
    for shift, scale in ((0.02, 1.0), (-0.02, 1.0), (0.0, 1.03), (0.0, 0.97)):
        assert float(COINS.elbo(mean + shift, std * scale)) < best


def test_quadrature_in_the_plane_finds_the_closed_forms() -> None:
    model = QuadratureModel(lambda z: EXAMPLE.log_likelihood(X, z), 2)
    assert model.log_evidence == pytest.approx(EVIDENCE, abs=1e-10)
    posterior, (mean, covariance) = model.posterior(), EXAMPLE.posterior(X)
    found = posterior.moments()
    torch.testing.assert_close(found[0], mean, rtol=0, atol=1e-10)
    torch.testing.assert_close(found[1], covariance, rtol=0, atol=1e-10)
    assert float(posterior.density.sum() * posterior.cell) == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(posterior.codes[1] - posterior.codes[0], numbers([0, 18 / 400]))
    for q in (PRIOR, OFF, (BEST_MEAN, BEST_STD)):
        assert float(model.elbo(*q)) == pytest.approx(float(EXAMPLE.elbo(X, *q)), abs=1e-10)
        assert model.kl_to_posterior(*q) == pytest.approx(float(EXAMPLE.kl_to_posterior(X, *q)), abs=1e-9)
    best = model.best_factorised()
    torch.testing.assert_close(best[0], BEST_MEAN, rtol=0, atol=1e-6)
    torch.testing.assert_close(best[1], BEST_STD, rtol=0, atol=1e-5)


def test_the_likelihood_of_a_code_is_that_of_its_gaussian() -> None:
    z = random_numbers(4, 2)
    expected = MultivariateNormal(z @ EXAMPLE.weight.T + EXAMPLE.bias, 0.25 * torch.eye(3).double()).log_prob(X)
    torch.testing.assert_close(EXAMPLE.log_likelihood(X, z), expected)
    x = some_x(EXAMPLE, 5)
    found = EXAMPLE.log_likelihood(x, z[:, None])
    torch.testing.assert_close(found[:, 2], EXAMPLE.log_likelihood(x[2], z))
