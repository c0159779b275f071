"""Presets: named configs, each with one sentence that says what to expect of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vae_core.config import Cosine, RunConfig, StepDecay
from vae_core.datasets import Mnist
from vae_core.likelihoods import Gaussian
from vae_core.nets import Conv, Linear, Mlp
from vae_core.objectives import Iwae
from vae_core.schedules import Constant, Delayed, Schedule, Warmup
from vae_core.spec import InputError


@dataclass(frozen=True)
class Preset:
    """A config under a name, and its prediction."""

    name: str
    title: str
    prediction: str
    config: RunConfig


def _digits(beta: Schedule, **changes: Any) -> RunConfig:
    settings = {"net": Mlp(gain=0.7), "latent": 10, "beta": beta, "steps": 1500, "learning_rate": 4e-3}
    return RunConfig(**(settings | changes))


def _mnist(beta: Schedule, **changes: Any) -> RunConfig:
    net = Mlp(widths=(128, 128, 128), gain=1.1)
    settings = {"net": net, "latent": 20, "beta": beta, "steps": 1200, "learning_rate": 4e-3, "threads": 1}
    return RunConfig(dataset=Mnist(), **(settings | changes))


def _burda(epochs: int, **changes: Any) -> RunConfig:
    """784-200-200-50 with tanh (Burda et al. 2015), in 600 larger batches an epoch."""
    net = Mlp(widths=(200, 200), activation="tanh")
    settings = {"net": net, "latent": 50, "steps": 600 * epochs, "batch": 100, "learning_rate": 2e-3, "decay": Cosine()}
    return _mnist(Constant(), **(settings | changes))


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "digits-annealed",
            "β rises slowly",
            "β warms up over 750 steps: the code is learnt first and paid for later. 4 or 5 of 10 latents end in use.",
            _digits(Warmup(steps=750)),
        ),
        Preset(
            "digits-collapsed",
            "β = 1 from the start",
            "The posterior falls onto the prior within 25 steps and never returns: a model that ignores its code.",
            _digits(Constant()),
        ),
        Preset(
            "digits-z2",
            "A map in two dimensions",
            "Two latents, both in use: every digit is a point on a plane.",
            _digits(
                Warmup(steps=500), latent=2, steps=4000, learning_rate=2e-3, net=Mlp(widths=(64, 32), activation="tanh")
            ),
        ),
        Preset(
            "digits-fast-warmup",
            "β rises too fast",
            "A warm-up of 100 steps is not slow enough: the run collapses as if β had been 1 from the start.",
            _digits(Warmup(steps=100)),
        ),
        Preset(
            "digits-healthy",
            "Nothing to cure",
            "With GELU the code survives β = 1: annealing would change which latents are used, not the ELBO.",
            _digits(Constant(), net=Mlp(activation="gelu"), learning_rate=2e-3),
        ),
        Preset(
            "digits-noise",
            "Collapse is optimal",
            "σ² = 0.81 is above the data's largest eigenvalue, 0.69: no schedule can make the code worth its price.",
            _digits(Warmup(steps=750), net=Mlp(activation="tanh"), learning_rate=2e-3, likelihood=Gaussian(sigma=0.9)),
        ),
        Preset(
            "digits-delayed",
            "Only a delayed ramp works",
            "A deep sigmoid net learns nothing while β rises; with β = 0 for 800 steps it does, and keeps its code.",
            _digits(
                Delayed(wait=800, ramp=800),
                net=Mlp(widths=(64, 64, 64), activation="sigmoid"),
                learning_rate=5e-3,
                steps=3000,
            ),
        ),
        Preset(
            "digits-linear",
            "Exact: probabilistic PCA",
            "A linear VAE with σ² = 0.1 keeps exactly the 12 dimensions whose eigenvalues exceed σ².",
            RunConfig(
                net=Linear(),
                likelihood=Gaussian(sigma=0.1**0.5),
                latent=20,
                steps=4000,
                batch=0,
                learning_rate=1e-2,
                decay=StepDecay(),
            ),
        ),
        Preset(
            "mnist-annealed",
            "MNIST, β rises slowly",
            "A warm-up over 1,000 steps lets a deep softplus net use its code: at least 55 nats above collapse.",
            _mnist(Warmup(steps=1000)),
        ),
        Preset(
            "mnist-collapsed",
            "MNIST, β = 1 from the start",
            "The same net collapses onto the baseline of independent pixels: about −201 nats an image.",
            _mnist(Constant()),
        ),
        Preset(
            "mnist-z2",
            "MNIST in two dimensions",
            "Two latents, both in use: a map of handwritten digits.",
            _mnist(
                Warmup(steps=500),
                latent=2,
                steps=4000,
                batch=128,
                learning_rate=2e-3,
                decay=StepDecay(at=(0.6, 0.85), factors=(0.3, 0.1)),
                net=Mlp(widths=(128, 64), activation="tanh"),
            ),
        ),
        Preset(
            "mnist-conv10",
            "MNIST, convolutional",
            "Two convolutions each way and ten latents: sharper digits from fewer numbers.",
            _mnist(
                Warmup(steps=600),
                net=Conv(),
                latent=10,
                steps=3000,
                batch=128,
                learning_rate=2e-3,
                decay=StepDecay(at=(0.6, 0.85), factors=(0.3, 0.1)),
                threads=2,
            ),
        ),
        Preset(
            "mnist-burda",
            "MNIST, the model of Burda et al.",
            "784-200-200-50 for 60 epochs: about 21 of 50 latents stay in use, and −ln p(x) comes near 88 nats.",
            _burda(60),
        ),
        Preset(
            "mnist-iwae5",
            "MNIST, five codes an image",
            "The bound of five codes for 8 epochs: −ln p(x) ends 2 nats below the ELBO's; 44 latents in use, not 23.",
            _burda(8, objective=Iwae(samples=5)),
        ),
    )
}


def preset(name: str) -> Preset:
    """The preset of that name."""
    try:
        return PRESETS[name]
    except KeyError:
        raise InputError(f"there is no preset {name!r}", fix="choose one of " + ", ".join(PRESETS)) from None
