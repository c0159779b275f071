"""What the codes say about a model: known codes have known diagnostics, and collapse reads as exactly zero."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vae_core.diagnostics import (
    DIAGNOSTICS,
    PAIRS,
    Diagnostic,
    Encoded,
    active_units,
    elbo,
    encode,
    kl_per_dimension,
    mutual_information,
    mutual_information_ceiling,
    pairwise_log_prob,
)
from vae_core.gaussian import DiagonalGaussian
from vae_core.likelihoods import Bernoulli
from vae_core.nets import Mlp
from vae_core.spec import Shape
from vae_core.vae import VAE

SHAPE = Shape(1, 4, 4, 16)
every = pytest.mark.parametrize("diagnostic", DIAGNOSTICS, ids=lambda d: d.__name__)


def model(seed: int = 0) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VAE(Mlp(widths=(8,), activation="tanh"), Bernoulli(), SHAPE, 3)


VAE_OF_NO_MATTER = model()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int) -> Tensor:
    return torch.randint(0, 17, (count, *SHAPE[:3]), dtype=torch.uint8, generator=seeded())


def codes(mean: Tensor, logvar: Tensor) -> Encoded:
    return Encoded(DiagonalGaussian(mean, logvar), torch.zeros(len(mean), *SHAPE[:3]), VAE_OF_NO_MATTER)


def known(count: int, seed: int = 0) -> Encoded:
    """x ~ N(0, 1), q(z|x) = N(0.9 x, 0.4²): 0.9010611 nats of mutual information."""
    mean = 0.9 * torch.randn(count, 1, generator=seeded(seed))
    return codes(mean, torch.full_like(mean, 2 * math.log(0.4)))


def some(count: int = 40, dimensions: int = 5) -> Encoded:
    mean, logvar = torch.randn(2, count, dimensions, generator=seeded())
    return codes(mean, logvar)


@every
def test_collapse_reads_as_exactly_zero(diagnostic: Diagnostic) -> None:
    assert not diagnostic(codes(torch.zeros(50, 4), torch.zeros(50, 4))).any()


@every
def test_every_diagnostic_is_finite_and_not_negative(diagnostic: Diagnostic) -> None:
    for e in (some(), some(1), codes(1e3 * some().posterior.mean, torch.full((40, 5), -20.0))):
        value = diagnostic(e)
        assert value.isfinite().all()
        assert value.ge(-1e-6).all()


@every
def test_every_diagnostic_is_the_same_each_time(diagnostic: Diagnostic) -> None:
    before = torch.get_rng_state()
    assert torch.equal(diagnostic(some()), diagnostic(some()))
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_every_diagnostic_says_what_it_measures(diagnostic: Diagnostic) -> None:
    assert diagnostic.__doc__
    assert diagnostic.__doc__.splitlines()[0].rstrip().endswith(".")


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
