"""Every network obeys the same laws, at every shape it takes."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian, Likelihood
from vae_core.nets import Activation, Conv, Linear, Mlp, Net
from vae_core.spec import InputError, Shape, Variant
from vae_core.vae import VAE

VARIANTS: tuple[type[Variant], ...] = get_args(get_args(Net)[0])
NETS: list[Net] = [variant.model_validate({}) for variant in VARIANTS]
NETS += [Mlp(widths=(5,), activation="tanh"), Mlp(widths=(7, 6, 5), gain=2.0), Conv(channels=(3, 5), activation="gelu")]
SQUARES = [Shape(1, 8, 8, 16), Shape(1, 28, 28), Shape(3, 4, 4)]
ODD = Shape(2, 10, 14)
CASES = [(net, shape) for net, shape in itertools.product(NETS, [*SQUARES, ODD]) if (net.kind, shape) != ("conv", ODD)]
every = pytest.mark.parametrize(("net", "shape"), CASES, ids=lambda part: str(part).replace(" ", "-"))
LATENT = 3
GREY = Bernoulli(binarise="never")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def built(net: Net, shape: Shape, seed: int = 0, likelihood: Likelihood = GREY) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VAE(net, likelihood, shape, LATENT)


def images(shape: Shape, count: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, shape.top + 1, (count, *shape[:3]), dtype=torch.uint8, generator=generator)


@every
def test_every_net_survives_json(net: Net, shape: Shape) -> None:
    assert TypeAdapter(Net).validate_json(net.model_dump_json()) == net


@every
def test_shapes_go_in_and_come_out(net: Net, shape: Shape) -> None:
    vae = built(net, shape)
    x = vae.prepare(images(shape))
    assert vae.encoder(x).shape == (5, 2 * LATENT)
    assert vae.decoder(torch.zeros(5, LATENT)).shape == (5, shape.pixels)
    assert vae.encoder(x[:1]).shape == (1, 2 * LATENT)
    assert vae.picture(torch.zeros(2, LATENT)).shape == (2, *shape[:3])


@every
def test_every_parameter_gets_a_gradient(net: Net, shape: Shape) -> None:
    vae = built(net, shape)
    generator = torch.Generator().manual_seed(0)
    vae.elbo(vae.prepare(images(shape)), generator).loss(0.7).backward()
    for name, parameter in vae.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@every
def test_an_image_is_encoded_the_same_in_any_company(net: Net, shape: Shape) -> None:
    vae = built(net, shape)
    x = vae.prepare(images(shape))
    alone = torch.cat([vae.encoder(part) for part in x.split(1)])
    torch.testing.assert_close(vae.encoder(x), alone, rtol=1e-4, atol=1e-5)


@every
def test_weights_move_from_one_model_to_another(net: Net, shape: Shape) -> None:
    first, second = built(net, shape), built(net, shape, seed=1)
    x, z = first.prepare(images(shape)), torch.ones(2, LATENT)
    assert not torch.equal(first.encoder(x), second.encoder(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.encoder(x), second.encoder(x))
    assert torch.equal(first.decoder(z), second.decoder(z))


@every
def test_biases_start_at_zero_so_that_the_decoder_can_start_at_the_mean(net: Net, shape: Shape) -> None:
    vae = built(net, shape)
    assert all(not p.any() for name, p in vae.named_parameters() if name.endswith("bias"))
    assert vae.decoder[-1].bias.shape == (shape.pixels,)


@pytest.mark.parametrize(
    "likelihood", [Bernoulli(), Binomial(), ContinuousBernoulli(), Gaussian()], ids=lambda v: v.kind
)
@every
def test_a_silent_decoder_shows_the_mean_image(net: Net, shape: Shape, likelihood: Likelihood) -> None:
    vae = built(net, shape, likelihood=likelihood)
    seen = images(shape, 40)
    for parameter in vae.decoder.parameters():
        torch.nn.init.zeros_(parameter)
    vae.start_at_mean(seen)
    expected = likelihood.mean_image(seen, shape.top)
    torch.testing.assert_close(vae.picture(torch.ones(1, LATENT)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_an_untrained_decoder_shows_about_the_mean_image_for_the_code_zero(activation: Activation) -> None:
    shape = SQUARES[0]
    seen = images(shape, 40) // 4
    for net in (Mlp(activation=activation, gain=0.7), Conv(activation=activation)):
        vae = built(net, shape)
        mean = seen.float().mean(0, keepdim=True) / shape.top
        before = (vae.picture(torch.zeros(1, LATENT)) - mean).abs().mean()
        vae.start_at_mean(seen)
        after = (vae.picture(torch.zeros(1, LATENT)) - mean).abs().mean()
        # Of the activations only softplus and sigmoid are not zero at zero.
        assert after < (before / 2 if activation in ("softplus", "sigmoid") else 1e-5)


def test_a_linear_net_is_linear_and_has_one_variance_for_all_images() -> None:
    vae = built(Linear(), SQUARES[0])
    x = vae.prepare(images(SQUARES[0]))
    mean, logvar = vae.encoder(torch.cat([x, 2 * x, 0 * x])).chunk(2, -1)
    torch.testing.assert_close(mean[5:10], 2 * mean[:5])
    assert not mean[10:].any()
    assert torch.equal(logvar, logvar[:1].expand_as(logvar))


def test_the_decoder_mirrors_the_encoder() -> None:
    vae = built(Mlp(widths=(7, 6, 5)), SQUARES[0])
    widths = [[m.out_features for m in part if isinstance(m, torch.nn.Linear)] for part in (vae.encoder, vae.decoder)]
    assert widths == [[7, 6, 5, 2 * LATENT], [5, 6, 7, 64]]


def test_gain_scales_the_first_weights() -> None:
    small, large = (built(Mlp(gain=gain), SQUARES[0]).encoder[1].weight.std().item() for gain in (0.5, 2.0))
    assert large / small == pytest.approx(4, rel=1e-5)


@pytest.mark.parametrize("shape", [Shape(1, 10, 14), Shape(1, 10, 10), Shape(1, 8, 4), Shape(2, 8, 8), Shape(4, 8, 8)])
def test_a_convolution_refuses_what_it_cannot_take_in_one_sentence(shape: Shape) -> None:
    for part in (Conv().encoder, Conv().decoder):
        with pytest.raises(InputError) as refusal:
            part(shape, 4)
        text = str(refusal.value)
        assert f"{shape.channels} × {shape.height} × {shape.width}" in text
        assert "divisible by 4" in text
        assert "\n" not in text


@pytest.mark.parametrize(
    "wrong",
    [
        '{"kind": "transformer"}',
        '{"kind": "mlp", "widths": []}',
        '{"kind": "mlp", "widths": [0]}',
        '{"kind": "mlp", "widths": [4097]}',
        '{"kind": "mlp", "widths": [8, 8, 8, 8, 8, 8, 8, 8, 8]}',
        '{"kind": "mlp", "widths": 8}',
        '{"kind": "mlp", "activation": "swish"}',
        '{"kind": "mlp", "gain": 0}',
        '{"kind": "conv", "channels": [8]}',
        '{"kind": "conv", "channels": [8, 513]}',
        '{"kind": "linear", "start_at_mean": 1}',
    ],
)
def test_wrong_nets_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Net).validate_json(wrong)
