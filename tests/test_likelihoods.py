"""Every likelihood obeys the same laws: a density that sums to one, means that are means, and honest pixels."""

from __future__ import annotations

import itertools
import math
from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from vae_core.datasets import Digits
from vae_core.heads import FLOOR, Normal
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian, Likelihood, Pixels
from vae_core.spec import Shape

VARIANTS: tuple[type[Pixels], ...] = get_args(get_args(Likelihood)[0])
BERNOULLIS = [Bernoulli(binarise=how) for how in get_args(Bernoulli.model_fields["binarise"].annotation)]
GAUSSIANS = [Gaussian(noise=how, sigma=0.3) for how in get_args(Gaussian.model_fields["noise"].annotation)]
LIKELIHOODS = [variant.model_validate({}) for variant in VARIANTS] + BERNOULLIS + GAUSSIANS
LIKELIHOODS += [Binomial(trials=1), Binomial(trials=5), Binomial(trials=255)]
SHAPE = Shape(1, 2, 2)
LOGITS = [-300.0, -30.0, -3.0, -0.1001, -0.0999, -1e-3, -1e-7, 0.0, 1e-5, 0.0999, 0.1001, 0.5, 7.0, 40.0, 900.0]

every = pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda v: v.model_dump_json())
densities = pytest.mark.parametrize(
    "likelihood", [v for v in LIKELIHOODS if v.normalised], ids=lambda v: v.model_dump_json()
)
tops = pytest.mark.parametrize("top", [16, 255])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int, top: int, seed: int = 0) -> Tensor:
    return torch.randint(0, top + 1, (count, 1, 2, 2), dtype=torch.uint8, generator=seeded(seed))


def head_of(likelihood: Pixels) -> nn.Module:
    return likelihood.head(SHAPE).double().eval()


def outputs_of(likelihood: Pixels) -> Tensor:
    """Decoder outputs of one-pixel images, from tame to wild."""
    wild = [-0.5, 0.0, 0.3, 1.0, 1.7] if isinstance(likelihood, Gaussian) else LOGITS
    return torch.tensor(wild, dtype=torch.float64).view(-1, 1, 1, 1)


def support(likelihood: Pixels) -> tuple[Tensor, Tensor]:
    """Every value a pixel can take, and the weight of each in an integral over them."""
    if isinstance(likelihood, Bernoulli | Binomial):
        trials = getattr(likelihood, "trials", 1)
        return torch.arange(trials + 1, dtype=torch.float64) / trials, torch.ones(trials + 1, dtype=torch.float64)
    edges = np.linspace(-8, 9, 400) if isinstance(likelihood, Gaussian) else np.r_[0, np.geomspace(1e-4, 0.5, 60)]
    if not isinstance(likelihood, Gaussian):
        edges = np.unique(np.r_[edges, 1 - edges])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    return torch.from_numpy((middle + half * nodes).ravel()), torch.from_numpy((half * weights).ravel())


def density(likelihood: Pixels, out: Tensor, x: Tensor) -> Tensor:
    """p(x|z) of one-pixel images: a row for each decoder output, a column for each x."""
    pairs = out.repeat_interleave(len(x), 0), x.repeat(len(out)).view(-1, 1, 1, 1)
    return likelihood.log_prob(head_of(likelihood)(pairs[0]), pairs[1]).exp().view(len(out), len(x))


@every
def test_every_likelihood_survives_json(likelihood: Pixels) -> None:
    assert TypeAdapter(Likelihood).validate_json(likelihood.model_dump_json()) == likelihood


@densities
def test_every_density_sums_to_one(likelihood: Pixels) -> None:
    x, weights = support(likelihood)
    total = density(likelihood, outputs_of(likelihood), x) @ weights
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-8)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Binomial(trials=3)], ids=lambda v: v.kind)
def test_the_outcomes_of_two_pixels_sum_to_one(likelihood: Pixels) -> None:
    x = torch.tensor(list(itertools.product(support(likelihood)[0].tolist(), repeat=2))).view(-1, 1, 1, 2)
    logits = torch.tensor([-0.7, 2.5]).view(1, 1, 1, 2)
    assert float(likelihood.log_prob(logits, x).exp().sum()) == pytest.approx(1, abs=1e-6)


def test_grey_values_under_a_bernoulli_are_no_density() -> None:
    grey = Bernoulli(binarise="never")
    x, weights = support(ContinuousBernoulli())
    total = density(grey, outputs_of(grey), x) @ weights
    assert not grey.normalised
    assert total.lt(0.99).all()


