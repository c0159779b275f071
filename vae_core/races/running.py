"""A race: the same data under several configs and seeds, a prediction made before, and what the results say of it."""

from __future__ import annotations

import copy
import pickle
import signal
import statistics
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from vae_core.config import RunConfig
from vae_core.diagnostics import prepare_once
from vae_core.evaluation import baseline, evaluate
from vae_core.races.members import Members, assemble, members_of, shares
from vae_core.spec import Split
from vae_core.training.process import beside, set_up
from vae_core.training.worker import device_of
from vae_core.vae import VAE

SAMPLES, IMAGES = 100, 500
TELL_EVERY = 0.1  # seconds
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


def run_race(
    race: Race, seeds: int | None = None, advanced: Callable[[int], object] = lambda updates: None, workers: int = 1
) -> list[Result]:
    """Train all members, those of one architecture as one model, and measure them; in the order of `race.members`.

    `advanced` is told now and then how many members were updated since. Several `workers` are processes, each with a
    part of each model and products of its own; on a GPU there is only one. A script that asks for them needs Python's
    `if __name__ == "__main__":` where processes are not forked. Up to rounding, the numbers do not depend on how many
    there are. What fails in one ends all. The NLL is by importance sampling with K = 100 on the first 500 test images,
    or all if there are fewer.
    """
    entries = race.members(seeds)
    if device_of(entries[0].config.device).type != "cpu":
        workers = 1
    teams = [
        part
        for own in assemble([entry.config for entry in entries])
        for part in shares(own, workers, lambda place: entries[place].config.seed)
    ]
    teams.sort(key=lambda places: -sum(_cost(entries[place].config) for place in places))
    own = beside()
    updates, halted = own.Value("q", 0), own.Event()
    pool: Executor = (
        ProcessPoolExecutor(workers, own, _begin_process, (updates, halted))
        if workers > 1
        else ThreadPoolExecutor(1, initializer=_begin, initargs=(updates, halted))
    )
    with pool:
        jobs = [pool.submit(_work, [entries[place] for place in places]) for places in teams]
        try:
            _follow(jobs, updates, advanced)
            measured = [result for job in jobs for result in pickle.loads(job.result())]
        finally:
            halted.set()
    found = dict(zip([place for places in teams for place in places], measured, strict=True))
    return [found[place] for place in range(len(entries))]


_OWN = threading.local()  # of a worker: where it counts its updates, and what ends it before its time


def _begin(updates: Any, halted: Any) -> None:
    torch.set_flush_denormal(True)  # each thread has a mode of its own
    _OWN.updates, _OWN.halted = updates, halted


def _begin_process(updates: Any, halted: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the race
    set_up(1)
    _begin(updates, halted)


def _follow(jobs: Sequence[Future[bytes]], updates: Any, advanced: Callable[[int], object]) -> None:
    """Tell of updates until all is done; raise what one has failed with."""
    told, pending = 0, set(jobs)
    while pending:
        done, pending = wait(pending, TELL_EVERY, FIRST_EXCEPTION)
        if (now := updates.value) > told:
            advanced(now - told)
            told = now
        for job in done:
            job.result()


def _work(team: Sequence[Lane]) -> bytes:
    """Train and measure these members, unless the race is halted; their results, pickled."""
    config = team[0].config
    training, test = config.dataset.load()
    members = members_of([lane.config for lane in team], training.images, device_of(config.device))
    for _ in members.fit(training.images):
        if _OWN.halted.is_set():
            return pickle.dumps([])
        with _OWN.updates.get_lock():
            _OWN.updates.value += len(team)
    measured = measure_members(team, members, training, test)
    # A copy, because a member's parameters are windows on those of all.
    return pickle.dumps([replace(result, vae=copy.deepcopy(result.vae)) for result in measured])


def _cost(config: RunConfig) -> int:
    return config.steps * config.encoder_steps


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
