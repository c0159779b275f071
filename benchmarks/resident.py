"""The peer to beat first: a plain PyTorch loop with the data resident in memory, logits and fused Adam."""

from __future__ import annotations

from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Plain(nn.Module):
    """784-400-(20+20)-400-784, or two stride-2 convolutions each way."""

    def __init__(self, kind: str, latent: int) -> None:
        super().__init__()
        self.encoder, self.decoder = _mlp(latent) if kind == "mlp" else _conv(latent)

    def loss(self, x: Tensor) -> Tensor:
        """Negative ELBO of a batch, summed."""
        mean, logvar = self.encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)
        reconstruction = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        return reconstruction - 0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())


def _mlp(latent: int) -> tuple[nn.Module, nn.Module]:
    return (
        nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 2 * latent)),
        nn.Sequential(nn.Linear(latent, 400), nn.ReLU(), nn.Linear(400, 784)),
    )


def _conv(latent: int) -> tuple[nn.Module, nn.Module]:
    down = [nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(), nn.Flatten()]
    up = [nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Flatten()]
    return (
        nn.Sequential(nn.Unflatten(1, (1, 28, 28)), *down, nn.Linear(64 * 49, 2 * latent)),
        nn.Sequential(nn.Linear(latent, 64 * 49), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)), *up),
    )


class Contestant:
    """Trains by epochs, and logs nothing."""

    def __init__(self, data: SimpleNamespace, shape: SimpleNamespace) -> None:
        torch.manual_seed(shape.seed)
        self.train, self.test = data.train.float() / 255, data.test.float() / 255
        self.batch = shape.batch
        self.model = Plain(shape.kind, shape.latent)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)

    def epoch(self) -> int:
        """Train one more epoch; returns the images trained on."""
        steps = len(self.train) // self.batch
        order = torch.randperm(len(self.train))
        for i in range(steps):
            loss = self.model.loss(self.train[order[i * self.batch : (i + 1) * self.batch]])
            self.optimiser.zero_grad()
            (loss / self.batch).backward()
            self.optimiser.step()
        return steps * self.batch

    def elbo(self) -> float:
        """Mean negative ELBO of the test images, in nats."""
        with torch.no_grad():
            return float(self.model.loss(self.test)) / len(self.test)


def make(data: SimpleNamespace, shape: SimpleNamespace) -> Contestant:
    """As `benchmarks.contestant.make`."""
    return Contestant(data, shape)


def make_flushed(data: SimpleNamespace, shape: SimpleNamespace) -> Contestant:
    """The same loop, given the one flag that most loops lack: denormals flushed to zero."""
    torch.set_flush_denormal(True)
    return Contestant(data, shape)
