"""The step written out by hand against the one by autograd."""

from __future__ import annotations

import itertools

import pytest
import torch

from vae_core.config import RunConfig
from vae_core.likelihoods import Bernoulli, Gaussian
from vae_core.nets import ACTIVATIONS, Linear, Mlp
from vae_core.objectives import FreeBits
from vae_core.training.byhand import DERIVATIVES, ByHand
from vae_core.training.fit import adam, fit, train_step

WRITTEN = [name for name, module in ACTIVATIONS.items() if module in DERIVATIVES]


def pair(activation: str, widths: tuple[int, ...] = (9, 7), **changes: object):
    """The same model twice, in float64, and a batch."""
    config = RunConfig(net=Mlp(widths=widths, activation=activation), latent=3, **changes)
    models = [config.build().double() for _ in range(2)]
    x = torch.rand(6, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return config, models, x


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("widths", [(9,), (9, 7)])
@pytest.mark.parametrize("activation", WRITTEN)
def test_the_gradients_are_those_of_autograd(activation: str, widths: tuple[int, ...], beta: float) -> None:
    config, (one, two), x = pair(activation, widths)
    noise = [torch.Generator().manual_seed(5) for _ in range(2)]
    elbo, loss = ByHand(one, adam(one, config))(x, beta, noise[0])
    other, expected = train_step(two, adam(two, config), config.objective, x, beta, noise[1])
    torch.testing.assert_close(elbo.log_likelihood, other.log_likelihood, rtol=0, atol=1e-9)
    torch.testing.assert_close(elbo.kl, other.kl, rtol=0, atol=1e-12)
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(ours, theirs)


def test_a_clamped_variance_has_no_gradient() -> None:
    config, (one, two), x = pair("tanh")
    for model in (one, two):
        torch.nn.init.constant_(model.encoder[-1].bias, 30.0)
    noise = [torch.Generator().manual_seed(5) for _ in range(2)]
    ByHand(one, adam(one, config))(x, 1.0, noise[0])
    train_step(two, adam(two, config), config.objective, x, 1.0, noise[1])
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert one.encoder[-1].bias.grad[3:].eq(0).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"net": Linear()},
        {"net": Mlp(activation="gelu")},
        {"likelihood": Gaussian()},
        {"objective": FreeBits()},
    ],
    ids=["linear", "gelu", "gaussian", "free-bits"],
)
def test_everything_else_goes_through_autograd(changes: dict) -> None:
    config = RunConfig(**changes)
    assert not ByHand.fits(config.build(), config.objective)
    assert ByHand.fits(RunConfig(likelihood=Bernoulli(binarise="never")).build(), RunConfig().objective)


def test_a_run_by_hand_follows_the_run_by_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    config = RunConfig(steps=200)
    images = config.dataset.load()[0].images

    def losses() -> list[float]:
        steps = fit(config.build(images), images, config)
        return [float(step.loss) for step in itertools.islice(steps, 50)]

    by_hand = losses()
    monkeypatch.setattr(ByHand, "fits", staticmethod(lambda vae, objective: False))
    assert max(abs(ours - theirs) for ours, theirs in zip(by_hand, losses(), strict=True)) < 1e-3
