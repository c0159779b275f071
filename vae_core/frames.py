"""Frames: small pictures of what the model does at a step, so that a run can be replayed without its weights.

A frame is a sheet of tiles, eight wide: a row of reconstructions of eight fixed test images, then two rows of
samples from the prior, always from the same codes. `inputs.png` holds the eight images, and what the model saw.
"""

from __future__ import annotations

import io
from pathlib import Path

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vae_core.diagnostics import Encoded
from vae_core.spec import Split, atomic_write
from vae_core.vae import VAE

COLUMNS = 8
SAMPLES = 16
LARGEST = 32
BUDGET = 400_000
MOST = 60


def steps(evaluations: tuple[int, ...]) -> set[int]:
    """At which of the evaluations a frame is kept: all, or 60 evenly among more, and always the last."""
    return {*evaluations[:: -(-len(evaluations) // MOST)], evaluations[-1]}


def chosen(split: Split) -> Int[Tensor, "k"]:
    """Eight test images of as many different classes as there are, in the order of their appearance."""
    count = min(COLUMNS, len(split))
    if split.labels is None:
        return torch.arange(count)
    seen: dict[int, int] = {}
    first = [i for i, label in enumerate(split.labels.tolist()) if seen.setdefault(label, i) == i][:count]
    rest = [i for i in range(len(split)) if i not in first]
    return torch.tensor(first + rest[: count - len(first)])


def write_inputs(folder: Path, split: Split, e: Encoded) -> None:
    """The fixed test images, and as the model sees them."""
    index = chosen(split)
    original = split.images[index].float() / split.top
    _write(folder / "inputs.png", torch.cat([_row(original), _row(e.images[index.to(e.images.device)])]), BUDGET // 10)


@torch.no_grad()
def write_frame(folder: Path, step: int, vae: VAE, e: Encoded, index: Int[Tensor, "k"], budget: int) -> None:
    """Reconstructions (from the posterior means) and prior samples after `step` updates, at most `budget` bytes."""
    codes = e.posterior.mean[index.to(e.posterior.mean.device)]
    prior = torch.randn(SAMPLES, vae.latent, generator=torch.Generator().manual_seed(0)).to(codes.device)
    sheet = torch.cat([_row(vae.picture(codes)), vae.picture(prior)])
    _write(folder / f"{step:08d}.png", sheet, budget)


def _row(tiles: Float[Tensor, "k c h w"]) -> Float[Tensor, "8 c h w"]:
    """Padded to a whole row."""
    blank = torch.zeros(COLUMNS - len(tiles), *tiles.shape[1:], device=tiles.device)
    return torch.cat([tiles, blank])


def _write(path: Path, tiles: Float[Tensor, "n c h w"], budget: int) -> None:
    path.parent.mkdir(exist_ok=True)
    data = b""
    height, width = tiles.shape[-2:]
    if height > LARGEST:  # before levels are counted, for a mean of neighbours is of none of them
        tiles = adaptive_avg_pool2d(tiles, (LARGEST, max(1, LARGEST * width // height)))
    for levels in (64, 32, 16, 8, 4, 2):
        data = _png(tiles, levels)
        if len(data) <= budget:
            break
    atomic_write(path, data, durable=False)


def _png(tiles: Float[Tensor, "n c h w"], levels: int) -> bytes:
    """Few grey levels compress well, and eyes do not miss the others in thumbnails."""
    n, c, h, w = tiles.shape
    grid = tiles.cpu().reshape(n // COLUMNS, COLUMNS, c, h, w).permute(0, 3, 1, 4, 2)
    pixels = (grid.reshape(n // COLUMNS * h, COLUMNS * w, c).clamp(0, 1) * (levels - 1)).round() / (levels - 1) * 255
    array = pixels.round().to(torch.uint8).numpy()
    buffer = io.BytesIO()
    Image.fromarray(array.squeeze(-1) if c == 1 else array).save(buffer, "PNG", compress_level=9)
    return buffer.getvalue()
