"""A race as the app runs it against one run as the app runs it: `python -m benchmarks.heat [SEEDS]`.

Both through an engine with one slot, with everything that is written down on the way: rows, evaluations, frames,
snapshots, checkpoints, and the measurement at the end. Single runs before and after, for machines are not steady.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.race import DIGITS40
from vae_core.engine import serve_store
from vae_core.races import RACES, Race, heats
from vae_core.runs import RunStore

LANE = 3  # of the headline race, the warm-up of 750 steps
RUNS = 3


def seconds(store: RunStore) -> float:
    """Until an engine has trained and measured all that waits."""
    begun = time.perf_counter()
    serve_store(store, once=True)
    return time.perf_counter() - begun


def singles(store: RunStore) -> list[float]:
    """One run after another, each by an engine of its own; they are measured as a heat's are."""
    lane = RACES["headline"].members(1)[LANE]
    times = []
    for _ in range(RUNS):
        heats.start(store, "single", [lane])
        times.append(seconds(store))
    return times


def compare(store: RunStore, race: Race, seeds: int) -> None:
    """One JSON line."""
    before = singles(store)
    begun = heats.start(store, race.name, race.members(seeds))
    together = seconds(store)
    one = statistics.median([*before, *singles(store)])
    runs = [run for _, run in begun.entries()]
    assert {run.state for run in runs} == {"done"}
    line = {"race": race.name, "members": len(runs), "processes": len({run.status().pid for run in runs})}
    line |= {"seconds": round(together, 1), "one_run": round(one, 2), "in_single_runs": round(together / one, 1)}
    print(json.dumps(line), flush=True)


def main(seeds: str = "5") -> None:
    """Print a line for each race."""
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        singles(store)  # warm
        for race in (RACES["headline"], DIGITS40):
            compare(store, race, int(seeds))


if __name__ == "__main__":
    main(*sys.argv[1:])
