"""What the codes say about a model: known codes have known diagnostics, and collapse reads as exactly zero."""

from __future__ import annotations

import dataclasses
import inspect
import math
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from vae_core import diagnostics
from vae_core.datasets import Digits
from vae_core.diagnostics import (
    DIAGNOSTICS,
    PAIRS,
    Diagnostic,
    Encoded,
    active_units,
    active_units_curve,
    broken_bounds,
    collapsed,
    collapsed_curve,
    collapsed_fraction,
    data_eigenvalues,
    dead_units,
    decoder_response,
    decoder_responses,
    elbo,
    elbo_surgery,
    encode,
    encoder_signal,
    kl_per_dimension,
    kl_quantiles,
    marginal_kl,
    mutual_information,
    mutual_information_bracket,
    mutual_information_ceiling,
    noise_variance,
    pairwise_log_prob,
    polarised_regime,
    shuffle_cost,
    sigma_per_dimension,
    silent_units,
    variance_of_means,
    worth_of_a_code,
    zeroing_cost,
)
from vae_core.diagnostics.information import log_densities
from vae_core.evidence import log_weights
from vae_core.gaussian import DiagonalGaussian
from vae_core.heads import Normal
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian, Likelihood
from vae_core.nets import Conv, Linear, Mlp
from vae_core.oracle import ppca_optimum
from vae_core.spec import Shape
from vae_core.vae import VAE

SHAPE = Shape(1, 4, 4, 16)
every = pytest.mark.parametrize("diagnostic", DIAGNOSTICS, ids=lambda d: d.__name__)
of_codes = pytest.mark.parametrize(
    "diagnostic", [kl_per_dimension, active_units, mutual_information, marginal_kl, variance_of_means],
    ids=lambda d: d.__name__,
)  # fmt: skip
SHOWN = [
    function
    for name, function in vars(diagnostics).items()
    if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters)) == "e"
]


@cache
def model(seed: int = 0, latent: int = 3) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VAE(Mlp(widths=(8,), activation="tanh"), Bernoulli(), SHAPE, latent)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int) -> Tensor:
    return torch.randint(0, 17, (count, *SHAPE[:3]), dtype=torch.uint8, generator=seeded())


def codes(mean: Tensor, logvar: Tensor) -> Encoded:
    """Codes of images without anything on them, with a model that is of no matter."""
    return Encoded(DiagonalGaussian(mean, logvar), torch.zeros(len(mean), *SHAPE[:3]), model(latent=mean.shape[1]))


def known(count: int, seed: int = 0) -> Encoded:
    """x ~ N(0, 1), q(z|x) = N(0.9 x, 0.4²): 0.9010611 nats of mutual information."""
    mean = 0.9 * torch.randn(count, 1, generator=seeded(seed))
    return codes(mean, torch.full_like(mean, 2 * math.log(0.4)))


def some(count: int = 40, dimensions: int = 5) -> Encoded:
    mean, logvar = torch.randn(2, count, dimensions, generator=seeded())
    return codes(mean, logvar)


@of_codes
def test_collapse_reads_as_exactly_zero(diagnostic: Diagnostic) -> None:
    assert not torch.as_tensor(diagnostic(codes(torch.zeros(50, 4), torch.zeros(50, 4)))).any()


@every
def test_every_diagnostic_is_finite(diagnostic: Diagnostic) -> None:
    for e in (some(), some(1), codes(1e3 * some().posterior.mean, torch.full((40, 5), -20.0))):
        assert diagnostic(e).isfinite().all()
        if diagnostic is not shuffle_cost:  # a code can also do harm
            assert diagnostic(e).ge(-1e-6).all()


@every
def test_every_diagnostic_is_the_same_each_time(diagnostic: Diagnostic) -> None:
    before = torch.get_rng_state()
    assert torch.equal(diagnostic(some()), diagnostic(some()))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("function", SHOWN, ids=lambda f: f.__name__)
