"""Training by the importance-weighted bound: its value, its gradient, and what sticking the landing leaves out."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch.distributions import Normal

from vae_core.config import RunConfig
from vae_core.gaussian import DiagonalGaussian
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian, Likelihood
from vae_core.nets import Linear, Mlp
from vae_core.objectives import Iwae, Objective
from vae_core.training.byhand import ByHand
from vae_core.vae import VAE

WEIGHT = torch.tensor([[1.0, 0.0], [0.5, 1.0], [-1.0, 2.0]], dtype=torch.float64)
SIGMA, COPIES = 0.5, 20_000
X = torch.tensor([0.7, -0.4, 1.9], dtype=torch.float64)
EVERY_K = pytest.mark.parametrize("samples", [1, 5])
EVERY_BETA = pytest.mark.parametrize("beta", [1.0, 0.5])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wired(weight: Tensor = WEIGHT) -> VAE:
    """A linear decoder with these weights and Gaussian noise."""
    vae = VAE(Linear(), Gaussian(sigma=SIGMA), (1, 1, len(weight)), weight.shape[1]).double()
    with torch.no_grad():
        vae.decoder.get_parameter("0.weight").copy_(weight)
        vae.decoder.get_parameter("0.bias").zero_()
    vae.head.get_buffer("logvar").fill_(2 * math.log(SIGMA))
    return vae


def small(likelihood: Likelihood | None = None) -> VAE:
    """An untrained net on images of four pixels, in double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VAE(Mlp(widths=(5,), activation="tanh"), likelihood or Bernoulli(), (1, 2, 2), 2).double()


def some_images(count: int = 6) -> Tensor:
    return torch.rand(count, 1, 2, 2, generator=seeded(3)).round().double()


def by_the_formula(vae: VAE, x: Tensor, samples: int, beta: float, seed: int) -> Tensor:
    """−mean ln (1/K) Σ_k exp(ln p(x|z_k) + β (ln p(z_k) − ln q(z_k|x))), one image and one code after the other."""
    q = vae.encode(x)
    noise = torch.randn(samples, *q.mean.shape, generator=seeded(seed), dtype=torch.float64)
    losses = []
    for place, image in enumerate(x):
        own, prior = Normal(q.mean[place], q.std[place]), Normal(torch.zeros(2).double(), torch.ones(2).double())
        weights = []
        for k in range(samples):
            z = own.loc + own.scale * noise[k, place]
            likelihood = vae.likelihood.log_prob(vae.decode(z[None]), image[None])[0]
            weights.append((likelihood + beta * (prior.log_prob(z) - own.log_prob(z)).sum()).exp())
        losses.append(-torch.stack(weights).mean().log())
    return torch.stack(losses).mean()


def gradients(vae: VAE, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(vae.parameters())))


