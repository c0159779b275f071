"""Synthetic shapes with known factors, drawn with numpy: the ground truth that disentanglement needs."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from pydantic import Field
from torch import Tensor

from vae_core.datasets.source import Source, cache_dir
from vae_core.spec import Shape, Split, atomic_write

SIDE, FINE = 32, 3  # pixels of a side, samples of a pixel's side
LEVELS = (3, 4, 8, 8, 8)
COUNT, HELD_OUT = math.prod(LEVELS), 1000
SCALES = np.linspace(0.11, 0.20, LEVELS[1])
PLACES = np.linspace(0.22, 0.78, LEVELS[3])
PERIODS = (math.pi / 2, math.pi, 2 * math.pi)  # the turn after which a square, an ellipse, a heart looks the same

Points = Float32[np.ndarray, "x y h w"]
Inside = Bool[np.ndarray, "x y h w"]


class Shapes(Source):
    """A square, an ellipse or a heart, in every size, turn and place."""

    title: ClassVar[str] = "Shapes"
    about: ClassVar[str] = (
        "6,144 drawn images of 32×32 pixels: 3 shapes × 4 sizes × 8 turns × 64 places, drawn on first use."
    )
    values: ClassVar[str] = "0 or 255, or grey 0–255"
    expects: ClassVar[str] = "Black and white is for a Bernoulli; grey edges are no coin flips and want a Gaussian."
    classes: ClassVar[tuple[str, ...]] = ("square", "ellipse", "heart")
    factor_names: ClassVar[tuple[str, ...]] = ("shape", "scale", "orientation", "x", "y")

    kind: Literal["shapes"] = "shapes"
    binary: bool = Field(
        default=True,
        title="Black and white",
        description="Off keeps the grey edges, which no Bernoulli is a likelihood of.",
    )

    @property
    def shape(self) -> Shape:
        """One grey image of 32×32 pixels."""
        return Shape(1, SIDE, SIDE)

    @property
    def sizes(self) -> tuple[int, int]:
        """5,144 to train on, 1,000 to test on."""
        return COUNT - HELD_OUT, HELD_OUT

    def ready(self) -> bool:
        """Whether the images have been drawn before."""
        return _images.cache_info().currsize > 0 or _read(_path()) is not None

    def load(self) -> tuple[Split, Split]:
        """A fixed shuffle; its last 1,000 images are the test split. The label is the shape."""
        images = _images()[self.binary]
        labels = self.factors()[:, 0]
        return Split(images[:-HELD_OUT], labels[:-HELD_OUT]), Split(images[-HELD_OUT:], labels[-HELD_OUT:])

    def factors(self) -> Int64[Tensor, "n 5"]:
        """The level of each factor (see `factor_names`), of the training images and then the test images."""
        return torch.from_numpy(np.indices(LEVELS).reshape(len(LEVELS), -1).T[_order()])


def _order() -> Int64[np.ndarray, " n"]:
    """The fixed shuffle."""
    return np.random.RandomState(0).permutation(COUNT).astype(np.int64)


@lru_cache(maxsize=1)
def _images() -> tuple[UInt8[Tensor, "n 1 h w"], UInt8[Tensor, "n 1 h w"]]:
    """All images in shuffled order, grey and black-and-white, from the cache or drawn now."""
    path = _path()
    images = _read(path)
    if images is None:
        images = _draw()
        _write(path, images)
    grey = torch.from_numpy(images[_order()]).unsqueeze(1)
    return grey, (grey >= 128).to(torch.uint8) * 255


def _path() -> Path:
    """The cache; another drawing needs another name."""
    return cache_dir() / "shapes-1.npz"


def _read(path: Path) -> UInt8[np.ndarray, "n h w"] | None:
    """The images in the order of their factors, or None where the cache is missing or damaged."""
    try:
        # From memory, because numpy leaves a file open that turns out not to be an archive.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            images = archive["images"]
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    fits = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape == (COUNT, SIDE, SIDE)
    return images if fits else None


def _write(path: Path, images: UInt8[np.ndarray, "n h w"]) -> None:
    """Keep the images for the next process."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=images)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, buffer.getvalue())
    except OSError:
        pass  # a disk that takes no cache only costs the next process a second


def _draw() -> UInt8[np.ndarray, "n h w"]:
    """All images in the order of their factors, one block of 8×8 places at a time."""
    blocks = [_block(*levels) for levels in product(*map(range, LEVELS[:3]))]
    return np.concatenate(blocks).astype(np.uint8)


def _block(shape: int, scale: int, orientation: int) -> Float32[np.ndarray, "n h w"]:
    """One shape, size and turn in all places: the covered share of each pixel, as grey."""
    samples = ((np.arange(SIDE * FINE) + 0.5) / (SIDE * FINE)).astype(np.float32)
    offset = ((samples - PLACES[:, None]) / SCALES[scale]).astype(np.float32)
    right, up = offset[:, None, None, :], -offset[None, :, :, None]
    angle = orientation / LEVELS[2] * PERIODS[shape]
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    inside = DRAWN[shape](cos * right + sin * up, cos * up - sin * right)
    pixels = inside.reshape(-1, SIDE, FINE, SIDE, FINE).mean((2, 4), dtype=np.float32)
    return np.rint(255 * pixels)


# Each shape lies in the unit circle, so that at the largest size and the outermost place nothing is cut off.
def _square(u: Points, v: Points) -> Inside:
    """|u|, |v| ≤ 0.7."""
    return (np.abs(u) <= 0.7) & (np.abs(v) <= 0.7)


def _ellipse(u: Points, v: Points) -> Inside:
    """(u / 0.8)² + (v / 0.45)² ≤ 1."""
    return (u / 0.8) ** 2 + (v / 0.45) ** 2 <= 1


def _heart(u: Points, v: Points) -> Inside:
    """(a² + b² − 1)³ ≤ a² b³, moved and shrunk into the unit circle."""
    a, b = 1.25 * u, 1.25 * v + 0.25
    return (a * a + b * b - 1) ** 3 <= a * a * b**3


DRAWN = (_square, _ellipse, _heart)
