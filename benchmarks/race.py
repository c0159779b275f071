"""Races against the same runs one after another: `python -m benchmarks.race [WORKERS] [RACE …]`.

Training and measuring, in one process: the race first, then each member by `fit` and `evaluate` on one thread. The
ratio of wall times is what a user saves; that of processor times is what batching saves, and the better one on a busy
machine. `digits40` is the headline's net with eight schedules and five seeds; of its 40 members eight run alone. The
race `mnist` needs MNIST.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from vae_core.evaluation import evaluate
from vae_core.objectives import FreeBits
from vae_core.races import RACES, Lane, Race, run_race
from vae_core.races.cures import softplus
from vae_core.races.running import IMAGES, SAMPLES
from vae_core.training.fit import fit
from vae_core.training.process import set_up

BITS = tuple(Lane(f"free bits {nats:g}", softplus(objective=FreeBits(nats=nats))) for nats in (0.1, 0.5))
DIGITS40 = replace(RACES["headline"], name="digits40", lanes=(*RACES["headline"].lanes, *BITS))
PART = 5  # of whose members one in so many runs alone


def alone(member: Lane) -> None:
    """One member by itself."""
    training, test = member.config.dataset.load()
    vae = member.config.build(training.images)
    for _ in fit(vae, training.images, member.config):
        pass
    evaluate(vae, test, SAMPLES, IMAGES)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall time, and processor time with that of processes that have ended."""
    before, begun = os.times(), time.perf_counter()
    work()
    wall, after = time.perf_counter() - begun, os.times()
    return wall, sum(after[:4]) - sum(before[:4])


def compare(race: Race, workers: int) -> None:
    """One JSON line; where only a part ran alone, its time is multiplied."""
    members = race.members()
    part = members[:: PART if race.name == "digits40" else 1]
    together, own = seconds(lambda: run_race(race, workers=workers))
    separate, theirs = (time * len(members) / len(part) for time in seconds(lambda: [alone(member) for member in part]))
    line = {"race": race.name, "members": len(members), "workers": workers, "seconds": round(together, 1)}
    line |= {"one_by_one": round(separate, 1), "ratio": round(separate / together, 2)}
    line |= {"processor_ratio": round(theirs / own, 2), "in_single_runs": round(together * len(members) / separate, 1)}
    print(json.dumps(line), flush=True)


def main(workers: str = "1", *names: str) -> None:
    """Print a line for each race."""
    set_up(1)
    races = {"digits40": DIGITS40} | RACES
    short = tuple(Lane(lane.name, lane.config.model_copy(update={"steps": 20})) for lane in DIGITS40.lanes)
    run_race(replace(DIGITS40, lanes=short), 1, workers=int(workers))  # warm
    for name in names or races:
        compare(races[name], int(workers))


if __name__ == "__main__":
    main(*sys.argv[1:])
