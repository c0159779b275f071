"""What an own model costs on the map and the walk: `python -m benchmarks.own`. Chromium without a GPU.

Two decoders of 64 × 64 colour pictures from 64 latents, of about 1 M and 3.3 M weights, made here with random weights,
written with the eight lines that the form shows, opened from those files. Seconds to open; the map as
`benchmarks.canvas` measures it; seconds from navigation until a walk and its dimensions are drawn.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import torch
from playwright.sync_api import Browser
from torch import nn

from benchmarks.canvas import app, measure
from vae_core.opening.door import Files, open_model
from vae_core.opening.recipe import LINES

LATENT, COUNT = 64, 2000
WIDTHS = {"1 M": (165, 110, 55), "3.3 M": (305, 220, 110)}


class Deconvolution(nn.Module):
    """64 latents to 3 × 64 × 64, doubling the picture four times."""

    def __init__(self, first: int, second: int, third: int) -> None:
        super().__init__()
        self.first = first
        self.spread = nn.Linear(LATENT, first * 16)
        self.grow = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(first, first, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(first, second, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(second, third, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(third, 3, 4, 2, 1), nn.Sigmoid(),
        )  # fmt: skip

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Pictures of codes."""
        return self.grow(self.spread(z).view(-1, self.first, 4, 4))


def write(folder: Path, widths: tuple[int, int, int]) -> tuple[Files, int]:
    """The files of a model, by the lines that people are shown, and how many weights its decoder has."""
    torch.manual_seed(0)
    vae = Deconvolution(*widths)
    codes = torch.randn(COUNT, LATENT)
    with torch.no_grad():
        pictures = torch.cat([vae.decode(part) for part in codes.split(256)])
    parts = iter(codes.split(256))  # as if an encoder had found the codes that made the pictures
    vae.encode = lambda x: (next(parts), torch.full((len(x), LATENT), -3.0))
    before = Path.cwd()
    os.chdir(folder)
    exec(LINES, {"vae": vae, "images": pictures})
    os.chdir(before)
    weights = sum(parameter.numel() for parameter in vae.parameters())
    return Files(folder / "latents.npz", folder / "decoder.onnx", images=folder / "images.npy"), weights


def walk(browser: Browser, url: str) -> dict[str, float]:
    """Seconds from navigation until the strips are drawn, and from the press until all dimensions are."""
    page = browser.new_page(viewport={"width": 1360, "height": 768})
    begun = time.monotonic()
    page.goto(url)
    page.wait_for_selector('[data-testid="walk"][data-ready="1"]', timeout=120_000)
    ready, begun = time.monotonic() - begun, time.monotonic()
    page.get_by_role("tab", name="One dimension at a time").click()
    page.wait_for_selector('[data-testid="walk"][data-view="dimensions"][data-ready="1"]', timeout=120_000)
    dimensions = time.monotonic() - begun
    page.close()
    return {"walk_ready_s": round(ready, 1), "dimensions_s": round(dimensions, 1)}


def main() -> None:
    """One JSON line for each model."""
    with app() as (server, browser):
        for kind, widths in WIDTHS.items():
            files, weights = write(server.store.root.parent, widths)
            begun = time.monotonic()
            run = open_model(files, server.store)
            told = {"model": kind, "decoder_weights": weights, "opened_s": round(time.monotonic() - begun, 1)}
            told |= measure(browser, f"{server.url}/latent?run={run.name}")
            told |= walk(browser, f"{server.url}/walk?run={run.name}&from=3&to=100")
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
