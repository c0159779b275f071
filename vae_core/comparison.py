"""Comparison: what runs have in common, where they differ, and whether their numbers may be ranked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vae_core.captions import apart, nats
from vae_core.config import OpenedConfig, RunConfig
from vae_core.records import Record, number
from vae_core.runs import Run

CLOSE = 0.25  # nats: two seeds of one config may differ by as much
MODEL = ("kind", "noise", "sigma")  # of a likelihood: a part of the model; the rest says what x is
TRAINING = ("kind", "train_size", "size")  # of a data set: no matter for the images it is tested on
CADENCES = {"log_every", "evaluate_every", "checkpoint_every"}  # what is written down, and changes no number
NONE = "–"
PARTS = {
    "dataset": "the data",
    "net": "the networks",
    "likelihood": "the likelihood",
    "latent": "the number of latents",
    "beta": "β",
    "objective": "the objective",
    "learning_rate": "the learning rate",
    "decay": "the decay",
    "encoder_steps": "the encoder steps",
    "batch": "the batch size",
    "steps": "the length",
    "seed": "the seed",
}
WHOLES = {"model": ("net", "likelihood", "latent"), "data": ("dataset",), "seed": ("seed",), "β": ("beta",)}
PLURAL = ("dataset", "net", "encoder_steps")
NOISE = " (noise: above KL)"
NO_TWO = "There are no two ELBOs to compare yet."


@dataclass(frozen=True)
class Entrant:
    """A run in a comparison: a title to call it by, its config, and its newest test row, empty before the first."""

    title: str
    config: RunConfig
    row: Record

    @classmethod
    def of(cls, run: Run) -> Entrant:
        """From the files of a run."""
        return cls(str(run.label.get("title") or run.name), run.config, next(reversed(run.rows("test")), {}))

    @property
    def elbo(self) -> float:
        """The bound in nats per image; nan before the first test row."""
        return number(self.row.get("elbo"))

    @property
    def unfinished(self) -> str:
        """How far a run has come that was measured before its last step; empty for others."""
        step, steps = number(self.row.get("step")), self.config.steps
        known = step < steps and not isinstance(self.config, OpenedConfig)
        return f"{step:,.0f} of {steps:,} steps" if known else ""


def protocol(entrant: Entrant) -> dict[str, str]:
    """What decides whether two ELBOs bound the same thing, in words: the test images, and what the likelihood sees."""
    dataset, likelihood = entrant.config.dataset, entrant.config.likelihood
    told = {"data": dataset.title, "likelihood": likelihood.title}
    for spec, aside in ((dataset, TRAINING), (likelihood, MODEL)):
        names = [name for name in type(spec).model_fields if name not in aside]
        told |= {name.replace("_", " "): str(getattr(spec, name)) for name in names}
    return told | ({"test images": f"{entrant.row['count']:,}"} if "count" in entrant.row else {})


def obstacles(entrants: Sequence[Entrant]) -> list[str]:
    """Why these runs cannot be ranked, one sentence for each reason; it may quote titles. Empty where they can."""
    told = [protocol(entrant) for entrant in entrants]
    found = []
    for name in dict.fromkeys(name for one in told for name in one):
        values = [one.get(name, NONE) for one in told]
        if len(set(values)) > 1:
            pairs = (f"{value} for {entrant.title}" for value, entrant in zip(values, entrants, strict=True))
            found.append(f"{name.capitalize()}: {', '.join(pairs)}.")
    return found


def ranking(entrants: Sequence[Entrant]) -> str:
    """Which of two or more runs explains the test images best, or why that cannot be said; it may quote titles.

    Runs that have not come to their last step are named, and not ranked.
    """
    if len(entrants) < 2:
        return "Choose a second run to compare this one with."
    if obstacles(entrants):
        return "These runs cannot be ranked: their ELBOs are bounds on different things."
    known = sorted((entrant for entrant in entrants if math.isfinite(entrant.elbo)), key=lambda entrant: -entrant.elbo)
    ended = [entrant for entrant in known if not entrant.unfinished]
    under_way = ", ".join(f"{entrant.title} ({entrant.unfinished})" for entrant in known if entrant.unfinished)
    rest = f" Unfinished, so not ranked: {under_way}." if under_way else ""
    if len(ended) < 2:
        return ("There are no two finished runs to compare yet." if rest else NO_TWO) + rest
    best, second = ended[:2]
    ahead, unsure = apart(best.elbo, second.elbo), "another seed may turn that"
    if best.elbo - second.elbo < CLOSE:
        return f"{best.title} and {second.title} are level: {nats(ahead)} nats apart, and {unsure}.{rest}"
    elbos = f"ELBO {nats(best.elbo)}, and {second.title} {nats(second.elbo)}"
    return f"{best.title} is ahead by {nats(ahead)} nats: {elbos}.{rest}"


def differences(configs: Sequence[RunConfig]) -> list[tuple[str, tuple[str, ...]]]:
    """The settings in which configs differ: a dotted path, and what stands there in each; a dash where nothing does."""
    flat = [_flat(config.model_dump(mode="json", exclude=CADENCES)) for config in configs]
    rows = (
        (path, tuple(one.get(path, NONE) for one in flat)) for path in dict.fromkeys(p for one in flat for p in one)
    )
    return [(path, values) for path, values in rows if len(set(values)) > 1]


def _flat(tree: dict[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": str(value)}
    return found


def noise(information: float | None, kl: float | None) -> str:
    """What to say of an estimate of the mutual information that is, as printed, above the KL: it can't be more."""
    if information is None or kl is None or not information > kl or nats(information) == nats(kl):
        return ""
    return NOISE


def headline(one: RunConfig, other: RunConfig) -> str:
    """What differs between two runs, in one sentence of at most 70 characters."""
    names = [name for name in PARTS if getattr(one, name) != getattr(other, name)]
    same = [f"same {whole}" for whole, fields in WHOLES.items() if not set(fields) & set(names)][:3]
    if not names:
        return "Same model, same data, same seed, same β. No setting differs."
    if len(names) == 1:
        verb = "differ" if names[0] in PLURAL else "differs"
        return f"{', '.join(same).capitalize()}. Only {PARTS[names[0]]} {verb}."
    words = [PARTS[name] for name in names]
    ends = words if len(words) <= 3 else [*words[:2], f"{len(words) - 2} more things"]
    listed = f"{', '.join(ends[:-1])} and {ends[-1]} differ."
    return f"T{listed[1:]}" if listed.startswith("the") else listed
