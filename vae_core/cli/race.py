"""The command `race`: the prediction first, then the table, then what held."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vae_core.spec import InputError

if TYPE_CHECKING:
    from vae_core.races import Finding, Race, Result

MOST_SEEDS = 100
MOST_WORKERS = 4
SHORT = {"elbo": "ELBO", "nll": "NLL", "kl": "KL", "mutual_information": "MI", "active_units": "active"}


def run(options: argparse.Namespace) -> int:
    """Train a race and print its table, or its members as JSON; all else goes to stderr."""
    import torch

    from vae_core.races import race
    from vae_core.training.process import set_up

    chosen = race(options.preset)
    if options.seeds is not None and options.seeds > MOST_SEEDS:
        raise InputError(f"{options.seeds:,} seeds", limit=f"at most {MOST_SEEDS} are possible", fix="give fewer")
    for lane in chosen.lanes:
        lane.config.dataset.load()  # a race whose data are not there should not begin
    workers = min(MOST_WORKERS, torch.get_num_threads())  # the cores, or what OMP_NUM_THREADS allows
    set_up(1)
    seeds = options.seeds or chosen.seeds
    _note(f"{chosen.title}: {len(chosen.lanes)} configs, {seeds} seed{'s' * (seeds > 1)} each")
    _note(f"predicted: {chosen.prediction}")
    results = _trained(chosen, seeds, workers)
    print(json.dumps([_strict(result.row()) for result in results]) if options.json else _table(results))
    sys.stdout.flush()
    _note(_protocol(results))
    for finding in chosen.check(results):
        _note(_told(finding))
    return 0


def _trained(race: Race, seeds: int, workers: int) -> list[Result]:
    """The results, with a bar on a terminal."""
    from tqdm import tqdm

    from vae_core.races import run_race

    total = sum(member.config.steps for member in race.members(seeds))
    with tqdm(total=total, unit="update", unit_scale=True, desc=race.name, disable=not sys.stderr.isatty()) as bar:
        return run_race(race, seeds, bar.update, workers)


def _table(results: Sequence[Result]) -> str:
    """A line for each lane: mean ± standard deviation over its seeds."""
    from vae_core.races import summarise

    lanes = summarise(results)
    width = max(len(lane.name) for lane in lanes)
    head = f"{'':{width}}  seeds" + "".join(f"{title:>17}" for title in SHORT.values())
    return "\n".join(
        [head]
        + [
            f"{lane.name:{width}}  {lane.seeds:5}" + "".join(f"{_cell(lane.mean[m], lane.sd[m]):>17}" for m in SHORT)
            for lane in lanes
        ]
    )


def _cell(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return "—"
    text = f"{mean:.2f}" if sd is None else f"{mean:.2f} ± {sd:.2f}"
    return text[1:] if text.startswith("-0.00") else text


def _protocol(results: Sequence[Result]) -> str:
    numbers = results[0].numbers
    return (
        f"nats per image on {numbers['count']:,} test images, mean ± standard deviation over seeds; "
        f"NLL with K = {numbers['samples']} on the first {numbers['images']:,}"
    )


def _told(finding: Finding) -> str:
    return f"{'held        ' if finding.held else 'did not hold'}  {finding.statement} ({finding.measured})"


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _strict(row: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no nan: where a number is not finite, its name."""
    finite = float("-inf"), float("inf")
    return {
        key: str(value) if isinstance(value, float) and not finite[0] < value < finite[1] else value
        for key, value in row.items()
    }
