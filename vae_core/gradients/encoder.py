"""The encoder's gradient of the ELBO of one batch, estimated in four ways with the same codes.

Only ∇ E ln p(x|z) is estimated; the KL and its gradient are exact. For every estimator the gradient in the encoder's
output, q(z|x)'s mean and ln σ², is known for each code, so one pass through the decoder serves all. The gradient in the
parameters is then looked at along random directions, which the encoder is asked about once: a sum over parameters of
variances is the mean variance along directions drawn from N(0, I) (Hutchinson 1989).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian
from vae_core.gradients.square import ESTIMATORS, Estimator, weights
from vae_core.spec import InputError
from vae_core.vae import VAE

SAMPLES = (1, 2, 5, 10)
AT_ONCE, DRAWN, HELD = 2**22, 2**24, 2**26  # numbers worked on in one go, drawn in one go, and kept of all codes
SMALLEST = 1e-30  # a squared norm below which there is no direction
Asked = tuple[Estimator, int]
ASKED: list[Asked] = [(e, s) for e in ESTIMATORS for s in SAMPLES if e != "leave-one-out" or s > 1]


@dataclass(frozen=True)
class Measured:
    """One estimator with `samples` codes an image, from so many `repeats`.

    `variance` is the sum over all parameters, in (nats per image)². `bias` is the squared distance of the mean from
    that of the pathwise estimates with the same codes, over what chance alone would make it: about 1 where there is no
    bias, None for the pathwise itself. `along` [repeats] is each estimate's share along the true gradient: 1 is right,
    below 0 is downhill.
    """

    estimator: Estimator
    samples: int
    repeats: int
    variance: float
    bias: float | None
    along: Float[Tensor, "repeats"]


@dataclass(frozen=True)
class EncoderGradient:
    """What was measured with so many `codes` of each of the `images` in a batch, over so many `parameters`.

    `norm` is that of the gradient of the batch's mean ELBO, from all pathwise estimates, in nats per image.
    """

    images: int
    codes: int
    directions: int
    parameters: int
    norm: float
    rows: tuple[Measured, ...]

    def row(self, estimator: Estimator, samples: int) -> Measured:
        """One of them; StopIteration where there is none."""
        return next(row for row in self.rows if (row.estimator, row.samples) == (estimator, samples))


def encoder_gradient(
    vae: VAE,
    x: Float[Tensor, "n c h w"],
    codes: int = 1000,
    directions: int = 64,
    generator: torch.Generator | None = None,
) -> EncoderGradient:
    """Variance and bias of each estimator with 1, 2, 5 and 10 codes an image, for this batch.

    Shapes: x [n, c, h, w] as the likelihood sees it. `codes` of each image are drawn, fewer where the latents are so
    many that they do not fit into 256 MiB, and grouped by 1, 2, 5 and 10. "baseline" is the batch's mean ln p(x|z),
    which biases by O(1/n); "leave-one-out" needs two codes, and has no row with one. InputError if the model has no
    gradient, and for fewer than 20 codes, 2 images or 1 direction.
    """
    if codes < 2 * max(SAMPLES) or len(x) < 2 or directions < 1:
        raise InputError(f"{codes} codes, {len(x)} images, {directions} directions", limit="at least 20, 2 and 1")
    encoder = _Encoder(vae, x)
    q = DiagonalGaussian(*encoder.output.detach().chunk(2, -1))
    count = max(2 * max(SAMPLES), min(codes, HELD // encoder.output.numel()))
    drawn = list(_codes(vae, x, q, count - count % max(SAMPLES), generator))
    return _seen(encoder, drawn, directions, generator)


def _seen(
    encoder: _Encoder, drawn: list[_Codes], directions: int, generator: torch.Generator | None
) -> EncoderGradient:
    """The estimates seen from random directions, and along the gradient. Of them all no more is held than that."""
    q, codes = drawn[0].q, sum(len(part.values) for part in drawn)
    price = torch.cat([q.mean, 0.5 * torch.expm1(q.logvar)], -1) / len(q.mean)
    gradient = encoder.backward(sum(part.pull("pathwise", 1).sum(0) for part in drawn) / codes - price)
    uphill = gradient / gradient.square().sum().clamp_min(SMALLEST)
    views = encoder.along(chain(_random(gradient, directions, generator), [uphill]))
    seen = {asked: torch.cat([part.pull(*asked).flatten(1) @ views.T for part in drawn]).double() for asked in ASKED}
    rows = {asked: _measured(asked, seen, price.flatten() @ views[-1]) for asked in ASKED}
    # The square of a mean is too large by the mean's own variance.
    chance = rows["pathwise", 1].variance / codes
    norm = math.sqrt(max(0.0, float(gradient.double().square().sum()) - chance))
    return EncoderGradient(len(price), codes, directions, len(gradient), norm, tuple(rows.values()))


def _random(like: Tensor, count: int, generator: torch.Generator | None) -> Iterator[Float[Tensor, "p"]]:
    """Directions from N(0, I), a few at a time: of a large encoder there is no room for all of them."""
    at_once = max(1, DRAWN // len(like))
    for start in range(0, count, at_once):
        shape = (min(at_once, count - start), len(like))
        yield from torch.randn(shape, generator=generator, dtype=like.dtype).to(like.device)


def _measured(asked: Asked, seen: dict[Asked, Tensor], price: Tensor) -> Measured:
    """One row, from what is seen [repeats, directions + 1] of its estimates; the last is uphill, where all pay."""
    estimator, samples = asked
    views, along = seen[asked][:, :-1], seen[asked][:, -1] - price
    bias = None if estimator == "pathwise" else _bias(views - seen["pathwise", samples][:, :-1])
    return Measured(estimator, samples, len(along), _variance(views), bias, along)


def _variance(seen: Float[Tensor, "repeats directions"]) -> float:
    return float(seen.var(0).mean())


def _bias(difference: Float[Tensor, "repeats directions"]) -> float:
    chance = _variance(difference) / len(difference)
    return float(difference.mean(0).square().mean()) / chance if chance > 0 else 1.0


class _Encoder:
    """The encoder at a batch: its output, q(z|x)'s mean and ln σ² side by side; how it moves with the parameters."""

    def __init__(self, vae: VAE, x: Tensor) -> None:
        self.parameters = [parameter for parameter in vae.encoder.parameters() if parameter.requires_grad]
        if not self.parameters:
            raise InputError("the networks of this model give no gradient", fix="train one here")
        q = vae.encode(x)
        self.output = torch.cat([q.mean, q.logvar], -1)
        self.pull = torch.zeros_like(self.output, requires_grad=True)
        self.gradients = torch.autograd.grad(
            self.output, self.parameters, self.pull, create_graph=True, materialize_grads=True
        )

    def backward(self, pull: Float[Tensor, "n pair"]) -> Float[Tensor, "p"]:
        """The gradient in the parameters, in one row, from that in the output."""
        found = torch.autograd.grad(self.output, self.parameters, pull, retain_graph=True, materialize_grads=True)
        return torch.cat([gradient.flatten() for gradient in found])

    def along(self, directions: Iterable[Float[Tensor, "p"]]) -> Float[Tensor, "m outputs"]:
        """How the output moves when the parameters move along each direction: the backward pass differentiated."""
        sizes = [parameter.numel() for parameter in self.parameters]
        found = []
        for direction in directions:
            parts = [part.view_as(like) for part, like in zip(direction.split(sizes), self.parameters, strict=True)]
            (moved,) = torch.autograd.grad(self.gradients, self.pull, parts, retain_graph=True, materialize_grads=True)
            found.append(moved.flatten())
        return torch.stack(found)


