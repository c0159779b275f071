"""Running a race at once and in memory: its members as a few models, in this thread or by processes side by side."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from vae_core.races.members import assemble, members_of, shares
from vae_core.races.running import Lane, Race, Result, measure_members
from vae_core.training.process import beside, set_up, when_parent_ends
from vae_core.training.worker import device_of

TELL_EVERY = 0.1  # seconds
Team = Sequence[Lane]  # members that train as one model


def run_race(
    race: Race, seeds: int | None = None, advanced: Callable[[int], object] = lambda updates: None, workers: int = 1
) -> list[Result]:
    """Train all members, those of one architecture as one model, and measure them; in the order of `race.members`.

    `advanced` is told now and then how many members were updated since. Several `workers` are processes, each with a
    part of each model and products of its own; on a GPU there is only one. A script that asks for them needs Python's
    `if __name__ == "__main__":` where processes are not forked. A single one works in this thread, which flushes
    denormal numbers from then on. Up to rounding, the numbers do not depend on how many there are. What fails in one
    ends all. The NLL is by importance sampling with K = 100 on the first 500 test images, or all if there are fewer.
    """
    entries = race.members(seeds)
    if any(device_of(entry.config.device).type != "cpu" for entry in entries):
        workers = 1
    teams = [
        [entries[place] for place in part]
        for own in assemble([entry.config for entry in entries])
        for part in shares(own, workers, lambda place: entries[place].config.seed)
    ]
    results = _by_processes(_shared_out(teams, workers), advanced) if workers > 1 else _one_by_one(teams, advanced)
    found = {(result.lane, result.config.seed): result for result in results}
    return [found[entry.name, entry.config.seed] for entry in entries]


def _shared_out(teams: Sequence[Team], workers: int) -> list[list[Team]]:
    """The teams of each worker, so that all have about as many updates to make."""
    shared: list[list[Team]] = [[] for _ in range(workers)]
    for team in sorted(teams, key=_updates, reverse=True):
        min(shared, key=lambda own: sum(map(_updates, own))).append(team)
    return shared


def _updates(team: Team) -> int:
    return sum(lane.config.steps * lane.config.encoder_steps for lane in team)


def _one_by_one(teams: Sequence[Team], advanced: Callable[[int], object]) -> Iterator[Result]:
    """The results of the teams, trained one after another."""
    torch.set_flush_denormal(True)
    for team in teams:
        config = team[0].config
        training, test = config.dataset.load()
        members = members_of([lane.config for lane in team], training.images, device_of(config.device))
        for _ in members.fit(training.images):
            advanced(len(team))
        yield from measure_members(team, members, training, test)


def _by_processes(work: Sequence[Sequence[Team]], advanced: Callable[[int], object]) -> Iterator[Result]:
    """The results of all workers, as they come."""
    counts = beside().RawArray("q", len(work))  # without a lock: each has one to itself
    started = [_start(teams, counts, number) for number, teams in enumerate(work)]
    lines: list[Any] = [line for _, line in started]
    told = 0
    try:
        while lines:
            for line in wait(lines, TELL_EVERY):
                if (result := _heard(line)) is None:
                    lines.remove(line)
                else:
                    yield result
            if (now := sum(counts)) > told:
                advanced(now - told)
                told = now
    finally:
        for process, _ in started:
            process.terminate()
            process.join()


def _start(teams: Sequence[Team], counts: Any, number: int) -> tuple[BaseProcess, Connection]:
    own = beside()
    line, their_end = own.Pipe(duplex=False)
    process = own.Process(target=_work, args=(teams, their_end, counts, number), daemon=True)
    process.start()
    their_end.close()
    return process, line


def _heard(line: Any) -> Result | None:
    """What a worker sends, None at its end; raises what it has failed with."""
    try:
        answer = pickle.loads(line.recv_bytes())
    except EOFError:
        raise RuntimeError("a process that trained a part of the race has died") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _work(teams: Sequence[Team], line: Connection, counts: Any, number: int) -> None:
    """The body of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the race
    when_parent_ends(lambda: os._exit(1))
    set_up(1)

    def count(updates: int) -> None:
        counts[number] += updates

    try:
        for result in _one_by_one(teams, count):
            # A copy, because a member's parameters are windows on those of all.
            line.send_bytes(pickle.dumps(replace(result, vae=copy.deepcopy(result.vae))))
        line.send_bytes(pickle.dumps(None))
    except Exception as error:
        line.send_bytes(pickle.dumps(error))
