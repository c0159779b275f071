"""The VAE: the terms of the bound for each image, and the identity bound + gap = ln p(x) by quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian, standard_normal_log_prob
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian, Likelihood
from vae_core.nets import Linear, Mlp
from vae_core.spec import Shape
from vae_core.vae import VAE, Elbo

LIKELIHOODS = [Bernoulli(), Binomial(), ContinuousBernoulli(), Gaussian(), Gaussian(noise="optimal")]
SHAPE = Shape(1, 4, 4, 16)
NODES, WEIGHTS = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(200))
WEIGHTS = WEIGHTS / math.sqrt(2 * math.pi)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(likelihood: Likelihood = LIKELIHOODS[0]) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VAE(Mlp(widths=(8,), activation="tanh"), likelihood, SHAPE, 3)


def images(count: int = 6) -> Tensor:
    return torch.randint(0, SHAPE.top + 1, (count, *SHAPE[:3]), dtype=torch.uint8, generator=seeded())


def sigmoid_model(weight: list[float], bias: list[float], mean: float, std: float) -> VAE:
    """p(x_i = 1|z) = sigmoid(w_i z + b_i), and q(z|x) = N(mean, std²) whatever x is."""
    vae = VAE(Linear(), Bernoulli(), (1, 1, len(weight)), 1).double()
    vae.decoder[0].weight.data = torch.tensor(weight, dtype=torch.float64)[:, None]
    vae.decoder[0].bias.data = torch.tensor(bias, dtype=torch.float64)
    vae.encoder.mean.weight.data.zero_()
    vae.encoder.mean.bias.data.fill_(mean)
    vae.encoder.logvar.data.fill_(2 * math.log(std))
    return vae


def log_joint(vae: VAE, x: Tensor, z: Tensor) -> Tensor:
    return vae.likelihood.log_prob(vae.decode(z), x.expand(len(z), -1, -1, -1)) + standard_normal_log_prob(z)


@torch.no_grad()
def exact(vae: VAE, x: Tensor) -> tuple[Elbo, float, float]:
    """The bound's terms, KL(q‖p(z|x)) and ln p(x), each by Gauss-Hermite quadrature of its own definition."""
    q = vae.encode(x)
    z = q.mean + q.std * NODES[:, None]
    reconstruction = WEIGHTS @ vae.likelihood.log_prob(vae.decode(z), x.expand(len(z), -1, -1, -1))
    prior = NODES[:, None]
    evidence = torch.logsumexp(log_joint(vae, x, prior) - standard_normal_log_prob(prior) + WEIGHTS.log(), 0)
    gap = WEIGHTS @ (q.log_prob(z[:, None])[:, 0] - log_joint(vae, x, z) + evidence)
    return Elbo(reconstruction[None], q.kl()), float(gap), float(evidence)


def test_one_symmetric_pixel_has_an_evidence_of_one_half() -> None:
    vae = sigmoid_model([2.0], [0.0], 0.3, 0.8)
    elbo, gap, evidence = exact(vae, torch.ones(1, 1, 1, 1, dtype=torch.float64))
    assert evidence == pytest.approx(-math.log(2), abs=1e-12)
    assert float(elbo.value()) + gap == pytest.approx(evidence, abs=1e-12)


@pytest.mark.parametrize(
    ("mean", "std", "reconstruction", "kl", "bound", "gap"),
    [
        (0.0, 1.0, -3.4751873608, 0.0, -3.4751873608, 2.0699024173),
        (0.8, 0.6, -0.9880376472, 0.5108256238, -1.4988632710, 0.0935783275),
        (1.0, 0.7, -0.8341364402, 0.6016749439, -1.4358113842, 0.0305264407),
    ],
)
def test_bound_and_gap_add_up_to_the_evidence(
    mean: float, std: float, reconstruction: float, kl: float, bound: float, gap: float
) -> None:
    vae = sigmoid_model([2.0, -1.0, 3.0], [0.5, -0.25, -1.0], mean, std)
    elbo, measured, evidence = exact(vae, torch.tensor([[[[1.0, 0.0, 1.0]]]], dtype=torch.float64))
    assert evidence == pytest.approx(-1.4052849435, abs=1e-9)
    assert float(elbo.log_likelihood) == pytest.approx(reconstruction, abs=1e-9)
    assert float(elbo.kl) == pytest.approx(kl, abs=1e-9)
    assert float(elbo.value()) == pytest.approx(bound, abs=1e-9)
    assert measured == pytest.approx(gap, abs=1e-9)
    assert float(elbo.value()) + measured == pytest.approx(evidence, abs=1e-12)


