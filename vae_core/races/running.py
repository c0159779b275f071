"""A race: the same data under several configs and seeds, a prediction made before, and what the results say of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vae_core.config import RunConfig
from vae_core.diagnostics import prepare_once
from vae_core.evaluation import baseline, evaluate
from vae_core.races.members import Members
from vae_core.spec import Split
from vae_core.vae import VAE

SAMPLES, IMAGES = 100, 500
MEASURED = ("elbo", "nll", "kl", "mutual_information", "active_units")


class Finding(NamedTuple):
    """One statement of a race's prediction, whether the results bear it out, and the figures that decide it."""

    statement: str
    held: bool
    measured: str


@dataclass(frozen=True)
class Lane:
    """One of the configs that race, run once for each seed; its own seed is not used."""

    name: str
    config: RunConfig


@dataclass(frozen=True)
class Result:
    """One member after its last step: its model, the numbers of `evaluate` on the test split, and the baseline.

    `baseline` is the mean ln p(x) of independent pixels at the training mean, in nats: a model without a code.
    """

    lane: str
    config: RunConfig
    vae: VAE
    numbers: dict[str, Any]
    baseline: float

    def __getitem__(self, name: str) -> Any:
        return self.numbers[name]

    def row(self) -> dict[str, Any]:
        """What a table of members shows, in nats per image; schedule and objective as in a config file."""
        config = self.config
        return {
            "name": self.lane,
            "schedule": config.beta.model_dump(mode="json"),
            "objective": config.objective.model_dump(mode="json"),
            "encoder_steps": config.encoder_steps,
            "seed": config.seed,
            **{name: self.numbers[name] for name in MEASURED},
        }


Results = Sequence[Result]


@dataclass(frozen=True)
class Race:
    """Lanes, how many seeds each gets if nobody says otherwise, and a prediction that `check` holds the results to."""

    name: str
    title: str
    prediction: str
    lanes: tuple[Lane, ...]
    check: Callable[[Results], list[Finding]]
    seeds: int = 5

    def members(self, seeds: int | None = None) -> list[Lane]:
        """Every lane with the seeds 0, 1, …: lane by lane."""
        numbers = range(seeds or self.seeds)
        return [
            Lane(lane.name, lane.config.model_copy(update={"seed": seed})) for lane in self.lanes for seed in numbers
        ]


class Summary(NamedTuple):
    """A lane over its seeds: mean and sample standard deviation of each number.

    A number that does not exist has no mean, and one seed has no deviation: then None.
    """

    name: str
    seeds: int
    mean: dict[str, float | None]
    sd: dict[str, float | None]


def measure_members(team: Sequence[Lane], members: Members, training: Split, test: Split) -> list[Result]:
    """The present numbers of each member on the test split."""
    likelihood = team[0].config.likelihood
    x = prepare_once(members.vae(0), likelihood.once(test.images, test.top))
    alone = baseline(likelihood, likelihood.once(training.images, training.top), x, training.top)
    vaes = [members.vae(number) for number in range(len(team))]
    return [
        Result(entry.name, entry.config, vae, evaluate(vae, test, SAMPLES, IMAGES), alone)
        for entry, vae in zip(team, vaes, strict=True)
    ]


def comparable(race: Race, results: Results) -> list[Result]:
    """What a race's prediction can be held to: of its own lanes, those of the seeds that all of them have, in order."""
    own = {lane.name: {r.config.seed: r for r in results if r.lane == lane.name} for lane in race.lanes}
    seeds = sorted(set.intersection(*(set(found) for found in own.values())))
    return [found[seed] for found in own.values() for seed in seeds]


def by_lane(results: Results) -> dict[str, list[Result]]:
    """The results of each lane, in the order of their seeds."""
    lanes: dict[str, list[Result]] = {}
    for result in results:
        lanes.setdefault(result.lane, []).append(result)
    return lanes


def summarise(results: Results) -> list[Summary]:
    """Mean and standard deviation of each lane."""
    return [
        Summary(name, len(own), *({m: of(known(own, m)) for m in MEASURED} for of in (_mean, _sd)))
        for name, own in by_lane(results).items()
    ]


def known(results: Results, name: str) -> list[float]:
    """One number of each result that has it: there is no NLL where there is no p(x)."""
    return [float(result[name]) for result in results if result[name] is not None]


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _sd(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
