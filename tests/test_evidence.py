"""The evidence by importance sampling, against linear-Gaussian models wired by hand whose ln p(x) is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vae_core.evaluation import baseline, evaluate
from vae_core.evidence import effective_sample_size, importance, importance_log_evidence, log_weights
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian, Likelihood
from vae_core.nets import Linear, Mlp
from vae_core.oracle import LinearGaussian
from vae_core.spec import InputError, Shape, Split
from vae_core.vae import VAE


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def numbers(values: list) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LINE = LinearGaussian(numbers([[1]]), numbers([0]), 0.5)
LINE_X = numbers([[1.5]])
LINE_EVIDENCE = float(LINE.log_evidence(LINE_X))
PLANE = LinearGaussian(numbers([[1, 0], [0.5, 1], [-1, 2]]), numbers([0.1, -0.2, 0.3]), 0.5)
PLANE_X = numbers([[0.7, -0.4, 1.9]])


def wired(oracle: LinearGaussian, std: Tensor | None = None, mean: Tensor | None = None) -> VAE:
    """`oracle` as a VAE; q has the exact posterior mean unless one is given, and `std` (default: the best)."""
    pixels, latent = oracle.weight.shape
    vae = VAE(Linear(), Gaussian(sigma=oracle.sigma), (1, 1, pixels), latent).double()
    covariance = oracle.posterior(oracle.bias)[1]
    to_mean = covariance @ oracle.weight.T / oracle.sigma**2
    best = oracle.best_factorised(oracle.bias)[1]
    weights = {
        "encoder.mean.weight": to_mean if mean is None else torch.zeros_like(to_mean),
        "encoder.mean.bias": -to_mean @ oracle.bias if mean is None else mean,
        "encoder.logvar": 2 * (best if std is None else std).log(),
        "decoder.0.weight": oracle.weight,
        "decoder.0.bias": oracle.bias,
    }
    vae.load_state_dict(weights)
    vae.head.logvar.fill_(2 * math.log(oracle.sigma))
    return vae.eval()


def prior(oracle: LinearGaussian) -> VAE:
    latent = oracle.weight.shape[1]
    return wired(oracle, torch.ones(latent).double(), torch.zeros(latent).double())


def estimates(vae: VAE, x: Tensor, samples: int, repeats: int = 1, seed: int = 0) -> Tensor:
    return importance_log_evidence(vae, x.repeat(repeats, 1)[:, None, None], samples, seeded(seed))


def standard_error(values: Tensor) -> float:
    return float(values.std()) / math.sqrt(len(values))


@pytest.mark.parametrize("samples", [1, 2, 100, 10_000])
def test_the_exact_posterior_gives_the_exact_evidence_from_any_number_of_samples(samples: int) -> None:
    x = numbers([[1.5], [-3.0], [0.0]])
    found = estimates(wired(LINE), x, samples)
    torch.testing.assert_close(found, LINE.log_evidence(x), rtol=0, atol=1e-11)


def test_under_the_exact_posterior_all_weights_are_equal() -> None:
    vae, x = wired(LINE), LINE_X[:, None, None]
    weights = log_weights(vae, x, vae.encode(x), 50, seeded()).detach()
    torch.testing.assert_close(weights, torch.full_like(weights, LINE_EVIDENCE), rtol=0, atol=1e-12)
    assert float(effective_sample_size(weights)) == pytest.approx(50, rel=1e-10)


def test_many_samples_find_the_evidence_of_every_image() -> None:
    x = PLANE.bias + 1.5 * torch.randn(5, 3, generator=seeded(), dtype=torch.float64)
    found = estimates(wired(PLANE), x, 500, repeats=40).view(40, 5)
    error = found.std(0) / math.sqrt(40)
    assert ((found.mean(0) - PLANE.log_evidence(x)).abs() < 4 * error + 0.478 / 1000).all()


@pytest.mark.parametrize("samples", [1, 3, 30])
def test_the_estimate_of_p_is_unbiased(samples: int) -> None:
    found = estimates(prior(LINE), LINE_X, samples, repeats=20_000).exp()
    assert abs(float(found.mean()) - math.exp(LINE_EVIDENCE)) < 4 * standard_error(found)


@pytest.mark.parametrize(("samples", "bias", "rounding"), [(1, -4.795281, 0), (10, -0.19, 0.005), (100, -0.013, 0.001)])
def test_its_logarithm_errs_low_by_the_known_amount(samples: int, bias: float, rounding: float) -> None:
    found = estimates(prior(LINE), LINE_X, samples, repeats=20_000) - LINE_EVIDENCE
    assert abs(float(found.mean()) - bias) < 4 * standard_error(found) + rounding


def gaussian(mean: list[float], std: list[float]) -> Callable[[], VAE]:
    return lambda: wired(PLANE, numbers(std), numbers(mean))


@pytest.mark.parametrize(
    ("vae", "bounds"),
    [
        (lambda: prior(PLANE), {10: -6.319, 100: -5.726}),
        (gaussian([0.5, 0.8], [0.4, 0.3]), {10: -6.123, 100: -5.771}),
        (lambda: wired(PLANE), {1: -5.785, 10: -5.707, 100: -5.6937}),
    ],
    ids=["prior", "off", "best"],
)
def test_the_importance_weighted_bounds_are_those_of_the_table(vae: Callable[[], VAE], bounds: dict) -> None:
    for samples, bound in bounds.items():
        found = estimates(vae(), PLANE_X, samples, repeats=5000)
        assert abs(float(found.mean()) - bound) < 4 * standard_error(found) + 0.009


def test_more_samples_tighten_the_bound_and_never_cross_the_evidence() -> None:
    vae = gaussian([0.5, 0.8], [0.4, 0.3])()
    exact = float(PLANE.elbo(PLANE_X, numbers([[0.5, 0.8]]), numbers([[0.4, 0.3]])))
    found = [estimates(vae, PLANE_X, samples, repeats=4000) for samples in (1, 2, 10, 100)]
    means = [exact, *(float(values.mean()) for values in found[1:]), float(PLANE.log_evidence(PLANE_X))]
    assert abs(float(found[0].mean()) - exact) < 4 * standard_error(found[0])
    assert means == sorted(means)


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_memory_is_bounded_and_the_answer_does_not_depend_on_the_bound(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae, decoded = wired(PLANE), []
    decode = vae.decode
    monkeypatch.setattr(importance, "ROWS", rows)
    monkeypatch.setattr(vae, "decode", lambda z: decoded.append(len(z)) or decode(z))
    for count, samples in ((1, 1), (3, 10), (10, 2)):
        decoded.clear()
        assert estimates(vae, PLANE_X, samples, repeats=count).shape == (count,)
        assert max(decoded) <= rows
        assert sum(decoded) == count * samples
    found = estimates(vae, PLANE_X, 10, repeats=150)
    assert abs(float(found.mean()) + 5.707) < 4 * standard_error(found) + 0.009


def test_chunks_leave_images_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.linspace(-3, 3, 23, dtype=torch.float64)[:, None]
    for rows in (4, 50, 8192):
        monkeypatch.setattr(importance, "ROWS", rows)
        torch.testing.assert_close(estimates(wired(LINE), x, 9), LINE.log_evidence(x), rtol=0, atol=1e-11)


@pytest.mark.parametrize("samples", [1, 10_000])
@pytest.mark.parametrize(
    "likelihood", [Bernoulli(), Binomial(), ContinuousBernoulli(), Gaussian()], ids=lambda v: v.kind
)
def test_every_density_has_an_evidence_below_that_of_its_best_code(likelihood: Likelihood, samples: int) -> None:
    vae = VAE(Mlp(widths=(4,)), likelihood, (1, 2, 2), 2)
    x = vae.prepare(torch.randint(0, 256, (3, 1, 2, 2), dtype=torch.uint8, generator=seeded()), seeded())
    found = importance_log_evidence(vae, x, samples, seeded())
    assert found.shape == (3,)
    assert found.isfinite().all()
    assert not found.requires_grad
    assert torch.equal(found, importance_log_evidence(vae, x, samples, seeded()))


def test_a_binary_model_has_evidences_that_sum_to_one() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = VAE(Mlp(widths=(8,), activation="tanh", gain=3.0), Bernoulli(), (1, 1, 3), 2)
    for parameter in vae.encoder.parameters():
        torch.nn.init.zeros_(parameter)
    outcomes = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)[:, None, None]
    total = importance_log_evidence(vae, outcomes, 20_000, seeded()).exp().sum()
    assert float(total) == pytest.approx(1, abs=0.02)


def test_grey_values_under_a_bernoulli_have_no_evidence() -> None:
    vae = VAE(Linear(), Bernoulli(binarise="never"), (1, 1, 1), 1)
    with pytest.raises(InputError, match=r"no ln p\(x\)") as refusal:
        importance_log_evidence(vae, torch.full((1, 1, 1, 1), 0.5))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("weights", "size"), [([1, 1, 1, 1], 4), ([1, 0, 0], 1), ([1, 2, 3], 2.5714285714), ([5], 1)])
@pytest.mark.parametrize("shift", [0.0, 800.0, -800.0])
def test_the_effective_sample_size_counts_equal_weights(weights: list, size: float, shift: float) -> None:
    found = effective_sample_size(numbers(weights).log() + shift)
    assert float(found) == pytest.approx(size, abs=1e-9)


def test_the_effective_share_of_the_prior_tends_to_its_limit() -> None:
    vae, x = prior(PLANE), PLANE_X[:, None, None].repeat(20, 1, 1, 1)
    weights = log_weights(vae, x, vae.encode(x), 20_000, seeded()).detach()
    size = effective_sample_size(weights)
    assert size.shape == (20,)
    assert float(size.mean()) / 20_000 == pytest.approx(1 / (1 + 7.0638), abs=0.002)


def some_split(count: int = 30) -> Split:
    return Split(torch.randint(0, 17, (count, 1, 4, 4), dtype=torch.uint8, generator=seeded()), top=16)


@pytest.mark.parametrize("binarise", ["stochastic", "fixed", "threshold", "never"])
def test_an_evaluation_is_repeatable_and_has_evidence_where_there_is_one(binarise: str) -> None:
    vae = VAE(Mlp(widths=(8,)), Bernoulli(binarise=binarise), Shape(1, 4, 4, 16), 2)
    numbers = evaluate(vae, some_split(), samples=20, images=10)
    assert numbers == evaluate(vae, some_split(), samples=20, images=10)
    assert (numbers["nll"] is None) == (binarise == "never")
    assert numbers["elbo"] == pytest.approx(numbers["reconstruction"] - numbers["kl"])
    assert numbers["kl"] == pytest.approx(sum(numbers["kl_per_dimension"]), rel=1e-5)
    assert (numbers["count"], numbers["images"], numbers["samples"]) == (30, 10, 20)


def test_an_evaluation_puts_the_model_into_no_other_mode_for_training() -> None:
    vae = VAE(Mlp(widths=(8,)), Gaussian(noise="optimal"), Shape(1, 4, 4, 16), 2)
    before = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    evaluate(vae, some_split(), samples=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in vae.state_dict().items())


def test_a_model_that_ignores_its_code_reaches_the_baseline() -> None:
    split = some_split(200)
    vae = VAE(Mlp(widths=(8,)), Binomial(), Shape(1, 4, 4, 16), 2)
    for parameter in vae.parameters():
        torch.nn.init.zeros_(parameter)
    vae.start_at_mean(split.images)
    numbers = evaluate(vae, split, samples=3)
    expected = baseline(vae.likelihood, split.images, vae.prepare(split.images), split.top)
    assert (numbers["elbo"], -numbers["nll"]) == pytest.approx((expected, expected), rel=1e-5)
