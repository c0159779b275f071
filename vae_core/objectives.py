"""Objectives: how a batch and β become the one number that is minimised."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from vae_core.gaussian import DiagonalGaussian, standard_normal_log_prob
from vae_core.spec import Variant
from vae_core.vae import VAE, Elbo


class OfTerms(Variant):
    """Objectives that need to know of a batch no more than the terms of its ELBO, from one code an image."""

    @property
    def words(self) -> str:
        """What is trained, where that is not what curves and tables show."""
        return ""

    @abstractmethod
    def __call__(self, elbo: Elbo, beta: float) -> Float[Tensor, ""]:
        """The loss, averaged over the batch, in nats."""

    def bound(
        self, vae: VAE, x: Float[Tensor, "n c h w"], beta: float, generator: torch.Generator | None = None
    ) -> tuple[Elbo, Float[Tensor, ""]]:
        """The terms of the ELBO of each image, and the loss."""
        elbo = vae.elbo(x, generator)
        return elbo, self(elbo, beta)


class Plain(OfTerms):
    """The β-weighted free energy."""

    title: ClassVar[str] = "ELBO with weight β"
    kind: Literal["plain"] = "plain"

    def __call__(self, elbo: Elbo, beta: float) -> Float[Tensor, ""]:
        """β KL − ln p(x|z), averaged over the batch, in nats."""
        return elbo.loss(beta)


class FreeBits(OfTerms):
    """Each dimension may spend `nats` for nothing: max(nats, batch mean of KL_j) (Kingma et al. 2016)."""

    title: ClassVar[str] = "Free bits"
    kind: Literal["free-bits"] = "free-bits"
    nats: float = Field(default=0.1, ge=0, le=10, title="Free nats a dimension")

    @property
    def words(self) -> str:
        """As of every objective."""
        return f"the ELBO with {self.nats:g} free nats a dimension"

    def __call__(self, elbo: Elbo, beta: float) -> Float[Tensor, ""]:
        """As the plain objective, but below `nats` a dimension has no price and no gradient."""
        return beta * elbo.kl.mean(0).clamp_min(self.nats).sum() - elbo.log_likelihood.mean()


class Iwae(Variant):
    """The bound of K codes an image, ln of the mean of their weights p(x|z) (p(z)/q(z|x))^β (Burda et al. 2015)."""

    title: ClassVar[str] = "Importance-weighted bound"
    kind: Literal["iwae"] = "iwae"
    samples: int = Field(default=5, ge=1, le=200, title="Samples K", description="Codes an image; 1 is the ELBO.")
    sticking_the_landing: bool = Field(
        default=False,
        title="Stick the landing",
        description="Leave the score of q out of the encoder's gradient, which keeps its mean and is less noisy near "
        "the posterior (Roeder et al. 2017; for K > 1 doubly reparametrised, Tucker et al. 2019).",
    )

    @property
    def words(self) -> str:
        """As of every objective."""
        how = ", sticking the landing" if self.sticking_the_landing else ""
        return f"the importance-weighted bound, K = {self.samples}{how}"

    def bound(
        self, vae: VAE, x: Float[Tensor, "n c h w"], beta: float, generator: torch.Generator | None = None
    ) -> tuple[Elbo, Float[Tensor, ""]]:
        """The terms of the ELBO of each image, its reconstruction the mean over the codes, and the loss."""
        q, count = vae.encode(x), self.samples
        z = q.samples(count, generator)
        proposal = DiagonalGaussian(q.mean.detach(), q.logvar.detach()) if self.sticking_the_landing else q
        repeated = x.repeat(count, 1, 1, 1)
        parameters = vae.decode(z.flatten(0, 1), repeated)
        log_likelihood = vae.likelihood.log_prob(parameters, repeated).view(count, len(x))
        weights = log_likelihood + beta * (standard_normal_log_prob(z) - proposal.log_prob(z))
        if self.sticking_the_landing and z.requires_grad:
            # Reparametrised once more, the score of q that was left out is this share of the path's gradient.
            share = 1 - beta * (1 - weights.detach().softmax(0))
            z.register_hook(lambda gradient: gradient * share.unsqueeze(-1))
        loss = math.log(count) - weights.logsumexp(0).mean()
        return Elbo(log_likelihood.mean(0), q.kl()), loss


Objective = Annotated[Plain | FreeBits | Iwae, Field(discriminator="kind")]
