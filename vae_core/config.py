"""RunConfig: everything that decides a run's numbers, as one frozen value."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import torch
from jaxtyping import UInt8
from pydantic import Field, ValidationError, model_validator
from torch import Tensor

from vae_core.datasets import Dataset, Digits
from vae_core.elsewhere import NOT_HERE, TRAIN_THERE, OpenedImages, OpenedNet, OpenedVAE, Unknown
from vae_core.likelihoods import Bernoulli, Gaussian, Likelihood
from vae_core.nets import Mlp, Net
from vae_core.objectives import Iwae, Objective, Plain
from vae_core.schedules import Constant, Schedule
from vae_core.spec import InputError, Shape, Spec, Variant
from vae_core.vae import VAE

PARAMETER_BUDGET = 50_000_000
CODE_BUDGET = 100_000  # codes decoded in one update
# Where a collapse happens.
FIRST = (0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25)
SMALL_DATA = ("digits", "linear-gaussian")


class NoDecay(Variant):
    """The same step size to the end."""

    title: ClassVar[str] = "None"
    kind: Literal["none"] = "none"

    def __call__(self, share: float) -> float:
        """Factor on the learning rate after a `share` of the run (0 to 1)."""
        return 1.0


class Cosine(Variant):
    """Half a cosine from the learning rate down to a share of it."""

    title: ClassVar[str] = "Cosine"
    kind: Literal["cosine"] = "cosine"
    final: float = Field(default=0.02, ge=0, le=1, title="Final share")

    def __call__(self, share: float) -> float:
        """Factor on the learning rate after a `share` of the run (0 to 1)."""
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * share))


class StepDecay(Variant):
    """Each time the run passes one of these shares, the learning rate becomes the given factor of the first."""

    title: ClassVar[str] = "Steps"
    kind: Literal["steps"] = "steps"
    at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.7, 0.9), min_length=1, title="At shares of the run"
    )
    factors: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.1, 0.01), min_length=1, title="Factors")

    @model_validator(mode="after")
    def _paired(self) -> StepDecay:
        if len(self.at) != len(self.factors) or any(after <= before for before, after in pairwise(self.at)):
            raise ValueError("step decay needs rising shares and one factor for each of them")
        return self

    def __call__(self, share: float) -> float:
        """Factor on the learning rate after a `share` of the run (0 to 1)."""
        passed = [factor for at, factor in zip(self.at, self.factors, strict=True) if share >= at]
        return passed[-1] if passed else 1.0


Decay = Annotated[NoDecay | Cosine | StepDecay, Field(discriminator="kind")]


def _threads(data: dict[str, Any]) -> int:
    return 1 if "dataset" in data and data["dataset"].kind in SMALL_DATA else 2


def _share_of_steps(parts: int) -> Any:
    return lambda data: max(1, data.get("steps", parts) // parts)


class RunConfig(Spec):
    """A run: data, model, objective, optimisation and what is written down. Same config, same numbers."""

    dataset: Dataset = Field(default=Digits(), title="Data")
    net: Net = Field(default=Mlp(), title="Networks")
    likelihood: Likelihood = Field(default=Bernoulli(), title="Likelihood")
    latent: int = Field(default=10, ge=1, le=4096, title="Latent dimensions", description="The length d of the code z.")
    beta: Schedule = Field(default=Constant(), title="β", description="The weight of the KL term during training.")
    objective: Objective = Field(default=Plain(), title="Objective")
    steps: int = Field(default=1500, ge=1, le=10_000_000, title="Steps", description="Updates of the optimiser.")
    batch: int = Field(
        default=64, ge=0, le=100_000, title="Batch", description="Images an update; 0 takes all of them."
    )
    learning_rate: float = Field(default=4e-3, gt=0, le=1, title="Learning rate", description="Of Adam.")
    decay: Decay = Field(default=NoDecay(), title="Learning-rate decay")
    encoder_steps: int = Field(
        default=1,
        ge=1,
        le=100,
        title="Encoder steps",
        description="At most so many updates of the encoder before each of the decoder, as long as the mutual "
        "information rises (He et al. 2019). 1: both learn together.",
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, title="Seed")
    threads: int = Field(
        default_factory=_threads, ge=1, le=64, title="Threads", description="Runs repeat bitwise at equal threads."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", title="Device")
    log_every: int = Field(
        default_factory=_share_of_steps(100),
        ge=1,
        le=10_000_000,
        title="Log every",
        description="Steps between rows after step 200; every step to 50, every 5 to 200.",
    )
    evaluate_every: int = Field(
        default_factory=_share_of_steps(25), ge=1, title="Evaluate every", description="Steps; denser early."
    )
    checkpoint_every: int = Field(default_factory=_share_of_steps(10), ge=1, title="Checkpoint every")

    def logs(self, step: int) -> bool:
        """Whether the training batch of this step is written down."""
        return step < 50 or (step < 200 and step % 5 == 0) or step % self.log_every == 0

    def evaluations(self) -> tuple[int, ...]:
        """The steps at which the test images are measured: dense early, then regular; 0 and the last among them."""
        dense = 4 * self.evaluate_every
        early = {*FIRST, *(round(dense * (part / 18) ** 3) for part in range(18))}
        regular = range(dense, self.steps, self.evaluate_every)
        return tuple(sorted({step for step in (*early, *regular) if step < self.steps} | {self.steps}))

    def snapshots(self) -> tuple[int, ...]:
        """The steps at which the weights are kept: every second evaluation (fewer of very many), and the last."""
        steps = self.evaluations()
        return tuple(sorted({*steps[:: 2 * -(-len(steps) // 60)], steps[-1]}))

    def rate(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        return self.learning_rate * self.decay(step / self.steps)

    def build(self, images: UInt8[Tensor, "n c h w"] | None = None, shape: Shape | None = None) -> VAE:
        """The untrained model; with images, its output bias starts at their mean if the net says so."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            vae = VAE(self.net, self.likelihood, shape or self.dataset.shape, self.latent)
        if images is not None and self.net.start_at_mean:
            vae.start_at_mean(images)
        return vae

    def parameters(self) -> int:
        """How many numbers the model learns, counted without allocating them."""
        with torch.device("meta"):
            return sum(p.numel() for p in VAE(self.net, self.likelihood, self.dataset.shape, self.latent).parameters())

    def check(self) -> None:
        """Refuse what no single field can see: nets that do not fit the images, models and steps beyond the budget."""
        if (count := self.parameters()) > PARAMETER_BUDGET:
            raise InputError(
                f"this model has {count:,} parameters",
                limit=f"the limit is {PARAMETER_BUDGET:,}",
                fix="use fewer latent dimensions or narrower layers",
            )
        size = self.dataset.sizes[0]
        samples = self.objective.samples if isinstance(self.objective, Iwae) else 1
        if (count := samples * min(self.batch or size, size)) > CODE_BUDGET:
            raise InputError(
                f"an update would decode {count:,} codes",
                limit=f"the limit is {CODE_BUDGET:,}",
                fix="use fewer samples or a smaller batch",
            )

    def notes(self) -> list[str]:
        """What is allowed but probably not meant, one sentence each."""
        notes = []
        reached = self.beta(self.steps)
        if reached < 0.995:
            notes.append(f"β ends at {reached:.2f}: this run optimises something looser than the ELBO.")
        if not self.likelihood.normalised:
            notes.append("Grey values under a Bernoulli are not a likelihood: there will be no ln p(x).")
        if self.batch > self.dataset.sizes[0]:
            notes.append(f"The batch is larger than the data: all {self.dataset.sizes[0]:,} images are used.")
        return notes


