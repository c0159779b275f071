"""A race that is over without any training: its two lanes are the recordings that come with the program."""

from __future__ import annotations

import shutil

import pytest

from vae_core.races import race
from vae_core.races.heats import Heat, start
from vae_core.races.results import write_evaluation
from vae_core.runs import ASSETS, RunStore

HEADLINE = race("headline")
RECORDED = {"constant 1": ASSETS / "digits-collapsed", "warm-up 750": ASSETS / "digits-annealed"}


def without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page of races starts an engine."""
    for module in ("race", "race_start", "race_outcome", "collapse_cure"):
        monkeypatch.setattr(f"ui.{module}.ensure_engine", lambda store: True)


def recorded_race(store: RunStore) -> Heat:
    """The headline's two opening lanes with seed 0, each as it was recorded, and measured."""
    begun, entries = start(store, "headline", []), []
    for lane, folder in RECORDED.items():
        config = next(one.config for one in HEADLINE.lanes if one.name == lane)
        origin = {"race": begun.name, "lane": lane}
        run = store.create(config, f"{begun.name}-{lane.replace(' ', '-')}-s0", origin=origin, state="done")
        for name in ("metrics.jsonl", "status.json"):
            shutil.copyfile(folder / name, run.path / name)
        for name in ("snapshots", "frames"):
            shutil.copytree(folder / name, run.path / name, dirs_exist_ok=True)
        write_evaluation(run)
        entries.append((lane, run.name))
    begun.write(begun.card()._replace(entries=tuple(entries)))
    return begun
