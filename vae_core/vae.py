"""The VAE: two networks, one likelihood, one bound."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from vae_core.gaussian import DiagonalGaussian
from vae_core.heads import Normal
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian
from vae_core.nets import Conv, Linear, Mlp
from vae_core.spec import Shape


@dataclass(frozen=True)
class Elbo:
    """The terms of the bound in nats, for each image: before any mean, before β.

    Shapes: log_likelihood [n], kl [n, d].
    """

    log_likelihood: Float[Tensor, "n"]
    kl: Float[Tensor, "n d"]

    def value(self) -> Float[Tensor, "n"]:
        """The bound itself: ln p(x|z) − KL, always at β = 1."""
        return self.log_likelihood - self.kl.sum(-1)

    def loss(self, beta: float) -> Float[Tensor, ""]:
        """The β-weighted variational free energy, averaged over the images: what the optimiser sees."""
        return (beta * self.kl.sum() - self.log_likelihood.sum()) / len(self.log_likelihood)


class VAE(nn.Module):
    """q(z|x) = N(encoder(x)), p(z) = N(0, I), p(x|z) = likelihood(head(decoder(z)))."""

    def __init__(
        self,
        net: Linear | Mlp | Conv,
        likelihood: Bernoulli | Binomial | ContinuousBernoulli | Gaussian,
        shape: Shape | tuple[int, int, int],
        latent: int,
    ) -> None:
        super().__init__()
        self.shape = Shape(*shape)
        self.latent = latent
        self.likelihood = likelihood
        self.encoder = net.encoder(self.shape, 2 * latent)
        self.decoder = net.decoder(self.shape, latent)
        self.head = likelihood.head(self.shape)

    def prepare(self, images: UInt8[Tensor, "n c h w"], generator: torch.Generator | None = None) -> Tensor:
        """uint8 pixels to the x that the encoder and the likelihood both see."""
        return self.likelihood.prepare(images, generator, self.shape.top)

    def encode(self, x: Float[Tensor, "n c h w"]) -> DiagonalGaussian:
        """The posterior of each image."""
        mean, logvar = self.encoder(x).chunk(2, dim=-1)
        # Clamped because exp(logvar) can overflow on one wild batch, and Adam never forgets a nan.
        return DiagonalGaussian(mean, logvar.clamp(-20, 10))

    def decode(self, z: Float[Tensor, "n d"], x: Tensor | None = None) -> Tensor | Normal:
        """The parameters of p(x|z) for each code; `x` is given only while training."""
        return self.head(self.decoder(z).view(-1, *self.shape[:3]), x)

    def elbo(self, x: Float[Tensor, "n c h w"], generator: torch.Generator | None = None) -> Elbo:
        """One-sample estimate of the bound, term by term."""
        q = self.encode(x)
        parameters = self.decode(q.sample(generator), x)
        return Elbo(self.likelihood.log_prob(parameters, x), q.kl())

    @torch.no_grad()
    def start_at_mean(self, images: UInt8[Tensor, "n c h w"]) -> None:
        """Set the output bias so that an untrained decoder shows the mean image (Burda et al. 2015)."""
        bias = self.likelihood.outputs(self.likelihood.mean_image(images, self.shape.top))
        last = self.decoder[-1]  # type: ignore[index]
        last.bias.copy_(bias.flatten())

    def picture(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        """E[x|z] between 0 and 1."""
        return self.likelihood.mean(self.decode(z))
