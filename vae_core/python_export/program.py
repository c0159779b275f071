"""The whole program, from its first line to its last."""

from __future__ import annotations

import re
from pathlib import Path

from vae_core.config import OpenedConfig, RunConfig
from vae_core.datasets import Digits, IdxSource
from vae_core.elsewhere import NOT_HERE
from vae_core.exports import explained
from vae_core.likelihoods import Bernoulli, Binomial, Gaussian
from vae_core.nets import Linear, Mlp
from vae_core.objectives import FreeBits, Plain
from vae_core.python_export.loop import Changes, batches, bound, update, whole
from vae_core.python_export.setting import images, layers, model, once, start
from vae_core.runs import Run
from vae_core.schedules import Schedule
from vae_core.spec import InputError, atomic_write
from vae_core.training.course import change_of

MOST_LINES = 80
COVERED = (
    "covered are linear nets and MLPs with a Bernoulli, binomial or Gaussian likelihood on digits, MNIST and "
    "Fashion-MNIST, trained by the ELBO from step 0 with one step of the encoder for each of the decoder"
)
SEEDS = '''\
def seed_of(*parts):
    """Mixes a few numbers into one seed (splitmix64): every epoch and every step has its own."""
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state >> 1
'''
LOOP = (
    "noise = torch.Generator()",
    "for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else STEPS):",
)


def to_python(run: Run, path: Path) -> None:
    """The file of `python_text`, written to a path."""
    text = python_text(run)
    with explained(path):
        atomic_write(path, text.encode())


def python_text(run: Run) -> str:
    """The program that trains this run, with every β that was set while it trained; InputError where there is none."""
    if run.origin is not None and "run" in run.origin:
        raise InputError("a branch does not start from step 0, so it is no plain program", run.name, COVERED)
    return program(run.config, run.name, [change_of(entry) for entry in run.journal()])


def program(config: RunConfig, name: str, changes: Changes = ()) -> str:
    """The program of a config: at most 80 lines. `changes` are (step, schedule of β from there on), in order.

    It takes a number of steps as its only argument and prints the loss of each step that a run logs, in nats per image.
    InputError for what is not covered.
    """
    changes = _heard(changes)
    _check(config, name)
    before = [SEEDS, *layers(config), "", *images(config), "", *model(config), *start(config), *once(config), ""]
    loop = [*batches(config), "", *bound(config), "", *update(config, changes)]
    body = [_constants(config), "", *before, *LOOP, *(f"    {line}" if line else "" for line in loop), ""]
    text = "\n".join([*_head(config, name), *_imports("\n".join(body)), "", *body])
    if (count := text.count("\n")) > MOST_LINES:
        raise InputError(
            f"as plain PyTorch it would take {count} lines",
            name,
            f"at most {MOST_LINES} are written",
            "train it with fewer points or changes of β",
        )
    return text


def _check(config: RunConfig, name: str) -> None:
    """Refuse what the lines below do not know."""
    if isinstance(config, OpenedConfig):
        raise InputError(NOT_HERE, name, COVERED)
    known = (
        (config.net, Linear | Mlp),
        (config.likelihood, Bernoulli | Binomial | Gaussian),
        (config.dataset, Digits | IdxSource),
        (config.objective, Plain | FreeBits),
    )
    for part, kinds in known:
        if not isinstance(part, kinds):
            raise InputError(f"plain PyTorch is not written for “{part.title}”", name, COVERED)
    if config.encoder_steps > 1:
        raise InputError("plain PyTorch is not written for an encoder that runs ahead", name, COVERED)


def _heard(changes: Changes) -> Changes:
    """Without those that another one, made later but from no later step on, has replaced for good."""
    heard: list[tuple[int, Schedule]] = []
    for since, schedule in reversed(changes):
        if not heard or since < heard[-1][0]:
            heard.append((since, schedule))
    return heard[::-1]


def _head(config: RunConfig, name: str) -> list[str]:
    return [
        f'"""{name}: a VAE on {config.dataset.title} in plain PyTorch, with the losses of the run (on a CPU).',
        "",
        f'Trains {config.steps:,} steps, or as many as it is told: python {name}.py 50"""',
        "",
    ]


def _constants(config: RunConfig) -> str:
    values = {"SEED": config.seed, "STEPS": config.steps, "LATENT": config.latent}
    if not whole(config):
        values["BATCH"] = config.batch
    return f"{', '.join(values)} = {', '.join(map(str, values.values()))}"


def _imports(body: str) -> list[str]:
    """Of the modules those that the program uses."""
    plain = [f"import {name}" for name in ("gzip", "math", "os", "sys") if re.search(rf"\b{name}\.", body)]
    others = {
        "np.": "import numpy as np",
        "torch.": "import torch",
        "F.": "import torch.nn.functional as F",
        "load_digits": "from sklearn.datasets import load_digits",
        "nn.": "from torch import nn",
    }
    return [*plain, "", *(line for mark, line in others.items() if re.search(rf"\b{re.escape(mark)}", body))]
