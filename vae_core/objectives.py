"""Objectives: how the terms of the bound and β become the one number that is minimised."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from vae_core.spec import Variant
from vae_core.vae import Elbo


class Plain(Variant):
    """The β-weighted free energy."""

    title: ClassVar[str] = "ELBO with weight β"
    kind: Literal["plain"] = "plain"

    def __call__(self, elbo: Elbo, beta: float) -> Float[Tensor, ""]:
        """β KL − ln p(x|z), averaged over the batch, in nats."""
        return elbo.loss(beta)


class FreeBits(Variant):
    """Each dimension may spend `nats` for nothing: max(nats, batch mean of KL_j) (Kingma et al. 2016)."""

    title: ClassVar[str] = "Free bits"
    kind: Literal["free-bits"] = "free-bits"
    nats: float = Field(default=0.1, ge=0, le=10, title="Free nats a dimension")

    def __call__(self, elbo: Elbo, beta: float) -> Float[Tensor, ""]:
        """As the plain objective, but below `nats` a dimension has no price and no gradient."""
        return beta * elbo.kl.mean(0).clamp_min(self.nats).sum() - elbo.log_likelihood.mean()


Objective = Annotated[Plain | FreeBits, Field(discriminator="kind")]
