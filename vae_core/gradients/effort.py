"""How many passes through a network fit into a few seconds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vae_core.vae import VAE

SPEED = 6e9  # multiplications a second, forward and backward, of one thread of a plain computer


def affordable(vae: VAE, images: int, low: int, high: int, seconds: float | int = 1.5) -> int:
    """How many codes of each of so many images the decoder can explain in about so long: a multiple of 50.

    Between `low` and `high`, whatever that takes. The answer follows from the network alone, so that it is the same
    everywhere.
    """
    count = int(seconds * SPEED / (images * _multiplications(vae)))
    return max(low, min(high, count - count % 50))


@torch.no_grad()
def _multiplications(vae: VAE) -> int:
    """Of one forward pass of one code through the decoder; at least one."""
    counts: dict[nn.Module, int] = {}

    def count(module: nn.Module, given: tuple[Any, ...], out: Tensor) -> None:
        weight = getattr(module, "weight", None)
        if weight is not None:
            # Every weight is used once at every place; a stride leaves as many as the smaller of the two sides has.
            places = min(side[0, 0].numel() for side in (given[0], out)) if out.dim() > 2 else 1
            counts[module] = weight.numel() * places  # the same for whoever else decodes meanwhile

    handles = [module.register_forward_hook(count) for module in vae.decoder.modules()]
    try:
        vae.decode(torch.zeros(1, vae.latent, device=next(vae.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    return max(1, sum(counts.values()))
