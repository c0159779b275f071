"""Branching: a new run that shares another's history up to a step, and then goes its own way."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

from vae_core import records
from vae_core.checkpoints import load_checkpoint, load_snapshot, save_state, step_of
from vae_core.commands import SetBeta
from vae_core.config import RunConfig
from vae_core.runs import Run, RunStore
from vae_core.schedules import Schedule
from vae_core.spec import InputError


def points(run: Run) -> dict[int, bool]:
    """The steps a branch may start from, and whether the optimiser's state is there too."""
    steps = dict.fromkeys(run.snapshots(), False)
    return dict(sorted({**steps, **{step_of(path): True for path in run.checkpoints()}}.items()))


def branch(
    run: Run,
    step: int,
    store: RunStore,
    *,
    config: RunConfig | None = None,
    beta: Schedule | None = None,
    name: str | None = None,
    pace: float = 0.0,
) -> Run:
    """A queued run that inherits rows, frames and journal up to `step`; from there `beta` holds, if given.

    From a checkpoint it goes on as the parent would have; from a snapshot (half-precision weights) the optimiser
    starts fresh. `config` may change what does not change the model: steps, learning rate, cadences, seed.
    """
    run.refuse_opened()
    config = config or run.config
    kept = points(run)
    _check(run, step, config, kept)
    with tempfile.TemporaryDirectory() as folder:
        history = Path(folder) / "history"
        history.mkdir()
        try:
            _copy_history(run, step, history)
            _copy_weights(run, step, history / "checkpoints", exact=kept[step])
        except OSError as error:
            raise InputError(f"the run could not be copied ({error.strerror})", run.name, fix="try again") from None
        if beta:
            _append_change(history, step, SetBeta(schedule=beta))
        origin = {"run": run.name, "step": step, "optimiser": "kept" if kept[step] else "fresh"}
        stem = f"{run.name[:56]}-branch"
        return store.create(config, name, stem=stem, pace=pace, origin=origin, history=history, step=step)


def _check(run: Run, step: int, config: RunConfig, kept: dict[int, bool]) -> None:
    if step not in kept:
        steps = ", ".join(f"{at:,}" for at in kept) or "none"
        raise InputError(f"step {step:,} has neither checkpoint nor snapshot", run.name, f"branch from one of: {steps}")
    if config.steps <= step:
        raise InputError(
            f"the branch would end at step {config.steps:,}", run.name, fix=f"give more than {step:,} steps"
        )
    for field in ("dataset", "net", "likelihood", "latent"):
        if getattr(config, field) != getattr(run.config, field):
            raise InputError(f"the branch would have another {field}", run.name, fix="train a new run instead")


def _copy_history(run: Run, step: int, history: Path) -> None:
    for name in ("metrics.jsonl", "journal.jsonl"):
        if (run.path / name).exists():
            shutil.copyfile(run.path / name, history / name)
    records.cut(
        history / "metrics.jsonl", lambda row: row["step"] < step or (row["step"], row["split"]) == (step, "test")
    )
    records.cut(history / "journal.jsonl", lambda entry: entry["step"] <= step)
    for folder in ("frames", "snapshots"):
        (history / folder).mkdir()
        for path in (run.path / folder).glob("*.*"):
            if path.stem == "inputs" or (path.stem.isdecimal() and int(path.stem) <= step):
                shutil.copyfile(path, history / folder / path.name)


def _copy_weights(run: Run, step: int, folder: Path, *, exact: bool) -> None:
    if not exact:
        return save_state(folder, load_snapshot(run.snapshots()[step]))
    folder.mkdir()
    path = next((path for path in run.checkpoints() if step_of(path) == step), None)
    if path is None:  # the run trains on, and has pruned it
        raise FileNotFoundError(errno.ENOENT, f"the checkpoint of step {step} is gone")
    load_checkpoint(path)  # a bad one is refused here, not when the branch starts
    for source in (path, path.with_name(path.name + ".sha256")):
        shutil.copyfile(source, folder / source.name)


def _append_change(history: Path, step: int, change: SetBeta) -> None:
    log = records.Log(history / "journal.jsonl", durable=True)
    log.append({"step": step, "id": "branch", "schedule": change.schedule.model_dump(mode="json")})
    log.close()