def test_every_diagnostic_says_what_it_measures_and_shows_how(function: Diagnostic) -> None:
    assert function.__doc__
    assert function.__doc__.splitlines()[0].endswith(".")
    assert len(inspect.getsource(function).splitlines()) <= 25


def test_what_a_page_may_show_is_found() -> None:
    assert len(SHOWN) >= 20
    assert {*DIAGNOSTICS} <= {*SHOWN}


def test_the_price_is_the_mean_over_images_of_each_dimension() -> None:
    e = some()
    torch.testing.assert_close(kl_per_dimension(e), e.posterior.kl().mean(0))
    order = torch.tensor([3, 0, 4, 1, 2])
    turned = codes(e.posterior.mean[:, order], e.posterior.logvar[:, order])
    torch.testing.assert_close(kl_per_dimension(turned), kl_per_dimension(e)[order])


def test_activity_uses_the_population_variance() -> None:
    signs = torch.tensor([1.0, -1.0]).repeat(50)[:, None]
    mean = signs * torch.tensor([1, 0.02, 0.0101, 0.00995, 0]).sqrt()
    assert active_units(codes(mean, torch.zeros_like(mean))) == 3
    assert (mean.var(0) > 0.01).sum() == 4


def test_activity_does_not_depend_on_order_offset_or_sign() -> None:
    e = some()
    mean = e.posterior.mean * torch.tensor([1, 0.05, 0.2, 0, 3])
    count = active_units(codes(mean, e.posterior.logvar))
    assert count == 3
    assert active_units(codes(5 - mean.flip(0).flip(1), -e.posterior.logvar)) == count


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_well_separated_codes_give_exactly_the_ceiling(count: int) -> None:
    mean = 100 * torch.arange(count, dtype=torch.float32)[:, None]
    e = codes(mean, torch.full_like(mean, -2.0))
    assert float(mutual_information(e)) == pytest.approx(math.log(count), abs=1e-5)
    assert mutual_information_ceiling(e) == math.log(count)


@pytest.mark.parametrize("seed", range(5))
def test_the_mutual_information_of_a_known_code_is_found(seed: int) -> None:
    e = known(1000, seed)
    assert 0.82 < float(mutual_information(e)) < 0.98
    assert mutual_information(e) <= mutual_information_ceiling(e)


def test_the_mutual_information_is_right_on_average() -> None:
    found = [float(mutual_information(known(1000, seed))) for seed in range(20)]
    assert sum(found) / len(found) == pytest.approx(0.9010611281, abs=0.03)