@every
def test_only_grey_values_under_a_bernoulli_are_no_density(likelihood: Pixels) -> None:
    assert likelihood.normalised == (getattr(likelihood, "binarise", "") != "never")


@densities
def test_the_mean_is_the_expectation(likelihood: Pixels) -> None:
    x, weights = support(likelihood)
    out = outputs_of(likelihood)
    expectation = (density(likelihood, out, x) @ (weights * x)).clamp(0, 1)
    mean = likelihood.mean(head_of(likelihood)(out))
    torch.testing.assert_close(mean.flatten(), expectation, rtol=0, atol=1e-8)


@every
def test_outputs_undo_the_mean(likelihood: Pixels) -> None:
    mean = torch.tensor([1e-3, 0.01, 0.3, 0.4917, 0.5, 0.5083, 0.9, 0.999]).view(-1, 1, 1, 1)
    again = likelihood.mean(likelihood.head(SHAPE).eval()(likelihood.outputs(mean)))
    torch.testing.assert_close(again, mean, rtol=0, atol=1e-5)


@every
def test_black_and_white_means_have_finite_outputs(likelihood: Pixels) -> None:
    assert likelihood.outputs(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)).isfinite().all()


@every
def test_log_prob_is_per_image_and_the_sum_over_its_pixels(likelihood: Pixels) -> None:
    x = likelihood.prepare(pixels(5, 255), seeded())
    parameters = likelihood.head(SHAPE).eval()(torch.rand(5, 1, 2, 2, generator=seeded()))
    together = likelihood.log_prob(parameters, x)
    assert together.shape == (5,)

    def alone(image: int, row: int, column: int) -> Tensor:
        cell = (slice(image, image + 1), slice(None), slice(row, row + 1), slice(column, column + 1))
        part = Normal(parameters.mean[cell], parameters.logvar) if isinstance(parameters, Normal) else parameters[cell]
        return likelihood.log_prob(part, x[cell])

    sums = [sum(alone(image, row, column) for row in (0, 1) for column in (0, 1)) for image in range(5)]
    torch.testing.assert_close(together, torch.cat(sums), rtol=1e-5, atol=1e-5)


@every
def test_log_prob_and_its_gradient_stay_finite_at_wild_outputs(likelihood: Pixels) -> None:
    out = torch.tensor([-1e4, -90.0, -1e-30, 0.0, 1e-30, 90.0, 1e4]).view(-1, 1, 1, 1).requires_grad_()
    for x in (0.0, 1.0):
        log_prob = likelihood.log_prob(likelihood.head(SHAPE).eval()(out), torch.full_like(out, x))
        (slope,) = torch.autograd.grad(log_prob.sum(), out)
        assert log_prob.isfinite().all()
        assert slope.isfinite().all()


@tops
@every
def test_prepared_pixels_are_what_the_density_is_about(likelihood: Pixels, top: int) -> None:
    images = pixels(50, top)
    before = images.clone()
    x = likelihood.prepare(images, seeded(), top)
    assert (x.dtype, x.shape) == (torch.float32, images.shape)
    assert x.min() >= 0
    assert x.max() <= 1
    if isinstance(likelihood, Bernoulli | Binomial) and likelihood.normalised:
        assert torch.isin(x, support(likelihood)[0].float()).all()
    assert torch.equal(images, before)


@tops
@every
def test_a_generator_decides_what_is_prepared(likelihood: Pixels, top: int) -> None:
    images = pixels(50, top)
    before = torch.get_rng_state()
    assert torch.equal(likelihood.prepare(images, seeded(1), top), likelihood.prepare(images, seeded(1), top))
    assert torch.equal(torch.get_rng_state(), before)


@tops
@every
def test_black_stays_black_and_white_stays_white(likelihood: Pixels, top: int) -> None:
    ends = torch.tensor([0, top], dtype=torch.uint8).repeat(500).view(-1, 1, 2, 1)
    assert torch.equal(likelihood.prepare(likelihood.once(ends, top), seeded(), top) * top, ends.float())


@tops
@every
def test_the_mean_image_is_the_mean_of_what_is_prepared(likelihood: Pixels, top: int) -> None:
    images = pixels(40, top, seed=5).repeat(500, 1, 1, 1)
    drawn = likelihood.prepare(likelihood.once(images, top), seeded(), top).mean(0, keepdim=True)
    expected = likelihood.mean_image(images, top)
    assert expected.shape == (1, 1, 2, 2)
    draws = isinstance(likelihood, Bernoulli) and likelihood.binarise in ("stochastic", "fixed")
    torch.testing.assert_close(drawn, expected, rtol=0, atol=5 * 0.5 / math.sqrt(len(images)) if draws else 1e-5)


