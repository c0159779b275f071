"""The measured numbers of a report as sentences: what a verdict rests on."""

from __future__ import annotations

import math

from vae_core.captions import apart, nats, weight
from vae_core.config import RunConfig
from vae_core.likelihoods import Gaussian
from vae_core.nets import Mlp
from vae_core.report.values import IGNORED, Report
from vae_core.schedules import Delayed, Warmup


def units(r: Report) -> str:
    """How many latents are in use."""
    return f"{r.codes.active_units} of {len(r.codes.kl)} latents"


def ignores(r: Report) -> str:
    """Whether the decoder uses z, by what a shuffle costs."""
    cost = r.listening.shuffle_cost
    if cost is None:
        return "Whether the decoder uses z cannot be measured here."
    changes = f"shuffling the codes changes reconstruction by {nats(abs(cost))} nats"
    return f"The decoder ignores z: {changes}." if abs(cost) < IGNORED else f"The decoder uses z: {changes}."


def reaches(r: Report) -> str:
    """The ELBO beside that of a model without a code."""
    elbo, known = (math.nan if value is None else value for value in (r.elbo, r.baseline))
    return f"The ELBO is {nats(elbo)} nats; a model that ignores z reaches {nats(known)}."


def gain(r: Report) -> float:
    """What the code pays, by the two numbers of `reaches` as they are printed."""
    return math.nan if r.elbo is None or r.baseline is None else apart(r.elbo, r.baseline)


def spent(r: Report) -> str:
    """What the code costs, and since when it is empty."""
    since = r.past.collapsed_since
    when = f", since step {since:,}" if since is not None and r.empty else ""
    return f"KL {nats(r.kl)} nats, {units(r)} in use{when}."


def responds(r: Report) -> str:
    """How much of its first response the decoder has left."""
    return f"The decoder's last hidden layer moves with z by {r.response:.0%} of what it did untrained."


def short(value: float | None) -> str:
    """A number that may be of any size, such as a gradient's norm; a dash if it is not known."""
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def pull(r: Report) -> str:
    """How strongly the encoder is pulled at, now and at first; nothing if that was not logged."""
    now, first = r.past.gradient_norm_encoder, r.past.first_gradient_norm_encoder
    if now is None or first is None:
        return ""
    return f"The encoder's gradient has a norm of {short(now)}; at the first step it was {short(first)}."


def worth(r: Report) -> str:
    """What a code could gain at the β in effect; nothing if that is not known."""
    if r.price is None:
        return ""
    if r.price.worth == 0:
        return f"At β = {beta(r)} the best linear code gains nothing."
    return f"At β = {beta(r)} the best linear code would gain {nats(r.price.worth)} nats."


def regime(r: Report) -> str:
    """How many latents say something, how many are at the prior, and how many are in between, by σ and μ together.

    Two conditions instead of one, so the first count may be lower than that of the units in use.
    """
    count = {name: r.codes.regime.count(name) for name in ("active", "passive", "mixed")}
    return (
        f"By σ and μ together {count['active']} latents are active, {count['passive']} passive (at the prior) and "
        f"{count['mixed']} mixed (of use for some images, or on their way)."
    )


def beta(r: Report) -> str:
    """The β in effect, without decimals that say nothing."""
    return weight(r.past.beta).removesuffix(".00")


def price(r: Report) -> str:
    """What a code costs beside what the data would give for it."""
    if r.price is None:
        return "no known price"
    if r.price.sigma_squared is None:
        return f"this price (β = {beta(r)}, largest eigenvalue of the data {r.price.eigenvalue:.2f})"
    return f"this noise (βσ² = {r.price.price:.2f}, largest eigenvalue {r.price.eigenvalue:.2f})"


def again(config: RunConfig, cure: RunConfig | None) -> str:
    """What a cure changes, as an order; without one, that all were tried."""
    if cure is None:
        return "It was trained as every cure known here says, and none of them helped."
    changes = changed(config, cure)
    return f"Start again with {' and '.join(changes)}." if changes else f"Start again, with {cure.steps:,} steps."


def changed(config: RunConfig, cure: RunConfig) -> list[str]:
    """What is other in a cure than in the run, but for the number of steps."""
    changes = []
    if cure.net != config.net and isinstance(cure.net, Mlp):
        changes.append(f"{cure.net.activation} layers")
    if cure.learning_rate != config.learning_rate:
        changes.append(f"a learning rate of {cure.learning_rate:g}")
    if cure.likelihood != config.likelihood and isinstance(cure.likelihood, Gaussian):
        changes.append(f"σ = {cure.likelihood.sigma:g}")
    if cure.beta != config.beta:
        changes.append(rising(cure))
    return changes


def rising(cure: RunConfig) -> str:
    """What β does in a cure, as the end of a sentence."""
    match cure.beta:
        case Warmup(steps=steps, start=0.0):
            return f"β rising over {steps:,} steps"
        case Delayed(wait=wait, ramp=ramp):
            return f"β at 0 for {wait:,} steps, then rising over {ramp:,}"
    return "the same schedule"