class OpenedConfig(RunConfig):
    """A run that was opened, not trained: every reader of a run reads it, and none can train it."""

    dataset: OpenedImages = Field(title="Data")
    net: OpenedNet = Field(default=OpenedNet(), title="Networks")
    likelihood: Annotated[Bernoulli | Gaussian | Unknown, Field(discriminator="kind")] = Field(
        default=Unknown(), title="Likelihood"
    )
    steps: int = Field(default=1, ge=1, le=1)

    def build(self, images: UInt8[Tensor, "n c h w"] | None = None, shape: Shape | None = None) -> VAE:
        """InputError: there is no untrained model of this kind."""
        raise InputError(NOT_HERE, fix=TRAIN_THERE)

    def model(self, folder: Path) -> OpenedVAE:
        """The model, from the files in its run's `opened/`."""
        return OpenedVAE.read(folder, self.dataset.shape, self.latent, self.likelihood)

    def parameters(self) -> int:
        """None: nothing here is learned."""
        return 0

    def notes(self) -> list[str]:
        """What is not known of the model."""
        told = not isinstance(self.likelihood, Unknown)
        return [] if told else ["The likelihood was not told: there is no reconstruction and no ELBO."]


@lru_cache(1024)  # pages and teams read the same configs again and again, and checking builds the networks
def parse_config(text: str | bytes, where: str = "the config") -> RunConfig:
    """A checked RunConfig from JSON; an InputError names the field, what it was given and its bound."""
    try:
        config = (OpenedConfig if _is_opened(text) else RunConfig).model_validate_json(text)
    except ValidationError as error:
        raise InputError(_first_problem(error), where, fix="change that field") from None
    config.check()
    return config


