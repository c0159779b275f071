"""The loop of the program: a batch, its bound, β and one update."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from vae_core.config import Cosine, RunConfig, StepDecay
from vae_core.likelihoods import Bernoulli, Binomial, Gaussian
from vae_core.nets import Linear
from vae_core.objectives import FreeBits
from vae_core.schedules import Constant, Cyclical, Delayed, Piecewise, Schedule, Sigmoid, Warmup

WIDTH = 96
Changes = Sequence[tuple[int, Schedule]]


def batches(config: RunConfig) -> list[str]:
    """The images of a step, as the encoder and the likelihood see them."""
    images, lines = "images", []
    if not whole(config):
        images = "images[order[place * BATCH : (place + 1) * BATCH]]"
        lines = [
            "epoch, place = divmod(step, len(images) // BATCH)",
            "if place == 0:",
            "    shuffle = torch.Generator().manual_seed(seed_of(SEED, 0, epoch))",
            "    order = torch.randperm(len(images), generator=shuffle)",
        ]
    lines += ["noise.manual_seed(seed_of(SEED, 1, step))", f"x = {images} * (1 / {config.dataset.shape.top})"]
    match config.likelihood:
        case Bernoulli(binarise="never"):
            lines += ["# These x are grey: what is called a likelihood below is none."]
        case Bernoulli(binarise="threshold"):
            lines += ["x = (x >= 0.5).float()"]
        case Bernoulli():
            lines += ["x = (x > torch.rand(x.shape, generator=noise)).float()  # a pixel is a coin"]
        case Binomial(trials=trials):
            lines += [f"x = (x * {trials}).round() / {trials}"]
    return lines


def bound(config: RunConfig) -> list[str]:
    """ln p(x|z) of each image, and the KL of each image and latent."""
    if isinstance(config.net, Linear):
        lines = ["mean, logvar = encoder(x), z_logvar.clamp(-20, 10).expand(len(x), -1)"]
    else:
        lines = ["mean, logvar = encoder(x).chunk(2, dim=1)", "logvar = logvar.clamp(-20, 10)"]
    lines += ["z = mean + (0.5 * logvar).exp() * torch.randn(mean.shape, generator=noise)", "out = decoder(z)"]
    return [*lines, *_likelihood(config), "kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar)"]


def update(config: RunConfig, changes: Changes) -> list[str]:
    """β, the loss, one step of Adam, and the row."""
    lines = [filled(f"beta = {_formula(config.beta)}")]
    lines += ["# Set while the run trained:"] if changes else []
    lines += [filled(f"beta = {_formula(schedule)} if step >= {since} else beta") for since, schedule in changes]
    cost = "kl.sum() / len(x)"
    if isinstance(config.objective, FreeBits):
        cost = f"kl.mean(0).clamp_min({config.objective.nats!r}).sum()"
    every = config.log_every
    return [
        *lines,
        f"loss = beta * {cost} - log_likelihood.mean()",
        *_rate(config),
        "optimiser.zero_grad()",
        "loss.backward()",
        "optimiser.step()",
        f"if step < 50 or (step < 200 and step % 5 == 0) or step % {every} == 0:",
        '    print(f"step {step:6}  beta {beta:.3f}  loss {loss.item():.6f}")',
    ]


def whole(config: RunConfig) -> bool:
    """Whether every batch is all of the data."""
    return not 0 < config.batch < config.dataset.sizes[0]


def _likelihood(config: RunConfig) -> list[str]:
    entropy = 'F.binary_cross_entropy_with_logits(out, x, reduction="none")'
    match config.likelihood:
        case Binomial(trials=n):
            return [
                f"k = {n} * x  # successes of {n} trials",
                f"ways = math.lgamma({n + 1}) - torch.lgamma(k + 1) - torch.lgamma({n + 1} - k)",
                f"log_likelihood = (ways - {n} * {entropy}).sum(1)",
            ]
        case Gaussian(noise=noise, sigma=sigma):
            variance = {
                "fixed": f"torch.tensor({sigma!r} ** 2)",
                "learned": "x_logvar.exp().clamp_min(1e-6)",
                "optimal": "(x - out).detach().square().mean().clamp_min(1e-6)  # what fits this batch best",
            }[noise]
            return [
                f"variance = {variance}",
                "log_likelihood = -0.5 * ((x - out) ** 2 / variance + (2 * math.pi * variance).log()).sum(1)",
            ]
    return [f"log_likelihood = -{entropy}.sum(1)"]


def _formula(schedule: Schedule) -> str:
    """β at `step` as an expression."""
    match schedule:
        case Constant(value=value):
            return repr(value)
        case Warmup(steps=steps, start=start, target=target):
            ramp = _times(target - start, f"min(1.0, step / {steps})")
            return f"{start!r} + {ramp}" if start else ramp
        case Delayed(wait=wait, ramp=ramp, target=target):
            rise = _times(target, f"min(1.0, (step - {wait}) / {ramp})") if ramp else repr(target)
            return f"(0.0 if step < {wait} else {rise})"
        case Sigmoid(middle=middle, rate=rate):
            return f"0.5 * (1 + math.tanh({0.5 * rate!r} * (step - {middle})))"
        case Cyclical(period=period, ramp=share):
            return f"min(1.0, (step % {period}) / {period} / {share!r})"
        case Piecewise(points=points):
            steps, betas = ([*values] for values in zip(*points, strict=True))
            return f"float(np.interp(step, {steps}, {betas}))"


def _times(factor: float, ramp: str) -> str:
    return ramp if factor == 1 else f"{factor!r} * {ramp}"


def _rate(config: RunConfig) -> list[str]:
    """The learning rate of a step; nothing where it stays."""
    lead = f'optimiser.param_groups[0]["lr"] = {config.learning_rate!r} * '
    match config.decay:
        case Cosine(final=final):
            return [f"{lead}({final!r} + {(1 - final) / 2!r} * (1 + math.cos(math.pi * step / STEPS)))"]
        case StepDecay(at=at, factors=factors):
            passed = [f"{f!r} if step / STEPS >= {share!r} else " for share, f in zip(at, factors, strict=True)]
            return [filled(f"{lead}({''.join(reversed(passed))}1.0)")]
    return []


def filled(line: str) -> str:
    """`name = value`, broken within brackets where it is long; however long it is, it takes a few lines only."""
    if len(line) > WIDTH:
        name, _, value = line.partition(" = ")
        line = f"{name} = ({value})"
    width = max(WIDTH, len(line) // 3)
    return textwrap.fill(line, width, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False)