def test_the_one_sample_bound_is_right_on_average() -> None:
    vae = sigmoid_model([2.0, -1.0, 3.0], [0.5, -0.25, -1.0], 0.8, 0.6)
    x = torch.tensor([[[[1.0, 0.0, 1.0]]]], dtype=torch.float64)
    drawn = vae.elbo(x.repeat(100_000, 1, 1, 1), seeded()).value().detach()
    assert abs(float(drawn.mean()) + 1.4988632710) < 4 * float(drawn.std()) / math.sqrt(len(drawn))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_the_bound_comes_in_terms_of_each_image_and_dimension(likelihood: Likelihood) -> None:
    vae = small(likelihood)
    x = vae.prepare(images(), seeded())
    elbo = vae.elbo(x, seeded())
    assert elbo.log_likelihood.shape == (6,)
    assert elbo.kl.shape == (6, 3)
    assert elbo.kl.ge(0).all()
    assert torch.equal(elbo.value(), elbo.log_likelihood - elbo.kl.sum(1))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_no_image_leaks_into_the_terms_of_another(likelihood: Likelihood) -> None:
    vae = small(likelihood).eval()
    x = vae.prepare(images(), seeded())
    changed = x.clone()
    changed[3] = 1 - changed[3]
    before, after = vae.elbo(x, seeded()), vae.elbo(changed, seeded())
    others = torch.tensor([0, 1, 2, 4, 5])
    torch.testing.assert_close(after.kl[others], before.kl[others])
    torch.testing.assert_close(after.log_likelihood[others], before.log_likelihood[others])
    assert not torch.equal(after.kl[3], before.kl[3])


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_the_loss_weighs_the_price_and_the_value_never_does(beta: float) -> None:
    elbo = small().elbo(small().prepare(images(), seeded()), seeded())
    torch.testing.assert_close(elbo.loss(1.0), -elbo.value().mean())
    torch.testing.assert_close(elbo.loss(beta), elbo.loss(0.0) + beta * elbo.kl.sum(-1).mean())


def test_a_generator_decides_the_bound() -> None:
    vae = small()
    x = vae.prepare(images(), seeded())
    before = torch.get_rng_state()
    assert torch.equal(vae.elbo(x, seeded(1)).value(), vae.elbo(x, seeded(1)).value())
    assert not torch.equal(vae.elbo(x, seeded(1)).value(), vae.elbo(x, seeded(2)).value())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("wild", [-1e6, 1e6])
def test_wild_log_variances_are_clamped(wild: float) -> None:
    vae = small()
    vae.encoder[-1].bias.data[3:] = wild
    x = vae.prepare(images(), seeded())
    assert vae.encode(x).logvar.unique().tolist() == [-20.0 if wild < 0 else 10.0]
    elbo = vae.elbo(x, seeded())
    elbo.loss(1.0).backward()
    assert elbo.value().isfinite().all()
    assert all(p.grad.isfinite().all() for p in vae.parameters() if p.grad is not None)


def test_ordinary_log_variances_pass_unchanged() -> None:
    vae = small()
    x = vae.prepare(images(), seeded())
    q = vae.encode(x)
    assert isinstance(q, DiagonalGaussian)
    assert torch.equal(torch.cat([q.mean, q.logvar], 1), vae.encoder(x))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_pictures_are_between_black_and_white(likelihood: Likelihood) -> None:
    vae = small(likelihood)
    pictures = vae.picture(100 * torch.randn(20, 3, generator=seeded()))
    assert pictures.shape == (20, 1, 4, 4)
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_the_top_value_of_the_shape_is_full_brightness() -> None:
    vae = small(Gaussian())
    assert torch.equal(vae.prepare(torch.full((1, 1, 4, 4), 16, dtype=torch.uint8)), torch.ones(1, 1, 4, 4))


def test_the_data_reach_the_noise_only_while_training() -> None:
    vae = small(Gaussian(noise="optimal"))
    x, z = vae.prepare(images()), torch.zeros(6, 3)
    assert torch.equal(vae.eval().decode(z, x).logvar, vae.decode(z).logvar)
    assert not torch.equal(vae.train().decode(z, x).logvar, vae.decode(z).logvar)
