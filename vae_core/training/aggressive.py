"""The aggressive encoder: as long as the mutual information rises, the encoder runs ahead of the decoder.

He, Spokoyny, Neubig & Berg-Kirkpatrick (2019) blame collapse on an encoder that lags behind the true posterior, and
let it catch up before each update of the decoder.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.optim import Adam

from vae_core.config import RunConfig
from vae_core.diagnostics import PAIRS, encode, mutual_information
from vae_core.training.batches import Batches, seed_of
from vae_core.vae import VAE, Elbo

WINDOW = 10  # encoder updates whose mean loss is compared with that of as many before
EPOCHS = 2  # between two looks at the mutual information


class Aggressive:
    """One update of the decoder, after as many of the encoder as still lower the loss, at most `encoder_steps`.

    The first time that the mutual information of the training images has not risen over two epochs, the encoder stops
    leading, for good. What it must remember for that lies among Adam's moments, so that a checkpoint has it.
    """

    def __init__(
        self, vae: VAE, optimiser: Adam, config: RunConfig, images: UInt8[Tensor, "n c h w"], batches: Batches
    ) -> None:
        self.vae, self.optimiser, self.config, self.images, self.batches = vae, optimiser, config, images, batches
        self._encoder = list(vae.encoder.parameters())

    def __call__(
        self, step: int, x: Float[Tensor, "n c h w"], beta: float, generator: torch.Generator
    ) -> tuple[Elbo, Float[Tensor, ""]]:
        """As `fit.train_step`; the terms are of the batch `x`, after the encoder's own updates."""
        if leads := self.leads:
            self._lead(step, beta)
        elbo, loss = self.config.objective.bound(self.vae, x, beta, generator)
        self.optimiser.zero_grad()
        loss.backward()
        self._update_without(self._encoder if leads else [])
        if leads and (step + 1) % (EPOCHS * self.batches.each) == 0:
            self._look()
        return Elbo(elbo.log_likelihood.detach(), elbo.kl.detach()), loss.detach()

    @property
    def leads(self) -> bool:
        """Whether the encoder is still ahead."""
        return bool(self._memory.get("leads", True))

    def _lead(self, step: int, beta: float) -> None:
        """Update the encoder alone, on batches of its own, until its mean loss stops falling."""
        generator = torch.Generator(self.images.device)
        before, window = float("inf"), 0.0
        for count in range(1, self.config.encoder_steps + 1):
            generator.manual_seed(seed_of(self.config.seed, 2, step, count))
            x = self.vae.prepare(self.batches.other(self.images, step, generator), generator)
            _, loss = self.config.objective.bound(self.vae, x, beta, generator)
            self.optimiser.zero_grad()
            loss.backward(inputs=self._encoder)
            self.optimiser.step()
            window += float(loss.detach())
            if count % WINDOW == 0:
                if window >= before:
                    return
                before, window = window, 0.0

    def _update_without(self, waiting: list[torch.nn.Parameter]) -> None:
        """One update of all but some parameters, which keep their gradients for whoever looks at them."""
        gradients = [parameter.grad for parameter in waiting]
        for parameter in waiting:
            parameter.grad = None
        self.optimiser.step()
        for parameter, gradient in zip(waiting, gradients, strict=True):
            parameter.grad = gradient

    def _look(self) -> None:
        found = mutual_information(encode(self.vae, self.images[:PAIRS])).float().cpu()
        before = self._memory.get("mutual_information")
        self._memory["leads"] = torch.tensor(float(before is None or found > before.cpu()))
        self._memory["mutual_information"] = found

    @property
    def _memory(self) -> dict[str, Tensor]:
        return self.optimiser.state[self._encoder[0]]
