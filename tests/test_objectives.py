"""Every objective obeys the same laws; free bits is the plain bound above its threshold and flat below it.

The importance-weighted bound has a file of its own.
"""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from vae_core.config import RunConfig
from vae_core.objectives import FreeBits, Iwae, Objective, OfTerms, Plain
from vae_core.spec import Variant
from vae_core.vae import Elbo

VARIANTS: tuple[type[Variant], ...] = get_args(get_args(Objective)[0])
DEFAULTS = [variant.model_validate({}) for variant in VARIANTS]
every = pytest.mark.parametrize("objective", DEFAULTS, ids=lambda o: o.kind)
of_terms = pytest.mark.parametrize(
    "objective", [objective for objective in DEFAULTS if isinstance(objective, OfTerms)], ids=lambda o: o.kind
)
KL = torch.tensor([[0.0, 0.3, 1.0], [0.02, 0.5, 3.0]], dtype=torch.float64)
LOG_LIKELIHOOD = torch.tensor([-3.0, -5.0], dtype=torch.float64)


def gradient(objective: OfTerms, beta: float = 1.0) -> Tensor:
    kl = KL.clone().requires_grad_()
    objective(Elbo(LOG_LIKELIHOOD, kl), beta).backward()
    assert kl.grad is not None
    return kl.grad


@every
def test_every_objective_survives_json(objective: Objective) -> None:
    assert TypeAdapter(Objective).validate_json(objective.model_dump_json()) == objective


@every
def test_every_objective_gives_the_terms_of_each_image_and_a_loss_to_minimise(objective: Objective) -> None:
    vae = RunConfig(latent=3).build()
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)).round()
    elbo, loss = objective.bound(vae, x, 0.7, torch.Generator().manual_seed(1))
    assert elbo.log_likelihood.shape == (5,)
    torch.testing.assert_close(elbo.kl, vae.encode(x).kl())
    loss.backward()
    assert all(parameter.grad is not None for parameter in vae.parameters())


@every
def test_only_what_is_not_the_elbo_is_told(objective: Objective) -> None:
    assert (objective.words == "") == isinstance(objective, Plain)
    assert len(objective.words) < 70


def test_k_is_told_and_whether_the_landing_is_stuck() -> None:
    assert Iwae(samples=7).words == "the importance-weighted bound, K = 7"
    assert Iwae(samples=2, sticking_the_landing=True).words.endswith("K = 2, sticking the landing")
    assert FreeBits(nats=0.5).words == "the ELBO with 0.5 free nats a dimension"


@of_terms
def test_without_beta_only_reconstruction_counts(objective: OfTerms) -> None:
    assert objective(Elbo(LOG_LIKELIHOOD, KL), 0.0) == 4.0


@of_terms
def test_every_objective_grows_by_beta_times_its_price(objective: OfTerms) -> None:
    at = [float(objective(Elbo(LOG_LIKELIHOOD, KL), beta)) for beta in (0.0, 1.0, 2.5)]
    assert at[2] - at[0] == pytest.approx(2.5 * (at[1] - at[0]), rel=1e-14)


@of_terms
def test_no_objective_is_below_the_negative_bound(objective: OfTerms) -> None:
    elbo = Elbo(LOG_LIKELIHOOD, KL)
    assert objective(elbo, 1.0) >= -elbo.value().mean() - 1e-14


@of_terms
def test_every_objective_pays_the_reconstruction_of_each_image_equally(objective: OfTerms) -> None:
    log_likelihood = LOG_LIKELIHOOD.clone().requires_grad_()
    objective(Elbo(log_likelihood, KL), 0.7).backward()
    torch.testing.assert_close(log_likelihood.grad, torch.full_like(LOG_LIKELIHOOD, -0.5))


def test_plain_is_the_loss_of_the_bound() -> None:
    elbo = Elbo(LOG_LIKELIHOOD, KL)
    assert Plain()(elbo, 0.3) == elbo.loss(0.3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_no_free_nats_is_the_plain_objective(beta: float) -> None:
    elbo = Elbo(LOG_LIKELIHOOD, KL)
    torch.testing.assert_close(FreeBits(nats=0.0)(elbo, beta), Plain()(elbo, beta), rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(gradient(FreeBits(nats=0.0), beta), gradient(Plain(), beta))


def test_a_dimension_below_the_threshold_has_no_gradient() -> None:
    free = gradient(FreeBits(nats=0.1))
    assert free[:, 0].eq(0).all()
    torch.testing.assert_close(free[:, 1:], gradient(Plain())[:, 1:])


def test_the_threshold_is_on_the_mean_of_the_batch_and_on_each_dimension() -> None:
    # Dimension 1 has 0.3 and 0.5 nats: below 0.45 for one image, above it for the other, 0.4 on average.
    assert gradient(FreeBits(nats=0.45))[:, 1].eq(0).all()
    assert gradient(FreeBits(nats=0.39))[:, 1].gt(0).all()
    assert FreeBits(nats=0.45)(Elbo(LOG_LIKELIHOOD, KL), 1.0) == pytest.approx(4.0 + 0.45 + 0.45 + 2.0)


@pytest.mark.parametrize("wrong", ["-0.1", "11", "NaN", "true", '"1"'])
def test_wrong_free_nats_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Objective).validate_json(f'{{"kind": "free-bits", "nats": {wrong}}}')
