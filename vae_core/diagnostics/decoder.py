"""Whether the networks still listen: the decoder to its code, and the encoder to what it is told by the decoder."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vae_core.diagnostics.encoded import EVALUATION_SEED, Encoded, fixed_noise
from vae_core.heads import Normal
from vae_core.nets import ACTIVATIONS

FEW = 64  # images that are decoded again and again
SHIFTS = 4
CODES = 256
SILENT = 1e-2
DEAD = 1e-6


@torch.no_grad()
def shuffle_cost(e: Encoded) -> Float[Tensor, ""]:
    """Nats of reconstruction lost when images swap their codes: zero if the decoder ignores z.

    Mean over the first 64 images and four ways to swap; each image gets the code of the first, second, … before it.
    A KL above zero does not prove that the code is used; this does.
    """
    x, z = _few(e)
    codes = torch.cat([z.roll(shift, 0) for shift in range(SHIFTS + 1)])  # the first are their own
    log_likelihood = e.vae.likelihood.log_prob(e.vae.decode(codes), x.repeat(SHIFTS + 1, 1, 1, 1))
    own, *swapped = log_likelihood.view(SHIFTS + 1, -1).mean(1)
    return own - torch.stack(swapped).mean()


@torch.no_grad()
def zeroing_cost(e: Encoded) -> Float[Tensor, "d"]:
    """Nats of reconstruction lost when one dimension of every code is set to zero, the prior's mean.

    Mean over the first 64 images, over fewer where d is above 64. Shapes: posterior over [n, d] -> [d]. Zero for a
    dimension that the decoder ignores; below zero where the dimension only brought noise.
    """
    x, z = _few(e, max(8, min(FEW, 4096 // e.vae.latent)))
    own = e.vae.likelihood.log_prob(e.vae.decode(z), x).mean()
    without = z.repeat(z.shape[1], 1, 1)
    without.diagonal(dim1=0, dim2=2).zero_()
    left = [e.vae.likelihood.log_prob(e.vae.decode(codes), x).mean() for codes in without]
    return own - torch.stack(left)


@torch.no_grad()
def decoder_response(e: Encoded) -> Float[Tensor, ""]:
    """How much the decoder's last hidden layer moves with z: the median over its units of their standard deviation.

    Over 256 codes from the prior; of the decoder's output where it has no hidden layer. Against its value at step 0 it
    tells whether the decoder has gone silent. It has no unit.
    """
    return _spread(_layers(e, e.vae.decoder)[-1])


@torch.no_grad()
def decoder_responses(e: Encoded, decoder: nn.Module) -> Float[Tensor, "layers"]:
    """How much each hidden layer of a decoder moves with z: the median over its units of their standard deviation.

    Over 256 codes from the prior. `decoder` is the model's, or an untrained one to compare it with. Shapes: [layers] in
    forward order; where no hidden layer can be seen, one entry for the output.
    """
    return torch.stack([_spread(out) for out in _layers(e, decoder)])


def _layers(e: Encoded, decoder: nn.Module) -> list[Float[Tensor, "k units"]]:
    codes = prior_codes(e)
    return hidden_outputs(decoder, codes) or [decoder(codes).flatten(1)]


def _spread(out: Float[Tensor, "k units"]) -> Float[Tensor, ""]:
    return out.std(0).median()


@torch.no_grad()
def silent_units(e: Encoded, untrained: nn.Module) -> Float[Tensor, "layers"]:
    """The share of each hidden layer of the decoder that z hardly moves: units below 1 % of the layer's first response.

    A unit's response is its standard deviation over 256 codes from the prior; the first response is the median over
    the layer's units in the `untrained` decoder. A silent decoder gives the encoder nothing to follow. Shapes: [layers]
    """
    now = hidden_outputs(e.vae.decoder, prior_codes(e))
    first = hidden_outputs(untrained, prior_codes(e))
    shares = [(a.std(0) < SILENT * b.std(0).median()).float().mean() for a, b in zip(now, first, strict=True)]
    return torch.stack(shares) if shares else torch.empty(0)


@torch.no_grad()
def dead_units(e: Encoded, part: str = "decoder") -> Float[Tensor, "layers"]:
    """The share of each hidden layer whose output is the same whatever goes in: no gradient passes through such units.

    Over 256 codes from the prior for the decoder, over 256 images for the encoder; a standard deviation below 1e-6.
    Silence can end, for a unit that is silent still moves a little; death cannot. Shapes: [layers], in forward order.
    """
    network, inputs = (e.vae.decoder, prior_codes(e)) if part == "decoder" else (e.vae.encoder, e.images[:CODES])
    shares = [(out.std(0) < DEAD).float().mean() for out in hidden_outputs(network, inputs)]
    return torch.stack(shares) if shares else torch.empty(0)


@torch.enable_grad()
def encoder_signal(e: Encoded) -> Float[Tensor, ""]:
    """How strongly the reconstruction pulls at the encoder: the norm of its gradient over the encoder's weights.

    Of the mean ln p(x|z) of the first 64 images, one code each, drawn with fixed noise, without the KL: whatever β is,
    this is all that can tell the encoder to use the code. In nats per unit of weight.
    """
    x, weights = e.images[:FEW], [*e.vae.encoder.parameters()]
    q = e.vae.encode(x)
    z = q.mean + q.std * fixed_noise(q.mean)
    reconstruction = e.vae.likelihood.log_prob(e.vae.decode(z), x).mean()
    return torch.nn.utils.get_total_norm(torch.autograd.grad(reconstruction, weights))


@torch.no_grad()
def noise_variance(e: Encoded) -> float | None:
    """σ² of a Gaussian p(x|z), in squared pixel units from 0 to 1; None for the other likelihoods."""
    parameters = e.vae.decode(e.posterior.mean[:1])
    return float(parameters.logvar.exp()) if isinstance(parameters, Normal) else None


def prior_codes(e: Encoded) -> Float[Tensor, "k d"]:
    """256 codes from N(0, I), the same at every call."""
    codes = torch.randn(CODES, e.vae.latent, generator=torch.Generator().manual_seed(EVALUATION_SEED))
    return codes.to(e.images.device)


def hidden_outputs(network: nn.Module, inputs: Tensor) -> list[Float[Tensor, "n units"]]:
    """What comes out of each hidden layer, after its activation; an empty list where there is none to be seen."""
    modules = [*network.children()] if isinstance(network, nn.Sequential) else []
    ends = [place for place, module in enumerate(modules) if type(module) in ACTIVATIONS.values()]
    outputs: list[Tensor] = []
    for place in range(ends[-1] + 1 if ends else 0):
        inputs = modules[place](inputs)
        if place in ends:
            outputs.append(inputs.flatten(1))
    return outputs


def _few(e: Encoded, most: int = FEW) -> tuple[Tensor, Tensor]:
    """The first images, and a code of each, drawn with fixed noise."""
    q = e.first(most).posterior
    return e.images[:most], q.mean + q.std * fixed_noise(q.mean)