def test_a_stochastic_draw_is_new_each_time_and_grey_on_average() -> None:
    images = torch.tensor([0, 51, 200, 255], dtype=torch.uint8).view(1, 1, 2, 2).repeat(40_000, 1, 1, 1)
    x = Bernoulli().prepare(images, seeded())
    grey = images[0] / 255
    assert ((x.mean(0) - grey).abs() <= 5 * (grey * (1 - grey) / len(x)).sqrt()).all()
    assert not torch.equal(x, Bernoulli().prepare(images, seeded(1)))


@tops
def test_fixed_binarisation_draws_once_and_for_all(top: int) -> None:
    fixed, images = Bernoulli(binarise="fixed"), pixels(200, top)
    first = fixed.once(images, top)
    assert torch.equal(first, fixed.once(images, top))
    assert set(first.unique().tolist()) == {0, top}
    assert torch.equal(fixed.prepare(first, seeded(1), top), fixed.prepare(first, seeded(2), top))


@every
def test_nothing_else_happens_once(likelihood: Pixels) -> None:
    images = pixels(20, 255)
    assert torch.equal(likelihood.once(images, 255), images) == (getattr(likelihood, "binarise", "") != "fixed")


@tops
def test_the_threshold_is_at_one_half(top: int) -> None:
    ramp = torch.arange(top + 1, dtype=torch.uint8).view(-1, 1, 1, 1)
    x = Bernoulli(binarise="threshold").prepare(ramp, top=top).flatten()
    assert x.tolist() == [float(2 * value >= top) for value in range(top + 1)]


def test_digits_are_exact_counts_of_sixteen() -> None:
    train, _ = Digits().load()
    x = Binomial().prepare(train.images, top=train.top)
    assert torch.equal(x * 16, train.images.float())


@pytest.mark.parametrize("trials", [1, 5, 16, 255])
@pytest.mark.parametrize("logit", [-4.0, 0.0, 1.3])
def test_binomial_agrees_with_torch(trials: int, logit: float) -> None:
    x, _ = support(Binomial(trials=trials))
    logits = torch.full((len(x), 1, 1, 1), logit, dtype=torch.float64)
    oracle = torch.distributions.Binomial(trials, logits=logits).log_prob(x.view(-1, 1, 1, 1) * trials)
    ours = Binomial(trials=trials).log_prob(logits, x.view(-1, 1, 1, 1))
    torch.testing.assert_close(ours, oracle.flatten(), rtol=1e-10, atol=1e-10)


def test_a_binomial_of_one_trial_is_a_bernoulli() -> None:
    x, logits = torch.tensor([0.0, 1.0, 1.0]).view(-1, 1, 1, 1), torch.tensor([-2.0, 0.1, 5.0]).view(-1, 1, 1, 1)
    torch.testing.assert_close(Binomial(trials=1).log_prob(logits, x), Bernoulli().log_prob(logits, x))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 1e-4)])
