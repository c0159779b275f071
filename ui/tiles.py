"""Small images of a run's examples, a thousand on a sheet: what a map shows in place of points when it is close."""

from __future__ import annotations

import io
import math
from typing import Any

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vae_core.opened import Opened
from vae_core.runs import Run
from vae_core.spec import InputError

SHEET, ACROSS, LARGEST = 1000, 40, 32  # tiles of a sheet, tiles of a row, and side of a tile in pixels


def describe_tiles(run: Run, split: str) -> dict[str, Any] | None:
    """Where the sheets of a split are and how they are cut; None where there are no images."""
    opened = Opened.of(run)
    if not (opened.has_images if opened else run.config.dataset.ready()):
        return None
    shape = run.config.dataset.shape
    width, height = min(LARGEST, shape.width), min(LARGEST, shape.height)
    url = f"/api/runs/{run.name}/tiles/{split}/SHEET.png?v={int(run.created)}"
    return {"url": url, "across": ACROSS, "sheet": SHEET, "width": width, "height": height, "channels": shape.channels}


def sheet(run: Run, split: str, number: int) -> bytes:
    """A PNG of the images from SHEET · number on, ACROSS in a row. InputError where there are none."""
    rows = slice(SHEET * number, SHEET * (number + 1))
    images = _images(run, split, rows)
    if not len(images):
        raise InputError(f"there is no sheet {number} of {split}", run.name)
    return _png(images.float() / run.config.dataset.shape.top)


def _images(run: Run, split: str, rows: slice) -> UInt8[Tensor, "n c h w"]:
    opened = Opened.of(run)
    if opened is None:
        return run.config.dataset.load()[split == "test"].images[rows]
    images = opened.images(rows)
    if images is None:
        raise InputError("this model came without images", run.name)
    return images


def _png(images: Float[Tensor, "n c h w"]) -> bytes:
    """Images from 0 to 1, made smaller where they are large."""
    height, width = min(LARGEST, images.shape[2]), min(LARGEST, images.shape[3])
    small = adaptive_avg_pool2d(images, (height, width)) if images.shape[2:] != (height, width) else images
    rows = math.ceil(len(small) / ACROSS)
    padded = torch.cat([small, torch.zeros(rows * ACROSS - len(small), *small.shape[1:])])
    grid = padded.reshape(rows, ACROSS, -1, height, width).permute(0, 3, 1, 4, 2)
    pixels = (255 * grid.reshape(rows * height, ACROSS * width, -1)).round().to(torch.uint8).numpy()
    out = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(out, "PNG", compress_level=6)
    return out.getvalue()
