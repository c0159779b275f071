"""Cached reads of runs, keyed by what changes when they do; which run a page is about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from vae_core.config import RunConfig
from vae_core.records import Record, number
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.spec import InputError

DEFAULT_RUN = "digits-z2"


@dataclass(frozen=True)
class Summary:
    """A run in one line of a table; nats per image, test images, β = 1."""

    name: str
    title: str
    state: str
    step: int
    steps: int
    elbo: float
    kl: float
    in_use: int
    latent: int
    created: float
    shipped: bool
    shown: int
    grey: bool
    height: int


def store() -> RunStore:
    """The store of this server."""
    return RunStore.default()


def pick_run() -> Run | None:
    """The run of `?run=`, else the newest of the store, else a shipped one; None says why and ends the page."""
    wanted = st.query_params.get("run")
    if wanted:
        return store()[wanted]
    own = next((run for run in store() if run.path.parent != ASSETS), None)
    if own:
        return own
    shipped = {run.name: run for run in store()}
    return shipped.get(DEFAULT_RUN) or next(iter(shipped.values()), None)


def summaries() -> list[Summary]:
    """All runs that can be read, newest first, shipped ones last."""
    found = []
    for run in store():
        try:
            found.append(summary(run))
        except InputError:
            continue
    return found


def summary(run: Run) -> Summary:
    """One run in one line; read again only when its files have changed."""
    step, steps, last = _last_test_row(str(run.path), run.version)
    return Summary(
        run.name,
        str(run.label.get("title") or run.name),
        run.state,
        step,
        steps,
        number(last.get("elbo")),
        number(last.get("kl")),
        int(number(last.get("active_units", 0))),
        config_of(run).latent,
        run.created,
        run.path.parent == ASSETS,
        int(last.get("step", 0)),
        config_of(run).dataset.shape.channels == 1,
        config_of(run).dataset.shape.height,
    )


def config_of(run: Run) -> RunConfig:
    """The config, which never changes."""
    return _config(str(run.path), (run.path / "config.json").stat().st_mtime_ns)


def last_rows(run: Run) -> dict[str, Record]:
    """The newest row of each split."""
    return _last_rows(str(run.path), run.version)


@st.cache_data(max_entries=256, show_spinner=False)
def _config(path: str, written: int) -> RunConfig:
    return Run(Path(path)).config


@st.cache_data(max_entries=256, show_spinner=False)
def _last_test_row(path: str, version: tuple[int, ...]) -> tuple[int, int, Record]:
    run = Run(Path(path))
    rows = run.rows("test")
    return run.status().step, run.config.steps, rows[-1] if rows else {}


@st.cache_data(max_entries=64, show_spinner=False)
def _last_rows(path: str, version: tuple[int, ...]) -> dict[str, Record]:
    return {str(row["split"]): row for row in Run(Path(path)).rows()}
