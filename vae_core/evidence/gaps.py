"""Whose fault the gap is: the family's, which holds no better q, or the encoder's, which missed it (Cremer 2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.evidence.importance import LogLikelihood, chi_square, image_log_likelihood, require_slope
from vae_core.gaussian import DiagonalGaussian, standard_normal_log_prob
from vae_core.vae import VAE

RATE = 0.05  # of Adam, in standard deviations of the first q
CHECKS = 8  # how often the best so far is looked for
CHECKED = 128  # codes of each image that decide which q is the best
SEED = 4000


@dataclass(frozen=True)
class Gaps:
    """For each of n images, in nats: ln p(x) ≥ ELBO(q*) ≥ ELBO(q), with q* the best factorised Gaussian found.

    Each comes with the standard error that its codes leave in it. Shapes: all [n]; best [n, d].
    """

    log_evidence: Float[Tensor, "n"]
    log_evidence_error: Float[Tensor, "n"]
    best_elbo: Float[Tensor, "n"]
    best_elbo_error: Float[Tensor, "n"]
    elbo: Float[Tensor, "n"]
    elbo_error: Float[Tensor, "n"]
    amortisation: Float[Tensor, "n"]
    amortisation_error: Float[Tensor, "n"]
    best: DiagonalGaussian

    @property
    def approximation(self) -> Float[Tensor, "n"]:
        """ln p̂(x) − ELBO(q*): what no factorised Gaussian can close. Errs low, as ln p̂ does."""
        return self.log_evidence - self.best_elbo

    @property
    def approximation_error(self) -> Float[Tensor, "n"]:
        """The two errors together, as if they were independent."""
        return torch.hypot(self.log_evidence_error, self.best_elbo_error)

    @property
    def total(self) -> Float[Tensor, "n"]:
        """ln p̂(x) − ELBO(q), an estimate of KL(q(z|x)‖p(z|x)): the two gaps together."""
        return self.log_evidence - self.elbo

    @property
    def total_error(self) -> Float[Tensor, "n"]:
        """The two errors together, as if they were independent."""
        return torch.hypot(self.log_evidence_error, self.elbo_error)


def gaps(
    vae: VAE,
    x: Float[Tensor, "n c h w"],
    samples: int = 5000,
    generator: torch.Generator | None = None,
    best: DiagonalGaussian | None = None,
) -> Gaps:
    """The gaps of images x as the likelihood sees them, from `samples` codes each of q and of q*, with the same noise.

    q* is `best` where it is given, else `optimise_posterior`'s, and q itself for an image where that is no better.
    ln p̂(x) is from all of these codes, as drawn from the even mixture of the two (Veach and Guibas 1995, the balance
    heuristic): p̂ is unbiased, and good where either of them is. InputError for grey values under a Bernoulli.
    """
    generator = generator or torch.Generator(x.device).manual_seed(SEED)
    with torch.no_grad():
        q = vae.encode(x)
    best = best or optimise_posterior(vae, x, generator=generator)
    own, weights, mixed = _weighed(image_log_likelihood(vae, x), q, best, samples, generator)
    better = weights.mean(0) > own.mean(0)
    weights, best = torch.where(better, weights, own), _chosen(better, best, q)
    difference = weights - own
    return Gaps(
        mixed.logsumexp(0) - math.log(samples), (chi_square(mixed) / samples).sqrt(),
        weights.mean(0), _error(weights),
        own.mean(0), _error(own),
        difference.mean(0), _error(difference),
        best,
    )  # fmt: skip


def optimise_posterior(
    vae: VAE,
    x: Float[Tensor, "n c h w"],
    steps: int = 300,
    samples: int = 16,
    generator: torch.Generator | None = None,
) -> DiagonalGaussian:
    """q* of each image: the encoder's q, improved by `steps` of Adam on its own mean and ln σ², the decoder as it is.

    Each step sees `samples` fresh codes of each image, in mirrored pairs. By fixed noise the best q on the way is
    kept for each image, the encoder's among them: the bound never falls. InputError for grey values under a Bernoulli.
    """
    log_likelihood = image_log_likelihood(vae, x)
    with torch.no_grad():
        start = vae.encode(x)
    return improved(log_likelihood, start, steps, samples, generator)


@torch.enable_grad()
def improved(
    log_likelihood: LogLikelihood,
    start: DiagonalGaussian,
    steps: int = 300,
    samples: int = 16,
    generator: torch.Generator | None = None,
) -> DiagonalGaussian:
    """The same of any model with a standard normal prior, from q = `start` on."""
    generator = generator or torch.Generator(start.mean.device).manual_seed(SEED)
    shift, log_scale = (torch.zeros_like(start.mean, requires_grad=True) for _ in range(2))
    optimiser = torch.optim.Adam([shift, log_scale], lr=RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    judge = _mirrored(start, CHECKED, torch.Generator(start.mean.device).manual_seed(SEED + 1))
    judge = judge / judge.square().mean(0).sqrt()  # else it would favour a spread that makes up for its own
    with torch.no_grad():
        best, value = start, _bound(log_likelihood, start, judge)
    for step in range(1, steps + 1):
        bound = _bound(log_likelihood, _from(start, shift, log_scale), _mirrored(start, samples, generator))
        loss = -bound.sum()
        shift.grad, log_scale.grad = torch.autograd.grad(loss, [shift, log_scale])
        optimiser.step()
        decay.step()
        if step == steps or step % max(1, steps // CHECKS) == 0:
            best, value = _better(log_likelihood, best, value, _from(start, shift, log_scale), judge)
    return best


@torch.no_grad()
def _better(
    log_likelihood: LogLikelihood, best: DiagonalGaussian, value: Tensor, q: DiagonalGaussian, noise: Tensor
) -> tuple[DiagonalGaussian, Tensor]:
    found = _bound(log_likelihood, q, noise)
    return _chosen(found > value, q, best), torch.maximum(found, value)


def _from(start: DiagonalGaussian, shift: Tensor, log_scale: Tensor) -> DiagonalGaussian:
    return DiagonalGaussian(start.mean + start.std * shift, start.logvar + 2 * log_scale)


def _bound(log_likelihood: LogLikelihood, q: DiagonalGaussian, noise: Tensor) -> Tensor:
    reconstruction = log_likelihood(q.mean + q.std * noise).mean(0)
    if torch.is_grad_enabled():
        require_slope(reconstruction)
    return reconstruction - q.kl().sum(-1)


def _mirrored(q: DiagonalGaussian, samples: int, generator: torch.Generator | None) -> Tensor:
    shape = (max(1, samples // 2), *q.mean.shape)
    half = torch.randn(shape, generator=generator, dtype=q.mean.dtype, device=q.mean.device)
    return torch.cat([half, -half])


def _chosen(where: Tensor, one: DiagonalGaussian, other: DiagonalGaussian) -> DiagonalGaussian:
    pairs = ((one.mean, other.mean), (one.logvar, other.logvar))
    return DiagonalGaussian(*(torch.where(where[:, None], a, b).detach() for a, b in pairs))


@torch.no_grad()
def _weighed(
    log_likelihood: LogLikelihood,
    one: DiagonalGaussian,
    other: DiagonalGaussian,
    samples: int,
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    """Log weights [k, n]: of codes of each proposal, from the same noise, and of each pair as drawn from both."""
    noise = torch.randn((samples, *one.mean.shape), generator=generator, dtype=one.mean.dtype, device=one.mean.device)
    found, pair = [], []
    for q in (one, other):
        z = q.mean + q.std * noise
        joint = log_likelihood(z) + standard_normal_log_prob(z)
        found.append(joint - q.log_prob(z))
        pair.append(joint - torch.logaddexp(one.log_prob(z), other.log_prob(z)))  # the halves of q and p̂ cancel
    return *found, torch.logaddexp(*pair)


def _error(values: Tensor) -> Tensor:
    return values.std(0) / math.sqrt(len(values))