def _is_opened(text: str | bytes) -> bool:
    try:
        return json.loads(text)["dataset"]["kind"] == OpenedImages.model_fields["kind"].default
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _first_problem(error: ValidationError) -> str:
    """The first problem in plain words; the tag of a union's variant is not part of the field's name."""
    first = error.errors(include_url=False)[0]
    place = [" ".join(str(part).split())[:60] for part in first["loc"]]
    variant = first["loc"][1:2] and str(first["loc"][1]) in KINDS
    path = ".".join(place[:1] + place[2:] if variant else place) or "the document"
    given = repr(first.get("input"))[:60]
    if first["type"] == "extra_forbidden":
        return f"there is no field {path} (it was given {given})"
    message = " ".join(first["msg"].split())[:200].removeprefix("Value error, ").removeprefix("Input ").strip()
    return f"{path} {message} (it is {given})"


KINDS = {
    variant.model_fields["kind"].default
    for union in (Dataset, Net, Likelihood, Schedule, Objective, Decay)
    for variant in get_args(get_args(union)[0])
}


DERIVED = ("threads", "log_every", "evaluate_every", "checkpoint_every")


def revise(config: RunConfig, settings: Iterable[str]) -> RunConfig:
    """The config after changes like `beta.steps=750`: a value is JSON, else text.

    All `kind`s come first, and a changed kind starts that variant from its defaults. Fields whose default follows
    from others follow again, unless they were given.
    """
    changes = [_parse_setting(text) for text in settings]
    tree = config.model_dump(mode="json")
    for name in DERIVED:
        if name not in config.model_fields_set:
            tree.pop(name)
    for path, value in sorted(changes, key=lambda change: (change[0][-1] != "kind", len(change[0]))):
        _put(tree, path, value)
    return parse_config(json.dumps(tree), "the settings")


def _parse_setting(text: str) -> tuple[list[str], Any]:
    path, sign, value = text.partition("=")
    if not sign or not all(path.split(".")):
        raise InputError(f"{text!r} is not a setting", fix="write it as path=value, for instance beta.steps=750")
    try:
        return path.split("."), json.loads(value)
    except (ValueError, RecursionError):
        return path.split("."), value


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, leaf = path
    for name in parents:
        below = tree.get(name)
        if not isinstance(below, dict):
            raise InputError(f"{'.'.join(path)} is not a setting", limit=f"{name} has no parts")
        tree = below
    if leaf == "kind" and tree.get("kind") != value:
        tree.clear()
    tree[leaf] = value
