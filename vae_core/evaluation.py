"""Evaluation: the numbers of a model on a split, always at β = 1, in nats per image."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from vae_core import diagnostics
from vae_core.diagnostics import DIAGNOSTICS, Encoded, encode, mutual_information_ceiling
from vae_core.evidence import importance_log_evidence
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian
from vae_core.spec import Split
from vae_core.vae import VAE

NLL_SEED = 5000


def measure(e: Encoded) -> dict[str, Any]:
    """ELBO, reconstruction, KL and every diagnostic of these images: means over them, as plain numbers."""
    elbo = diagnostics.elbo(e)
    reconstruction = float(elbo.log_likelihood.mean())
    kl = float(elbo.kl.sum(-1).mean())
    numbers = {function.__name__: function(e).tolist() for function in DIAGNOSTICS}
    ceiling = mutual_information_ceiling(e)
    terms = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
    return {**terms, **numbers, "mutual_information_ceiling": ceiling, "count": len(e.images)}


def evaluate(vae: VAE, split: Split, samples: int = 100, images: int = 500) -> dict[str, Any]:
    """`measure` over the whole split, and the negative log-evidence of its first `images` with K = `samples`.

    "nll" is positive and an upper bound on average (ln p̂ errs low); null where p(x) does not exist.
    """
    vae.eval()
    e = encode(vae, vae.likelihood.once(split.images, split.top), split.labels)
    numbers = measure(e)
    x = e.images[:images]
    nll = standard_error = None
    if vae.likelihood.normalised and len(x):
        generator = torch.Generator(device=x.device).manual_seed(NLL_SEED)
        log_evidence = importance_log_evidence(vae, x, samples, generator)
        nll = -float(log_evidence.mean())
        standard_error = float(log_evidence.std() / len(x) ** 0.5) if len(x) > 1 else None
    return {**numbers, "nll": nll, "nll_standard_error": standard_error, "samples": samples, "images": len(x)}


@torch.no_grad()
def baseline(
    likelihood: Bernoulli | Binomial | ContinuousBernoulli | Gaussian,
    train: UInt8[Tensor, "n c h w"],
    x: Tensor,
    top: int,
) -> float:
    """Mean ln p(x) of independent pixels at the training mean: what a model that ignores its code can reach."""
    return float(likelihood.log_prob(likelihood.constant(train, top), x.cpu()).mean())