def test_the_price_is_mutual_information_and_the_distance_of_the_aggregate() -> None:
    x = torch.erfinv(2 * (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000 - 1)[:, None]
    mean = (0.9 * x / x.std(correction=0)).float()
    price = kl_per_dimension(codes(mean, torch.full_like(mean, 2 * math.log(0.4))))
    assert float(price) == pytest.approx(0.9010611281 + 0.0002296037, abs=1e-5)


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("spread", [0.01, 1.0, 100.0])
def test_the_mutual_information_is_never_above_its_ceiling(count: int, spread: float) -> None:
    e = some(count)
    wide = codes(spread * e.posterior.mean, 3 * e.posterior.logvar - 2)
    assert mutual_information(wide) <= mutual_information_ceiling(wide) + 1e-5


def test_only_the_first_thousand_images_count_as_pairs() -> None:
    many = known(PAIRS + 300)
    first = codes(many.posterior.mean[:PAIRS], many.posterior.logvar[:PAIRS])
    assert torch.equal(mutual_information(many), mutual_information(first))
    assert mutual_information_ceiling(many) == math.log(PAIRS)


@pytest.mark.parametrize("dimensions", [1, 7])
def test_three_matrix_products_are_the_density_of_every_pair(dimensions: int) -> None:
    mean, logvar = torch.randn(2, 31, dimensions, generator=seeded(), dtype=torch.float64)
    z = 3 * torch.randn(17, dimensions, generator=seeded(1), dtype=torch.float64)
    each = DiagonalGaussian(mean, 2 * logvar)
    naive = torch.stack([each.log_prob(code.expand_as(mean)) for code in z])
    torch.testing.assert_close(pairwise_log_prob(z, mean, 2 * logvar), naive, rtol=1e-11, atol=1e-11)


def test_images_are_binarised_once_and_the_same_each_time() -> None:
    e, again = encode(model(), images(20)), encode(model(), images(20))
    assert torch.equal(e.images, again.images)
    assert set(e.images.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(e.images, encode(model(), images(20), seed=1).images)


def test_the_posteriors_are_those_of_the_encoder() -> None:
    vae, labels = model(), torch.arange(2500)
    e = encode(vae, images(2500), labels)
    with torch.no_grad():
        q = vae.encode(e.images)
    torch.testing.assert_close(e.posterior.mean, q.mean)
    torch.testing.assert_close(e.posterior.logvar, q.logvar)
    assert torch.equal(e.labels, labels)
    assert not e.posterior.mean.requires_grad


def test_the_bound_of_encoded_images_does_not_jitter() -> None:
    e = encode(model(), images(1200))
    bound = elbo(e)
    assert torch.equal(bound.value(), elbo(e).value())
    assert torch.equal(bound.kl, e.posterior.kl())
    assert bound.log_likelihood.shape == (1200,)


def test_the_bound_of_encoded_images_is_the_models() -> None:
    vae = model()
    e = encode(vae, images(1).repeat(4000, 1, 1, 1))
    same = Encoded(e.posterior, e.images[:1].expand_as(e.images), vae)
    q = DiagonalGaussian(e.posterior.mean[:1].expand(4000, -1), e.posterior.logvar[:1].expand(4000, -1))
    fixed = elbo(Encoded(q, same.images, vae)).value()
    with torch.no_grad():
        drawn = vae.elbo(same.images, seeded(7)).value()
    error = math.hypot(float(fixed.std()), float(drawn.std())) / math.sqrt(4000)
    assert abs(float(fixed.mean() - drawn.mean())) < 4 * error


@pytest.mark.parametrize("spread", [1e2, 1e3, 1e4])
def test_mutual_information_of_sharp_and_far_codes_is_their_ceiling(spread: float) -> None:
    mean = spread * torch.randn(200, 20, generator=torch.Generator().manual_seed(0))
    e = codes(mean, torch.full_like(mean, -20.0))
    assert float(mutual_information(e)) <= math.log(200) + 1e-6
    assert float(mutual_information(e)) == pytest.approx(math.log(200), abs=1e-3)


# What the posteriors tell


def test_a_step_in_the_curve_of_active_units_is_a_variance() -> None:
    mean = torch.tensor([1.0, -1.0]).repeat(50)[:, None] * torch.tensor([1, 0.02, 0.0101, 0.00995, 0]).sqrt()
    e = codes(mean, torch.zeros_like(mean))
    thresholds = torch.tensor([0.0, 0.005, 0.01, 0.015, 0.5, 2.0])
    assert active_units_curve(e, thresholds).tolist() == [4, 4, 3, 2, 1, 0]
    assert active_units_curve(e, thresholds)[2] == active_units(e)


def test_collapse_allows_exactly_a_share_of_exceptions() -> None:
    """95 images without cost and 5 that pay: collapsed if a tenth may pay, not if a hundredth may."""
    mean = torch.zeros(100, 2)
    mean[:5, 0] = 3.0
    e = codes(mean, torch.zeros_like(mean))
    assert collapsed(e, 0.01, 0.1).tolist() == [True, True]
    assert collapsed(e, 0.01, 0.05).tolist() == [True, True]
    assert collapsed(e, 0.01, 0.01).tolist() == [False, True]
    assert float(collapsed_fraction(e)) == 0.5
    assert collapsed_curve(e, torch.tensor([0.01, 4.4, 4.6])).tolist() == [0.5, 0.5, 1.0]


def test_quantiles_tell_what_the_mean_hides() -> None:
    mean = torch.zeros(100, 1)
    mean[:5] = 4.0
    e = codes(mean, torch.zeros_like(mean))
    assert kl_quantiles(e, torch.tensor([0.0, 0.5, 0.9, 1.0])).squeeze(1).tolist() == [0, 0, 0, 8]
    assert float(kl_per_dimension(e)) == pytest.approx(0.4)


def test_dimensions_are_told_apart_by_mean_and_width() -> None:
    """One that says something, one at the prior, one that serves half of the images, one wide and still moving."""
    signs = torch.tensor([1.0, -1.0]).repeat(50)[:, None]
    mean = signs * torch.tensor([1.0, 0.0, 0.5, 0.5])
    variance = torch.tensor([0.1, 1.0, 0.1, 0.95]).repeat(100, 1)
    variance[50:, 2] = 1.0
    found = polarised_regime(codes(mean, variance.log()))
    assert found.names == ["active", "passive", "mixed", "mixed"]
    torch.testing.assert_close(found.noise, torch.tensor([0.1, 1.0, 0.55, 0.95]))
    torch.testing.assert_close(found.variance, torch.tensor([1.0, 0.0, 0.25, 0.25]))
    expected = torch.tensor([0.1**0.5, 1.0, (0.1**0.5 + 1) / 2, 0.95**0.5])
    torch.testing.assert_close(sigma_per_dimension(codes(mean, variance.log())), expected)


# Information


@pytest.mark.parametrize(("count", "low", "high"), [(8, 0.741, 1.322), (32, 0.846, 0.956), (128, 0.888, 0.930)])
def test_the_bracket_of_the_mutual_information_is_the_published_one(
    count: int, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The means over many draws of N images; the first is low, the second high, the truth (0.901) between them."""
    noise = seeded(9)
    monkeypatch.setattr("vae_core.diagnostics.information.fixed_noise", lambda z: torch.randn(z.shape, generator=noise))
    trials = 12_800 // count
    found = torch.tensor([mutual_information_bracket(known(count, seed))[:2] for seed in range(trials)]).double()
    error = found.std(0) / trials**0.5
    assert float(found[:, 0].mean()) == pytest.approx(low, abs=4 * float(error[0]) + 0.001)
    assert float(found[:, 1].mean()) == pytest.approx(high, abs=4 * float(error[1]) + 0.001)


def test_the_bracket_begins_with_the_estimate_and_knows_its_error() -> None:
    found = mutual_information_bracket(known(300))
    assert found.low == pytest.approx(float(mutual_information(known(300))), abs=1e-6)
    spread = torch.tensor([mutual_information_bracket(known(300, seed)).low for seed in range(1, 41)]).std()
    assert 0.7 < found.error / float(spread) < 1.4
    assert mutual_information_bracket(some(1)).high == math.inf


def test_the_bound_is_cut_into_parts_that_sum_exactly() -> None:
    for e in (known(1000), some(), known(PAIRS + 200)):
        parts = elbo_surgery(e)
        assert parts.mutual_information + parts.marginal_kl == pytest.approx(parts.kl, abs=1e-12)
        assert parts.kl == pytest.approx(float(e.first(PAIRS).posterior.kl().sum(1).mean()), rel=1e-6)
        assert marginal_kl(e) == parts.marginal_kl
    assert elbo_surgery(known(1000)).marginal_kl == pytest.approx(0.0002, abs=0.15)
    shifted = known(1000)
    moved = codes(shifted.posterior.mean + 2, shifted.posterior.logvar)
    assert elbo_surgery(moved).marginal_kl == pytest.approx(2.0, abs=0.2)
    assert elbo_surgery(moved).mutual_information == pytest.approx(elbo_surgery(shifted).mutual_information, abs=1e-4)


# The networks


def digits(net: Mlp | Conv | Linear | None = None, likelihood: Likelihood | None = None, count: int = 80) -> Encoded:
    """An untrained model of digits, with large weights so that its code matters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        vae = VAE(net or Mlp(widths=(16, 12), gain=2.0), likelihood or Bernoulli(), Digits().shape, 4)
    return encode(vae, Digits().load()[1].images[:count])


def deaf(e: Encoded, layer: int = -1, scale: float = 0.0) -> Encoded:
    """The same with a decoder in which one layer hardly hears the layer before it."""
    vae = VAE(Mlp(widths=(16, 12), gain=2.0), Bernoulli(), e.vae.shape, e.vae.latent)
    vae.load_state_dict(e.vae.state_dict())
    with torch.no_grad():
        linear = [module for module in vae.decoder if isinstance(module, torch.nn.Linear)][layer]
        linear.weight *= scale
    return dataclasses.replace(e, vae=vae)


def test_shuffling_and_zeroing_cost_nothing_where_the_decoder_is_deaf() -> None:
    e = deaf(digits())
    assert float(shuffle_cost(e)) == pytest.approx(0, abs=1e-5)
    assert zeroing_cost(e).abs().max() < 1e-5
    assert float(encoder_signal(e)) == 0.0
    assert float(encoder_signal(digits())) > 0.1


def test_shuffling_costs_what_the_code_knew() -> None:
    """An autoencoder by hand: one latent that is the brightness of the left half, given back by the decoder."""
    vae = VAE(Linear(), Gaussian(sigma=0.1), SHAPE, 2)
    with torch.no_grad():
        vae.decoder[0].weight.zero_()[:, 0] = torch.tensor([1.0, 1, 0, 0]).repeat(4)
        vae.decoder[0].bias.zero_()
    z = torch.tensor([0.0, 1.0]).repeat(32)
    x = z[:, None, None, None] * torch.tensor([1.0, 1, 0, 0]).expand(64, 1, 4, 4)
    codes = DiagonalGaussian(torch.stack([z, 5 + z], 1), torch.full((64, 2), -30.0))
    e = Encoded(codes, x, vae)
    wrong = 8 * 0.5 / 0.1**2  # eight pixels, wrong by one
    assert float(shuffle_cost(e)) == pytest.approx(wrong / 2, rel=1e-4)  # two of four shifts keep every code
    assert zeroing_cost(e).tolist() == pytest.approx([wrong / 2, 0], abs=1e-3)
    assert noise_variance(e) == pytest.approx(0.01)


@pytest.mark.parametrize("latent", [1, 3, 70, 200])
def test_each_dimension_is_set_to_zero_alone(latent: int) -> None:
    vae = model(latent=latent)
    e = encode(vae, images(70))
    found = zeroing_cost(e)
    some = e.first(max(8, min(64, 4096 // latent)))
    z = some.posterior.mean + some.posterior.std * diagnostics.encoded.fixed_noise(some.posterior.mean)
    with torch.no_grad():
        own = vae.likelihood.log_prob(vae.decode(z), some.images).mean()
        for j in {0, latent // 2, latent - 1}:
            without = z.clone()
            without[:, j] = 0
            expected = own - vae.likelihood.log_prob(vae.decode(without), some.images).mean()
            assert float(found[j]) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(
    "net", [Mlp(widths=(16, 12)), Conv(channels=(4, 8), activation="tanh"), Linear()], ids=lambda net: net.kind
)
def test_an_untrained_decoder_listens(net: Mlp | Conv | Linear) -> None:
    e = digits(net)
    layers = 0 if isinstance(net, Linear) else 2
    assert silent_units(e, e.vae.decoder).shape == (layers,)
    assert silent_units(e, e.vae.decoder).sum() == 0
    assert dead_units(e).tolist() == dead_units(e, "encoder").tolist() == [0.0] * layers
    assert len(decoder_responses(e, e.vae.decoder)) == max(1, layers)
    assert float(decoder_response(e)) == float(decoder_responses(e, e.vae.decoder)[-1]) > 0


def test_a_silent_decoder_still_moves_and_a_dead_one_does_not() -> None:
    e = digits()
    silent, dead = deaf(e, 1, 1e-3), deaf(e, 1)
    assert silent_units(silent, e.vae.decoder).tolist() == [0, 1]
    assert dead_units(silent).tolist() == [0, 0]
    assert silent_units(dead, e.vae.decoder).tolist() == dead_units(dead).tolist() == [0, 1]
    assert 0 < float(decoder_response(silent) / decoder_response(e)) < 0.005
    assert float(decoder_response(dead)) == 0.0
    assert decoder_responses(dead, dead.vae.decoder)[0] == decoder_responses(e, e.vae.decoder)[0]


# The price


def test_the_price_of_a_gaussian_is_that_of_principal_components() -> None:
    train, _ = Digits().load()
    x = (train.images.flatten(1) / 16).double()
    covariance = (x - x.mean(0)).T @ (x - x.mean(0)) / len(x)
    eigenvalues = data_eigenvalues(Gaussian(sigma=0.3), train.images, 16)
    torch.testing.assert_close(eigenvalues, torch.linalg.eigvalsh(covariance).flip(0), atol=1e-6, rtol=1e-5)
    assert eigenvalues[:3].tolist() == pytest.approx([0.6881, 0.6360, 0.5498], abs=2e-4)
    for sigma in (0.9, 0.7, 0.3):
        gained = ppca_optimum(covariance, 64, sigma).elbo - ppca_optimum(covariance, 0, sigma).elbo
        assert worth_of_a_code(eigenvalues, 1.0, sigma**2) == pytest.approx(gained, abs=1e-4)
    assert worth_of_a_code(eigenvalues, 1.0, 0.81) == 0.0


def test_the_price_of_a_bernoulli_is_that_of_correlations() -> None:
    train, _ = Digits().load()
    likelihood = Bernoulli(binarise="threshold")
    found = data_eigenvalues(likelihood, train.images, 16)
    x = likelihood.prepare(train.images, None, 16).flatten(1).double()
    often = x.mean(0).clamp(1e-3, 1 - 1e-3)
    moving = (x.mean(0) - often).abs() < 1e-9
    correlations = torch.corrcoef(x[:, moving].T)
    assert float(found[0]) == pytest.approx(float(torch.linalg.eigvalsh(correlations)[-1]), rel=0.01)


@pytest.mark.parametrize(
    "likelihood", [Bernoulli(), Binomial(), ContinuousBernoulli(), Gaussian(sigma=0.5)], ids=lambda v: v.kind
)
def test_a_small_code_pays_exactly_below_the_price(likelihood: Likelihood) -> None:
    """The objective itself, of a tiny linear code along the best direction: better than no code iff β is below λ."""
    images = Digits().load()[0].images[:400]
    x = likelihood.prepare(images, seeded(), 16).double()
    price = float(data_eigenvalues(likelihood, images, 16)[0]) / (0.25 if likelihood.kind == "gaussian" else 1)
    assert (
        gain_of_a_tiny_code(likelihood, images, x, 0.95 * price)
        > 0
        > gain_of_a_tiny_code(likelihood, images, x, 1.05 * price)
    )


def gain_of_a_tiny_code(likelihood: Likelihood, images: Tensor, x: Tensor, beta: float) -> float:
    """z = μ(x) + ε with μ = t wᵀs(x)/β into outputs + t w z, the expectation over ε by quadrature, in float64."""
    constant = likelihood.constant(images, 16)
    start = (constant.mean if isinstance(constant, Normal) else constant).double()

    def log_prob(outputs: Tensor) -> Tensor:
        return likelihood.log_prob(Normal(outputs, constant.logvar) if isinstance(constant, Normal) else outputs, x)

    def score(outputs: Tensor) -> Tensor:
        each = outputs.expand_as(x).clone().requires_grad_()
        return torch.autograd.grad(log_prob(each).sum(), each)[0].flatten(1)

    fisher = ((score(start - 1e-4) - score(start + 1e-4)) / 2e-4).mean(0)
    white = (score(start) - score(start).mean(0)) / fisher.sqrt()
    w = torch.linalg.eigh(white.T @ white).eigenvectors[:, -1] / fisher.sqrt()
    size = 1e-3
    mean = size * (score(start) - score(start).mean(0)) @ w / beta
    gain = -beta * 0.5 * mean.square().mean()
    for node, weight in zip(*np.polynomial.hermite_e.hermegauss(8), strict=True):
        z = (mean + float(node))[:, None, None, None]
        change = log_prob(start + size * w.view_as(start) * z) - log_prob(start.expand_as(x))
        gain = gain + float(weight) / math.sqrt(2 * math.pi) * change.mean()
    return float(gain)


# Bounds that shout


def bound_of(e: Encoded) -> list[str]:
    """The check of an honest set of estimates."""
    found, kl = mutual_information_bracket(e), kl_per_dimension(e).tolist()
    return broken_bounds(
        kl_per_dimension=kl, mutual_information=found.low, ceiling=mutual_information_ceiling(e), error=found.error
    )


@pytest.mark.parametrize("e", [some(), known(30), known(1000), codes(torch.zeros(50, 4), torch.zeros(50, 4))])
def test_honest_estimates_break_no_bound(e: Encoded) -> None:
    assert bound_of(e) == []


def test_an_estimate_without_its_ln_n_is_caught() -> None:
    e = known(1000)
    own, pairs = log_densities(e)
    broken = float((own - torch.logsumexp(pairs, 1)).mean())
    (said,) = broken_bounds(kl_per_dimension=kl_per_dimension(e).tolist(), mutual_information=broken)
    assert said.startswith("The estimate is at fault, not the model: the mutual information reads −5.98 nats")
    assert said.endswith("it must be 0 at the least.")


def test_an_estimate_that_leaves_itself_out_is_caught_where_codes_lie_apart() -> None:
    mean = 100 * torch.arange(50, dtype=torch.float32)[:, None]
    e = codes(mean, torch.full_like(mean, -2.0))
    high = mutual_information_bracket(e).high
    kl, ceiling = kl_per_dimension(e).tolist(), mutual_information_ceiling(e)
    (said,) = broken_bounds(kl_per_dimension=kl, mutual_information=high, ceiling=ceiling)
    assert "ln N = 3.91 nats at the most" in said
    assert len(broken_bounds(kl_per_dimension=[0.1], mutual_information=high, ceiling=ceiling)) == 2
    assert (
        broken_bounds(kl_per_dimension=kl, mutual_information=mutual_information_bracket(e).low, ceiling=ceiling) == []
    )


def test_a_divergence_with_a_wrong_sign_is_caught_for_each_latent() -> None:
    mean, logvar = some().posterior.mean, some().posterior.logvar
    broken = 0.5 * (mean.square() + logvar.exp() - 1 + logvar).mean(0) - 2
    said = broken_bounds(kl_per_dimension=broken.tolist())
    assert len(said) == int((broken < 0).sum()) > 0
    assert all("the KL of latent" in sentence for sentence in said)
    assert len(broken_bounds(kl_per_dimension=[0.0, math.nan])) == 1


def test_an_iwae_bound_that_falls_is_caught() -> None:
    vae, x = model(), model().prepare(images(40), seeded())
    with torch.no_grad():
        weights = log_weights(vae, x, vae.encode(x), 64, seeded())
    right = {k: float((torch.logsumexp(weights[:k], 0) - math.log(k)).mean()) for k in (1, 8, 64)}
    assert broken_bounds(iwae=right) == []
    wrong = {k: value - math.log(k) for k, value in right.items()}
    said = broken_bounds(iwae=wrong)
    assert len(said) == 2
    assert "the IWAE bound with K = 64" in said[1]


def test_what_is_not_a_number_breaks_its_bound() -> None:
    assert broken_bounds(mutual_information=math.nan, kl_per_dimension=[1.0], ceiling=5.0)
    assert broken_bounds(iwae={1: -3.0, 5: math.nan})
    assert broken_bounds() == []
