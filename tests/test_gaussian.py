"""The factorised Gaussian against torch.distributions, closed forms, and the Jacobian of its own sampling map."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from vae_core.gaussian import DiagonalGaussian, standard_normal_log_prob

CLOSED_FORM = {
    (0.0, 1.0): 0.0,
    (1.0, 1.0): 0.5,
    (0.0, 2.0): 0.806852819440,
    (0.0, 0.5): 0.318147180560,
    (0.5, 0.1): 1.932585092994,
    (-3.0, 0.01): 8.605220185988,
    (2.0, 3.0): 4.901387711332,
}
PRECISIONS = pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])


def gaussian(mean: list[float], std: list[float], dtype: torch.dtype = torch.float64) -> DiagonalGaussian:
    return DiagonalGaussian(torch.tensor([mean], dtype=dtype), 2 * torch.tensor([std], dtype=dtype).log())


def some(n: int = 7, d: int = 5, dtype: torch.dtype = torch.float64) -> DiagonalGaussian:
    generator = torch.Generator().manual_seed(0)
    mean, logvar = torch.randn(2, n, d, generator=generator, dtype=torch.float64).to(dtype)
    return DiagonalGaussian(mean, 2 * logvar)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@PRECISIONS
def test_kl_has_its_closed_form_values(dtype: torch.dtype, tolerance: float) -> None:
    mean, std = map(list, zip(*CLOSED_FORM, strict=True))
    expected = torch.tensor([list(CLOSED_FORM.values())], dtype=dtype)
    torch.testing.assert_close(gaussian(mean, std, dtype).kl(), expected, rtol=0, atol=tolerance)


@PRECISIONS
def test_kl_and_log_prob_agree_with_torch(dtype: torch.dtype, tolerance: float) -> None:
    q = some(dtype=dtype)
    oracle = Normal(q.mean, q.std)
    z = q.samples(3, seeded())
    torch.testing.assert_close(q.kl(), kl_divergence(oracle, Normal(0.0, 1.0)), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(q.log_prob(z), Independent(oracle, 1).log_prob(z), rtol=tolerance, atol=tolerance)
    prior = Independent(Normal(torch.zeros_like(q.mean), 1.0), 1)
    torch.testing.assert_close(standard_normal_log_prob(z), prior.log_prob(z), rtol=tolerance, atol=tolerance)


def test_kl_is_never_negative_and_zero_only_at_the_prior() -> None:
    logvar = torch.cat([torch.logspace(-7, 0.5, 60), -torch.logspace(-7, 1.2, 60), torch.zeros(1)])[None]
    kl = DiagonalGaussian(torch.zeros_like(logvar), logvar).kl()
    assert kl.ge(0).all()
    assert kl[0, -1] == 0


def test_kl_keeps_its_digits_close_to_the_prior() -> None:
    logvar = torch.tensor([[0.01, -0.01, 0.03]])
    exact = DiagonalGaussian(logvar.double() * 0, logvar.double()).kl()
    torch.testing.assert_close(DiagonalGaussian(logvar * 0, logvar).kl().double(), exact, rtol=1e-3, atol=0)


def test_kl_is_the_integral_of_its_definition() -> None:
    q = some(1, 6)
    z = torch.linspace(-14, 14, 20_001, dtype=torch.float64)[:, None, None] * q.std + q.mean
    single = DiagonalGaussian(q.mean.T, q.logvar.T)
    log_q, log_p = single.log_prob(z.transpose(1, 2)), standard_normal_log_prob(z.transpose(1, 2))
    integral = torch.trapezoid(log_q.exp() * (log_q - log_p), z[:, 0], dim=0)
    torch.testing.assert_close(integral, q.kl()[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("mean", "std"), list(CLOSED_FORM))
def test_the_monte_carlo_kl_has_the_right_mean_and_variance(mean: float, std: float) -> None:
    q, count = gaussian([mean], [std]), 400_000
    z = q.samples(count, seeded())
    terms = (q.log_prob(z) - standard_normal_log_prob(z)).flatten()
    variance = (std**2 - 1) ** 2 / 2 + mean**2 * std**2
    assert abs(float(terms.mean()) - float(q.kl())) <= 4 * math.sqrt(variance / count) + 1e-12
    assert float(terms.var()) == pytest.approx(variance, rel=0.02, abs=1e-12)


def test_log_prob_is_the_noise_less_the_log_determinant_of_the_sampling_map() -> None:
    q = some(1, 5)

    def sampling_map(noise: Tensor) -> Tensor:
        return torch.addcmul(q.mean, q.std, noise)

    noise = torch.randn(1, 5, generator=seeded(), dtype=torch.float64)
    z = q.sample(seeded())
    torch.testing.assert_close(z, sampling_map(noise), rtol=0, atol=0)
    jacobian = torch.autograd.functional.jacobian(sampling_map, noise).view(5, 5)
    expected = standard_normal_log_prob(noise) - torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(q.log_prob(z), expected, rtol=0, atol=1e-12)


def test_noise_undoes_sampling() -> None:
    q = some()
    for draw in (q.sample, lambda generator: q.samples(4, generator)):
        z = draw(seeded(3))
        noise = torch.randn(z.shape, generator=seeded(3), dtype=torch.float64)
        torch.testing.assert_close(q.noise(z), noise, rtol=0, atol=1e-12)


def test_samples_have_the_moments_of_the_posterior() -> None:
    q, count = some(3, 4), 50_000
    z = q.samples(count, seeded())
    assert z.shape == (count, 3, 4)
    assert ((z.mean(0) - q.mean).abs() < 5 * q.std / math.sqrt(count)).all()
    torch.testing.assert_close(z.std(0), q.std, rtol=0.02, atol=0)


def test_a_generator_decides_the_draw_and_nothing_else_does() -> None:
    q = some()
    before = torch.get_rng_state()
    assert torch.equal(q.sample(seeded(1)), q.sample(seeded(1)))
    assert not torch.equal(q.sample(seeded(1)), q.sample(seeded(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_pass_through_the_draw() -> None:
    mean, logvar = (tensor.requires_grad_() for tensor in (some().mean, some().logvar))
    q = DiagonalGaussian(mean, logvar)
    z = q.sample(seeded())
    z.sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones_like(mean))
    torch.testing.assert_close(logvar.grad, 0.5 * (z - mean).detach())


def test_the_gradient_of_the_kl_is_that_of_its_formula() -> None:
    mean, logvar = (torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda m, v: DiagonalGaussian(m, v).kl(), (mean, logvar))
