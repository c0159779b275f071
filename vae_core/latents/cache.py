"""The cache of what was worked out from a run's weights: beside the store's runs, never in one, and free to be deleted.

A file is the SHA-256 of its content, then the content. Its name holds a digest of everything the content follows from.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_core.checkpoints import step_of
from vae_core.opened import LATENTS, Opened
from vae_core.runs import Run, RunStore
from vae_core.spec import InputError, atomic_write
from vae_core.system import read_bytes, remove_file

FORMAT = 1  # of everything kept here: raise it, and what older programs left is not found any more
LARGEST = 2**30
SUFFIX, CHECKSUM = ".bin", 32
ABANDONED = 3600.0
SHARED = ".shared"  # no name of a run


@dataclass(frozen=True)
class Entry:
    """A place in the cache, and the step of the weights that its content follows from (−1: of none)."""

    path: Path
    step: int = -1

    def read(self) -> bytes | None:
        """The content; None if there is none. A damaged file is thrown away."""
        try:
            data = read_bytes(self.path)
        except OSError:
            return None
        content = memoryview(data)[CHECKSUM:]
        if hashlib.sha256(content).digest() != data[:CHECKSUM]:
            self.remove()
            return None
        with contextlib.suppress(OSError):
            os.utime(self.path)  # the least recently used go first
        return bytes(content)

    def write(self, content: bytes) -> bool:
        """Keep the content, and make room for it. Whether that worked: a disk that takes nothing is no error here."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self.path, hashlib.sha256(content).digest() + content, durable=False)
        except OSError:
            return False
        trim(self.path.parents[1], keep=self.path)
        return True

    def remove(self) -> None:
        """Delete the file, if it is there and can be deleted."""
        with contextlib.suppress(OSError):
            remove_file(self.path)

    @property
    def present(self) -> bool:
        """Whether there is a file, whole or not."""
        return self.path.exists()


def entry(run: Run, step: int | None, what: str, *parts: Any) -> Entry:
    """The place of `what`, made with `parts` (plain values) from the newest weights of a run at or before `step`."""
    at, weights = newest_weights(run, step)
    try:
        info = weights.stat()
    except OSError:  # pruned this moment, or taken away
        raise InputError(f"{weights.name} is not there any more", run.name, fix="try again") from None
    digest = _digest(_card(run), at, weights.name, info.st_size, info.st_mtime_ns, what, *parts)
    return Entry(folder(run) / f"{what}-{at:08d}-{digest}{SUFFIX}", at)


def entry_of_kind(run: Run, what: str) -> Entry:
    """The place of something that is the same for all runs of a store with the same networks."""
    config = run.config
    kind = [config.net.model_dump(mode="json"), config.likelihood.model_dump(mode="json"), config.latent]
    name = f"{what}-{_digest(what, kind, list(config.dataset.shape))}{SUFFIX}"
    return Entry(folder(run).with_name(SHARED) / name)


def folder(run: Run) -> Path:
    """Where the cached files of a run lie: in its store's `.cache`; for a shipped run, in the default store's."""
    store = RunStore.default().root if run.shipped else run.path.parent
    return store / ".cache" / "latents" / run.name


def newest_weights(run: Run, step: int | None) -> tuple[int, Path]:
    """The file that `run.weights(step)` tries first, and its step; of an opened model, its codes.

    InputError where there is none.
    """
    if opened := Opened.of(run):
        return 0, opened.folder / LATENTS
    found = [(at, 0, path) for at, path in run.snapshots().items()]
    found += [(step_of(path), 1, path) for path in run.checkpoints()]
    usable = [one for one in found if step is None or one[0] <= step]
    if not usable:
        raise InputError("there are no weights to load", run.name, fix="let the run reach its first checkpoint")
    at, _, path = max(usable)
    return at, path


def trim(root: Path, keep: Path | None = None) -> None:
    """Delete the least recently used files until at most `LARGEST` bytes are left, and what killed processes left."""
    files = []
    for path in root.rglob("*"):
        with contextlib.suppress(OSError):
            info = path.stat()
            if path.suffix == SUFFIX:
                files.append((info.st_mtime_ns, info.st_size, path))
            elif path.is_file() and time.time() - info.st_mtime > ABANDONED:
                remove_file(path)
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= LARGEST:
            return
        if path != keep:
            with contextlib.suppress(OSError):
                remove_file(path)
                total -= size


def _card(run: Run) -> str:
    """A digest of config.json, which says when the run was created: another run of this name has another."""
    created = run.created  # explains a config.json that is not there, or is not one
    return _digest(created, read_bytes(run.path / "config.json").hex())


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps([FORMAT, *parts], sort_keys=True).encode()).hexdigest()[:24]
