"""The order of the data, and the seeds of all noise: pure functions, so that nothing need be saved to resume."""

from __future__ import annotations

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from vae_core.config import RunConfig


class Batches:
    """The order of the data: each epoch a new permutation, a pure function of (seed, epoch); no short last batch."""

    def __init__(self, count: int, config: RunConfig, device: torch.device) -> None:
        self.count, self.seed, self.device = count, config.seed, device
        self.size = config.batch if 0 < config.batch < count else count
        self.each = count // self.size  # batches an epoch
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def take(self, images: UInt8[Tensor, "n c h w"], step: int) -> UInt8[Tensor, "b c h w"]:
        """The images of one step."""
        if self.size == self.count:
            return images
        epoch, place = divmod(step, self.each)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._permutation(epoch)
        return images.index_select(0, self._order[place * self.size : (place + 1) * self.size])

    def other(
        self, images: UInt8[Tensor, "n c h w"], step: int, generator: torch.Generator
    ) -> UInt8[Tensor, "b c h w"]:
        """The images of any step of the same epoch."""
        place = int(torch.randint(self.each, (1,), generator=generator, device=generator.device))
        return self.take(images, step - step % self.each + place)

    def _permutation(self, epoch: int) -> Int[Tensor, "n"]:
        generator = torch.Generator().manual_seed(seed_of(self.seed, 0, epoch))
        return torch.randperm(self.count, generator=generator).to(self.device)


def seed_of(*parts: int) -> int:
    """A well-mixed 63-bit seed from a few numbers (splitmix64), so that noise needs no state to be resumed."""
    mask, state = 2**64 - 1, 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state >> 1