def test_the_continuous_bernoulli_agrees_with_torch_away_from_one_half(dtype: torch.dtype, tolerance: float) -> None:
    logits = torch.tensor([-8.0, -3.0, -0.5, -0.11, 0.11, 0.5, 3.0, 8.0], dtype=dtype).view(-1, 1, 1, 1)
    oracle = torch.distributions.ContinuousBernoulli(logits=logits, lims=(0.4999, 0.5001))
    x = torch.linspace(0, 1, 8, dtype=dtype).view(-1, 1, 1, 1)
    ours = ContinuousBernoulli()
    torch.testing.assert_close(ours.log_prob(logits, x), oracle.log_prob(x).flatten(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(ours.mean(logits), oracle.mean, rtol=tolerance, atol=tolerance)


def test_the_continuous_bernoulli_is_smooth_where_its_formulas_change() -> None:
    logits = torch.linspace(-0.2, 0.2, 4001).view(-1, 1, 1, 1)
    single = ContinuousBernoulli().mean(logits)
    double = ContinuousBernoulli().mean(logits.double())
    assert double.diff(dim=0).gt(0).all()
    torch.testing.assert_close(single.double(), double, rtol=0, atol=2e-6)
    x = torch.full_like(logits, 0.3)
    exact = ContinuousBernoulli().log_prob(logits.double(), x.double())
    torch.testing.assert_close(ContinuousBernoulli().log_prob(logits, x).double(), exact, rtol=0, atol=2e-6)


@tops
@pytest.mark.parametrize("likelihood", [variant.model_validate({}) for variant in VARIANTS] + GAUSSIANS, ids=str)
def test_no_other_constant_explains_the_images_better(likelihood: Pixels, top: int) -> None:
    images = pixels(400, top).repeat(100, 1, 1, 1)
    x = likelihood.prepare(images, seeded(), top)
    best = likelihood.constant(images, top)
    value = likelihood.log_prob(best, x).mean()
    for shift in (-0.1, 0.1):
        other = Normal(best.mean + shift, best.logvar) if isinstance(best, Normal) else best + shift
        assert likelihood.log_prob(other, x).mean() < value
        if isinstance(best, Normal) and getattr(likelihood, "noise", "") != "fixed":
            assert likelihood.log_prob(Normal(best.mean, best.logvar + shift), x).mean() < value


def test_a_fixed_sigma_is_the_configs_and_not_part_of_the_state() -> None:
    head = Gaussian(sigma=0.25).head(SHAPE)
    assert head(torch.zeros(1, 1, 2, 2)).logvar == pytest.approx(2 * math.log(0.25))
    assert not head.state_dict()
    assert not list(head.parameters())


@pytest.mark.parametrize("sigma", [1e-3, 0.5, 100.0])
def test_a_learned_sigma_is_learned(sigma: float) -> None:
    likelihood = Gaussian(noise="learned", sigma=sigma)
    head, out = likelihood.head(SHAPE), torch.zeros(3, 1, 2, 2)
    likelihood.log_prob(head(out), torch.rand(3, 1, 2, 2, generator=seeded())).sum().backward()
    assert head.logvar.item() == pytest.approx(2 * math.log(sigma))
    assert head.logvar.grad.abs() > 0


def test_no_sigma_falls_below_the_floor() -> None:
    out = torch.full((3, 1, 2, 2), 0.5)
    learned, optimal = (Gaussian(noise=noise).head(SHAPE) for noise in ("learned", "optimal"))
    learned.load_state_dict({"logvar": torch.tensor(-99.0)})
    for head in (learned, optimal):
        assert head(out, out).logvar.item() == pytest.approx(math.log(FLOOR))


def test_the_optimal_sigma_is_the_batchs_own_while_training() -> None:
    head = Gaussian(noise="optimal", sigma=0.5).head(SHAPE).train()
    out, x = torch.rand(2, 6, 1, 2, 2, generator=seeded())
    assert head(out, x).logvar.item() == pytest.approx(float((x - out).square().mean().log()), rel=1e-5)


def test_the_optimal_sigma_is_the_running_one_otherwise() -> None:
    head = Gaussian(noise="optimal", sigma=0.5).head(SHAPE)
    out, x = torch.rand(2, 6, 1, 2, 2, generator=seeded())
    residual = float((x - out).square().mean())
    assert head.eval()(out, x).logvar.exp() == pytest.approx(0.25, rel=1e-6)
    head.train()(out, x)
    assert head.eval()(out, x).logvar.exp() == pytest.approx(0.95 * 0.25 + 0.05 * residual, rel=1e-5)
    assert head.train()(out).logvar.exp() == pytest.approx(0.95 * 0.25 + 0.05 * residual, rel=1e-5)
    for _ in range(300):
        head.train()(out, x)
    assert head.eval()(out).logvar.exp() == pytest.approx(residual, rel=1e-4)


def test_the_gradient_of_the_optimal_sigma_is_that_of_the_log_of_the_residual() -> None:
    likelihood = Gaussian(noise="optimal")
    out = torch.rand(6, 1, 2, 2, generator=seeded()).requires_grad_()
    x = torch.rand(6, 1, 2, 2, generator=seeded(1))
    (ours,) = torch.autograd.grad(likelihood.log_prob(likelihood.head(SHAPE).train()(out, x), x).sum(), out)
    (exact,) = torch.autograd.grad(-0.5 * out.numel() * (x - out).square().mean().log(), out)
    torch.testing.assert_close(ours, exact, rtol=1e-5, atol=1e-6)


def test_a_gaussian_wants_the_parameters_of_its_head() -> None:
    with pytest.raises(TypeError, match="head"):
        Gaussian().log_prob(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize(
    "wrong",
    [
        '{"kind": "poisson"}',
        '{"kind": "bernoulli", "binarise": "always"}',
        '{"kind": "binomial", "trials": 0}',
        '{"kind": "binomial", "trials": 256}',
        '{"kind": "binomial", "trials": 16.0}',
        '{"kind": "gaussian", "sigma": 0}',
        '{"kind": "gaussian", "sigma": NaN}',
        '{"kind": "gaussian", "sigma": 101}',
        '{"kind": "continuous-bernoulli", "sigma": 1}',
    ],
)
def test_wrong_likelihoods_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Likelihood).validate_json(wrong)
