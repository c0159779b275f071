"""Cached reads of runs, keyed by what changes when they do; which run a page is about."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import streamlit as st

from vae_core.config import RunConfig
from vae_core.records import Record, number
from vae_core.runs import ASSETS, HELD, Run, RunStore

DEFAULT_RUN = "digits-z2"
MOVING = ("running", "paused")  # stored states that only the lock can confirm


@dataclass(frozen=True)
class Summary:
    """A run in one line of a table; nats per image, test images, β = 1. `title` and `note` are a user's text.

    `race` names the race that it is in, if any.
    """

    name: str
    title: str
    note: str
    star: bool
    state: str
    step: int
    elbo: float
    kl: float
    in_use: int
    created: float
    shipped: bool
    picture: str
    race: str
    config: RunConfig

    @property
    def measured(self) -> bool:
        """Whether there are numbers to show."""
        return math.isfinite(self.kl)

    @property
    def frame(self) -> str:
        """The address of the newest picture; empty before there is one. A name used again is another address."""
        return f"/api/runs/{self.name}/frames/{self.picture}?{self.created:.0f}" if self.picture else ""


def store() -> RunStore:
    """The store of this server."""
    return RunStore.default()


def pick_run() -> Run | None:
    """The run of `?run=`, else the newest of the store, else a shipped one; None where there is no run at all."""
    wanted = st.query_params.get("run")
    if wanted:
        return store()[wanted]
    found = {row.name: row for row in summaries()}
    first = next(iter(found.values()), None)
    if first is None:
        return None
    return store()[DEFAULT_RUN if first.shipped and DEFAULT_RUN in found else first.name]


def summaries() -> list[Summary]:
    """All runs that can be read, newest first, shipped ones last."""
    own = _readable(store().own())
    names = {row.name for row in own}
    shipped = [row for row in _readable(RunStore(ASSETS).own()) if row.name not in names]
    return sorted(own, key=lambda row: -row.created) + sorted(shipped, key=lambda row: row.name)


def ahead(*waiting: Run) -> Summary | None:
    """A run that is being trained while these, alone or of one race, wait; it is not of their race. None if none is."""
    rows, names = summaries(), {run.name for run in waiting}
    races = {row.race for row in rows if row.name in names and row.race}
    return next((row for row in rows if row.state in HELD and row.name not in names and row.race not in races), None)


def _readable(runs: list[Run]) -> list[Summary]:
    """One broken run, or one that is removed meanwhile, hides none of the others."""
    found = []
    for run in runs:
        with contextlib.suppress(ValueError, TypeError, OSError):
            found.append(summary(run))
    return found


def summary(run: Run) -> Summary:
    """One run in one line; read again only when its files have changed."""
    row = _summary(str(run.path), (_written(run), *run.version))
    return replace(row, state=run.state) if row.state in MOVING else row


@lru_cache(maxsize=4096)
def _summary(path: str, version: tuple[int, ...]) -> Summary:
    """What the files say; frozen, so that all sessions share one."""
    run = Run(Path(path))
    label, status = run.label, run.status()
    last = next(reversed(run.rows("test")), {})
    return Summary(
        name=run.name,
        title=str(label.get("title") or run.name),
        note=str(label.get("note") or ""),
        star=label.get("star") is True,
        state=status.state,
        step=status.step,
        elbo=number(last.get("elbo")),
        kl=number(last.get("kl")),
        in_use=_whole(number(last.get("active_units", 0))),
        created=run.created,
        shipped=run.shipped,
        picture=max((frame.name for frame in (run.path / "frames").glob("????????.png")), default=""),
        race=str((run.origin or {}).get("race", "")),
        config=config_of(run),
    )


def _whole(value: float) -> int:
    return int(value) if math.isfinite(value) else 0


def config_of(run: Run) -> RunConfig:
    """The config, which never changes."""
    return _config(str(run.path), _written(run))


def last_rows(run: Run) -> dict[str, Record]:
    """The newest row of each split."""
    return _last_rows(str(run.path), run.version)


def test_rows(run: Run) -> list[Record]:
    """All test rows, in order of their steps."""
    return _test_rows(str(run.path), run.version)


def _written(run: Run) -> int:
    return (run.path / "config.json").stat().st_mtime_ns


@lru_cache(maxsize=4096)
def _config(path: str, written: int) -> RunConfig:
    return Run(Path(path)).config


@st.cache_data(max_entries=64, show_spinner=False)
def _last_rows(path: str, version: tuple[int, ...]) -> dict[str, Record]:
    return {str(row["split"]): row for row in Run(Path(path)).rows()}


@st.cache_data(max_entries=64, show_spinner=False)
def _test_rows(path: str, version: tuple[int, ...]) -> list[Record]:
    return Run(Path(path)).rows("test")
