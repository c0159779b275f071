"""Networks: frozen values that build an encoder [n, c, h, w] → [n, out] and a decoder [n, d] → [n, pixels].

Every decoder ends in a layer whose bias has one entry a pixel, so that it can start at the mean image.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from vae_core.spec import InputError, Shape, Variant

Activation = Literal["softplus", "relu", "leaky_relu", "tanh", "sigmoid", "gelu", "elu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "softplus": nn.Softplus,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "elu": nn.ELU,
}
Gain = Annotated[float, Field(gt=0, le=10)]


class Linear(Variant):
    """Probabilistic PCA as a VAE: linear maps, and one posterior variance for all images (Lucas et al. 2019)."""

    title: ClassVar[str] = "Linear (probabilistic PCA)"
    kind: Literal["linear"] = "linear"
    start_at_mean: bool = Field(default=True, title="Start at the mean image")
    scale: Gain = Field(default=0.1, title="Initial weights", description="Their standard deviation.")

    def encoder(self, shape: Shape, out: int) -> nn.Module:
        """Mean: a linear map of the pixels. Variance: a parameter of each dimension."""
        return LinearEncoder(shape.pixels, out // 2, self.scale)

    def decoder(self, shape: Shape, latent: int) -> nn.Module:
        """A linear map to the pixels."""
        layer = nn.Linear(latent, shape.pixels)
        nn.init.normal_(layer.weight, std=self.scale)
        nn.init.zeros_(layer.bias)
        return nn.Sequential(layer)


class Mlp(Variant):
    """Fully connected layers; the decoder mirrors the encoder."""

    title: ClassVar[str] = "MLP"
    kind: Literal["mlp"] = "mlp"
    widths: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(64, 64),
        min_length=1,
        max_length=8,
        title="Widths",
        description="Of the encoder; the decoder mirrors them.",
    )
    activation: Activation = Field(default="softplus", title="Activation", description="Those that saturate can die.")
    gain: Gain = Field(default=1.0, title="Gain", description="Factor on the Glorot-uniform initial weights.")
    start_at_mean: bool = Field(default=True, title="Start at the mean image", description="The decoder's output bias.")

    def encoder(self, shape: Shape, out: int) -> nn.Module:
        """Pixels to `out` numbers."""
        return nn.Sequential(nn.Flatten(), *self._layers((shape.pixels, *self.widths, out)))

    def decoder(self, shape: Shape, latent: int) -> nn.Module:
        """Code to one number a pixel."""
        return nn.Sequential(*self._layers((latent, *reversed(self.widths), shape.pixels)))

    def _layers(self, widths: tuple[int, ...]) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [_glorot(nn.Linear(fan_in, fan_out), self.gain), ACTIVATIONS[self.activation]()]
        return layers[:-1]


class Conv(Variant):
    """Two stride-2 convolutions each way: any square size divisible by 4, grey or colour."""

    title: ClassVar[str] = "Convolutional"
    kind: Literal["conv"] = "conv"
    channels: tuple[Annotated[int, Field(ge=1, le=512)], Annotated[int, Field(ge=1, le=512)]] = Field(
        default=(32, 64), title="Channels"
    )
    activation: Activation = Field(default="relu", title="Activation")
    gain: Gain = Field(default=1.0, title="Gain", description="Factor on the Glorot-uniform initial weights.")
    start_at_mean: bool = Field(default=True, title="Start at the mean image", description="The decoder's output bias.")

    def encoder(self, shape: Shape, out: int) -> nn.Module:
        """Pixels to `out` numbers."""
        first, second = self.channels
        return nn.Sequential(
            _glorot(nn.Conv2d(shape.channels, first, 4, 2, 1), self.gain),
            ACTIVATIONS[self.activation](),
            _glorot(nn.Conv2d(first, second, 4, 2, 1), self.gain),
            ACTIVATIONS[self.activation](),
            nn.Flatten(),
            _glorot(nn.Linear(second * _quarter(shape) ** 2, out), self.gain),
        )

    def decoder(self, shape: Shape, latent: int) -> nn.Module:
        """Code to one number a pixel."""
        first, second = self.channels
        side = _quarter(shape)
        return nn.Sequential(
            _glorot(nn.Linear(latent, second * side**2), self.gain),
            ACTIVATIONS[self.activation](),
            nn.Unflatten(-1, (second, side, side)),
            _glorot(nn.ConvTranspose2d(second, first, 4, 2, 1), self.gain),
            ACTIVATIONS[self.activation](),
            _glorot(nn.ConvTranspose2d(first, shape.channels, 4, 2, 1, bias=False), self.gain),
            nn.Flatten(),
            PixelBias(shape.pixels),
        )


class LinearEncoder(nn.Module):
    """mean = V x + c; ln σ² is the same for every x."""

    def __init__(self, pixels: int, latent: int, scale: float) -> None:
        super().__init__()
        self.mean = nn.Linear(pixels, latent)
        nn.init.normal_(self.mean.weight, std=scale)
        nn.init.zeros_(self.mean.bias)
        self.logvar = nn.Parameter(torch.zeros(latent))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out"]:
        """Mean and ln σ², side by side."""
        mean = self.mean(x.flatten(1))
        return torch.cat([mean, self.logvar.expand_as(mean)], -1)


class PixelBias(nn.Module):
    """A bias for each pixel, which a convolution does not have."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(pixels))

    def forward(self, out: Float[Tensor, "n pixels"]) -> Float[Tensor, "n pixels"]:
        """Adds it."""
        return out + self.bias


def _quarter(shape: Shape) -> int:
    if shape.height != shape.width or shape.height % 4 or shape.channels not in (1, 3):
        raise InputError(
            f"a convolutional net cannot take images of {shape.channels} × {shape.height} × {shape.width}",
            limit="it needs square images with a side divisible by 4 and 1 or 3 channels",
            fix="choose the MLP, or resize the images",
        )
    return shape.height // 4


def _glorot(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, gain: float) -> nn.Module:
    nn.init.xavier_uniform_(layer.weight, gain=gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


Net = Annotated[Linear | Mlp | Conv, Field(discriminator="kind")]
