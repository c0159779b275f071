"""The trash of a store: runs that were thrown away, whole, until it is emptied.

A run in it is the run's directory under the run's name, a dot, and when it came there in nanoseconds.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from vae_core.runs.run import Run, remedy
from vae_core.spec import InputError
from vae_core.system import WINDOWS, move_directory

FOLDER = ".trash"
NAME = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})\.(\d{1,20})\Z", re.ASCII)
ON_ITS_WAY_OUT = ".gone-"


@dataclass(frozen=True)
class Trashed:
    """A run in the trash: its name, when it came there (seconds since the epoch), its size, and where it lies now."""

    name: str
    when: float
    bytes: int
    path: Path


def throw(run: Run, folder: Path) -> Path:
    """Move a run that nobody trains into the trash; returns where it lies there. InputError if that cannot be."""
    place = folder / f"{run.name}.{time.time_ns()}"
    try:
        folder.mkdir(exist_ok=True)
        lock = run.lock()
        with lock.acquire(timeout=0.5):  # whoever probes the lock holds it for a moment
            if WINDOWS:  # moves no folder with an open file in it: neither ours, nor that of a worker who is faster
                lock.release()
            move_directory(run.path, place)
    except Timeout:
        raise InputError(f"{run.name} is being trained", fix="stop it first") from None
    except OSError as error:
        busy = WINDOWS and isinstance(error, PermissionError)
        fix = "close what has it open, and try again" if busy else remedy(error)
        raise InputError(f"{run.name} cannot be moved ({error.strerror})", fix=fix) from None
    return place


def contents(folder: Path) -> list[Trashed]:
    """What is in the trash, the newest first."""
    found = [(path, NAME.match(path.name)) for path in _entries(folder)]
    trashed = [Trashed(match[1], int(match[2]) / 1e9, _size(path), path) for path, match in found if match]
    return sorted(trashed, key=lambda one: one.when, reverse=True)


def name_of(path: Path, folder: Path) -> str:
    """The name that a run in this trash had; InputError for a path that is none."""
    match = NAME.match(path.name)
    if not match or path.parent != folder or not os.path.lexists(path):
        raise InputError("the run is not in the trash any more", path.name[:80], fix="look whether it is back already")
    return match[1]


def empty(folder: Path) -> None:
    """Delete what is in the trash for good. InputError if some of it stays."""
    try:
        for trashed in contents(folder):
            with contextlib.suppress(FileNotFoundError):  # taken out this moment
                # In one step, so that nothing half deleted can be taken out again.
                move_directory(trashed.path, folder / f"{ON_ITS_WAY_OUT}{uuid.uuid4().hex}")
        sweep(folder)
    except OSError as error:
        raise InputError(f"the trash could not be emptied ({error.strerror})", fix="try again in a moment") from None


def sweep(folder: Path) -> None:
    """Finish what an emptying began."""
    for path in _entries(folder):
        if path.name.startswith(ON_ITS_WAY_OUT):
            with contextlib.suppress(FileNotFoundError):  # somebody else does the same
                path.unlink() if path.is_symlink() else shutil.rmtree(path)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _size(folder: Path) -> int:
    """Bytes of all its files."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total