@EVERY_BETA
@EVERY_K
def test_loss_and_gradient_are_those_of_the_formula(samples: int, beta: float) -> None:
    vae, x = small(), some_images()
    _, loss = Iwae(samples=samples).bound(vae, x, beta, seeded(4))
    expected = by_the_formula(vae, x, samples, beta, 4)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    for found, wanted in zip(gradients(vae, loss), gradients(vae, expected), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@EVERY_BETA
@EVERY_K
def test_sticking_the_landing_changes_neither_the_loss_nor_the_gradient_of_the_decoder(
    samples: int, beta: float
) -> None:
    vae, x = small(), some_images()
    losses = [
        Iwae(samples=samples, sticking_the_landing=stick).bound(vae, x, beta, seeded(4))[1] for stick in (False, True)
    ]
    assert losses[0] == losses[1]
    plain, stuck = (torch.autograd.grad(loss, list(vae.decoder.parameters()), retain_graph=True) for loss in losses)
    for one, other in zip(plain, stuck, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    encoders = [torch.autograd.grad(loss, list(vae.encoder.parameters())) for loss in losses]
    assert not all(torch.allclose(one, other) for one, other in zip(*encoders, strict=True))


def posterior_gradients(
    objective: Iwae, vae: VAE, x: Tensor, mean: Tensor, std: Tensor, beta: float, seed: int, monkeypatch
) -> Tensor:
    """The gradient of the loss in mean and ln σ² of q [copies, 2 d], anew for each of many copies of an image."""
    leaves = [part.expand(COPIES, -1).clone().requires_grad_() for part in (mean, 2 * std.log())]
    monkeypatch.setattr(vae, "encode", lambda images: DiagonalGaussian(leaves[0], leaves[1]))
    _, loss = objective.bound(vae, x.expand(COPIES, 1, 1, -1), beta, seeded(seed))
    return torch.cat(torch.autograd.grad(COPIES * loss, leaves), 1)


@EVERY_BETA
@EVERY_K
def test_sticking_the_landing_keeps_the_mean_of_the_encoders_gradient(
    samples: int, beta: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    q = torch.tensor([0.1, 0.4], dtype=torch.float64), torch.tensor([0.4, 0.3], dtype=torch.float64)
    plain, stuck = (
        posterior_gradients(Iwae(samples=samples, sticking_the_landing=stick), wired(), X, *q, beta, seed, monkeypatch)
        for seed, stick in enumerate((False, True))
    )
    error = ((plain.var(0) + stuck.var(0)) / COPIES).sqrt()
    assert ((plain.mean(0) - stuck.mean(0)).abs() < 4 * error).all()
    assert (plain.mean(0).abs() > 20 * error).any()  # so that a wrong mean would be seen


@EVERY_K
def test_at_the_exact_posterior_the_stuck_gradient_has_no_variance(
    samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight, x = torch.tensor([[1.0]], dtype=torch.float64), torch.tensor([1.5], dtype=torch.float64)
    variance = 1 / (1 + 1 / SIGMA**2)
    q = (variance * x / SIGMA**2, torch.tensor([variance**0.5], dtype=torch.float64))
    plain, stuck = (
        posterior_gradients(
            Iwae(samples=samples, sticking_the_landing=stick), wired(weight), x, *q, 1.0, 0, monkeypatch
        )
        for stick in (False, True)
    )
    assert plain.var(0).gt(0.1).all()
    torch.testing.assert_close(stuck, torch.zeros_like(stuck), rtol=0, atol=1e-10)


def test_one_code_is_the_monte_carlo_elbo_and_more_codes_are_tighter() -> None:
    vae, x = wired(), X.expand(COPIES, 1, 1, -1)
    covariance = torch.linalg.inv(torch.eye(2, dtype=torch.float64) + WEIGHT.T @ WEIGHT / SIGMA**2)
    evidence = torch.distributions.MultivariateNormal(
        torch.zeros(3).double(), WEIGHT @ WEIGHT.T + SIGMA**2 * torch.eye(3).double()
    ).log_prob(X)
    with torch.no_grad():
        to_mean = covariance @ WEIGHT.T / SIGMA**2
        vae.encoder.get_parameter("mean.weight").copy_(to_mean)
        vae.encoder.get_parameter("mean.bias").fill_(0.1)
        elbo, one = Iwae(samples=1).bound(vae, x, 1.0, seeded())
        bounds = [-float(Iwae(samples=samples).bound(vae, x, 1.0, seeded())[1]) for samples in (5, 50)]
    error = float(elbo.value().std()) / COPIES**0.5
    assert -float(one) == pytest.approx(float(elbo.value().mean()), abs=5 * error)
    assert -float(one) + 10 * error < bounds[0] < bounds[1] < float(evidence)


def test_the_terms_are_those_of_the_elbo() -> None:
    vae, x = small(), some_images()
    elbo, _ = Iwae(samples=4).bound(vae, x, 1.0, seeded(4))
    q = vae.encode(x)
    z = q.samples(4, seeded(4))
    each = torch.stack([vae.likelihood.log_prob(vae.decode(codes), x) for codes in z])
    torch.testing.assert_close(elbo.log_likelihood, each.mean(0))
    torch.testing.assert_close(elbo.kl, q.kl())


LIKELIHOODS = [Bernoulli(), Bernoulli(binarise="never"), Binomial(), ContinuousBernoulli()]
LIKELIHOODS += [Gaussian(noise=noise) for noise in ("fixed", "learned", "optimal")]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda v: f"{v.kind}-{getattr(v, 'noise', '')}")
@pytest.mark.parametrize("stick", [False, True])
def test_every_likelihood_can_be_trained_with_it(likelihood: Likelihood, stick: bool) -> None:
    vae = small(likelihood)
    elbo, loss = Iwae(samples=3, sticking_the_landing=stick).bound(vae, some_images(), 0.5, seeded())
    assert all(gradient.isfinite().all() for gradient in gradients(vae, loss))
    assert elbo.value().isfinite().all()


def test_the_written_out_step_does_not_take_it() -> None:
    assert ByHand.fits(RunConfig().build(), RunConfig().objective)
    assert not ByHand.fits(RunConfig().build(), Iwae(samples=1))


@pytest.mark.parametrize("wrong", ['"samples": 0', '"samples": 201', '"samples": 2.5', '"sticking_the_landing": 1'])
def test_wrong_settings_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Objective).validate_json(f'{{"kind": "iwae", {wrong}}}')
