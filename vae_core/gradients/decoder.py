"""The decoder's gradient from one code an image, against many: the Monte Carlo estimate that training relies on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vae_core.spec import InputError
from vae_core.vae import VAE

SAMPLES = (1, 2, 5, 10, 50)


@dataclass(frozen=True)
class DecoderGradient:
    """How far the gradient of a batch's mean ln p(x|z) in the decoder's parameters is from its expectation.

    `norm` is that of the expectation, in nats per image; `variance` is summed over the parameters, for each number of
    codes an image in `samples`; it falls as one over that number. From `draws` codes an image in all.
    """

    images: int
    draws: int
    parameters: int
    norm: float
    samples: tuple[int, ...]
    variance: tuple[float, ...]


def decoder_gradient(
    vae: VAE, x: Float[Tensor, "n c h w"], draws: int = 400, generator: torch.Generator | None = None
) -> DecoderGradient:
    """The variance of the gradient from 1, 2, 5, 10 and 50 codes of each image of this batch.

    Shapes: x [n, c, h, w] as the likelihood sees it. A learned σ counts as a parameter of the decoder. InputError for
    fewer than 100 draws, or if the model has no gradient.
    """
    if draws < 2 * max(SAMPLES):
        raise InputError(f"{draws} draws", limit=f"at least {2 * max(SAMPLES)} are needed")
    modules = (vae.decoder, vae.head)
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        raise InputError("the networks of this model give no gradient", fix="train one here")
    groups = [Groups(count) for count in SAMPLES]
    for row in _rows(vae, x, parameters, draws, generator):
        for group in groups:
            group.take(row)
    variance = tuple(group.variance() for group in groups)
    squared = float(groups[0].total.square().sum()) / draws**2 - variance[0] / draws
    size = sum(parameter.numel() for parameter in parameters)
    return DecoderGradient(len(x), draws, size, max(0.0, squared) ** 0.5, SAMPLES, variance)


def _rows(
    vae: VAE, x: Tensor, parameters: list[nn.Parameter], draws: int, generator: torch.Generator | None
) -> Iterator[Float[Tensor, "p"]]:
    """The gradient of the batch's mean from one code of each image, in one row; as often as asked."""
    with torch.no_grad():
        q = vae.encode(x)
    for _ in range(draws):
        value = vae.likelihood.log_prob(vae.decode(q.sample(generator)), x).mean()
        found = torch.autograd.grad(value, parameters, materialize_grads=True)
        yield torch.cat([gradient.flatten() for gradient in found])


class Groups:
    """Rows averaged in groups of `size` as they arrive, and how much the averages vary."""

    def __init__(self, size: int) -> None:
        self.size, self.held, self.count, self.square = size, 0, 0, 0.0
        self.sum = self.total = torch.zeros(())

    def take(self, row: Float[Tensor, "p"]) -> None:
        """One more row."""
        self.sum, self.held = self.sum + row, self.held + 1
        if self.held < self.size:
            return
        mean = self.sum.double() / self.size
        self.total, self.count = self.total + mean, self.count + 1
        self.square += float(mean.square().sum())
        self.sum, self.held = torch.zeros_like(row), 0

    def variance(self) -> float:
        """Of one group's average, summed over its entries."""
        spread = self.square - float(self.total.square().sum()) / self.count
        return max(0.0, spread) / (self.count - 1)