@dataclass(frozen=True)
class _Codes:
    """Codes of a batch: their noise [k, n, d], ln p(x|z) [k, n] and its slope in z [k, n, d]."""

    q: DiagonalGaussian
    noise: Float[Tensor, "k n d"]
    values: Float[Tensor, "k n"]
    slopes: Float[Tensor, "k n d"]

    def pull(self, estimator: Estimator, samples: int) -> Float[Tensor, "r n pair"]:
        """The estimated gradient of the batch's mean in (mean, ln σ²) of every image, from each group of `samples`."""
        std, noise = self.q.std, self.noise.unflatten(0, (-1, samples))
        if estimator == "pathwise":
            slopes = self.slopes.unflatten(0, (-1, samples))
            parts = slopes, 0.5 * slopes * std * noise
        else:
            values = self.values.unflatten(0, (-1, samples))
            weight = weights(values, estimator, values.mean((1, 2), keepdim=True)).unsqueeze(-1)
            parts = weight * noise / std, 0.5 * weight * (noise.square() - 1)
        return torch.cat([part.mean(1) for part in parts], -1) / noise.shape[2]


def _codes(vae: VAE, x: Tensor, q: DiagonalGaussian, count: int, generator: torch.Generator | None) -> Iterator[_Codes]:
    """`count` codes of each image, some at a time, so that neither images nor estimates of all are held at once."""
    step = max(SAMPLES)
    at_once = step * max(1, AT_ONCE // (step * max(x.numel(), 2 * q.mean.numel())))
    for start in range(0, count, at_once):
        number = min(at_once, count - start)
        noise = torch.randn(number, *q.mean.shape, generator=generator, dtype=x.dtype).to(x.device)
        z = (q.mean + q.std * noise).flatten(0, 1).requires_grad_()
        values = vae.likelihood.log_prob(vae.decode(z), x.repeat(number, 1, 1, 1))
        (slopes,) = torch.autograd.grad(values.sum(), z)
        yield _Codes(q, noise, values.detach().view(number, -1), slopes.view_as(noise))
