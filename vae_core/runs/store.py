"""The store: a folder of runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock

from vae_core.config import RunConfig
from vae_core.runs import trash
from vae_core.runs.lock import present
from vae_core.runs.run import ASSETS, FORMAT, NAME, Run, Status, remedy, write_status
from vae_core.runs.trash import Trashed
from vae_core.spec import InputError, atomic_write
from vae_core.system import move_directory

MOST_OF_A_NAME = 10_000
DRAFT = ".new-"
DRAFTS_LIVE = 3600.0


@dataclass(frozen=True)
class RunStore:
    """A folder of runs; the shipped ones are seen through it, read-only, where it has none of that name."""

    root: Path

    @classmethod
    def default(cls) -> RunStore:
        """The store of `VAE_RUNS`, or `runs/` here."""
        return cls(Path(os.environ.get("VAE_RUNS") or "runs"))

    def __iter__(self) -> Iterator[Run]:
        """The store's runs, newest first, then the shipped ones."""
        own = sorted(self.own(), key=age, reverse=True)
        names = {run.name for run in own}
        yield from own
        yield from (run for run in sorted(_runs(ASSETS), key=lambda run: run.name) if run.name not in names)

    def __getitem__(self, name: str) -> Run:
        """The run of that name; names with path parts are refused."""
        check_name(name)
        for root in (self.root, ASSETS):
            if present(root / name):
                return Run(root / name)
        raise InputError(f"there is no run called {name!r}", str(self.root), fix="see `list` for the runs there are")

    def own(self) -> list[Run]:
        """The runs of this folder alone, in no order."""
        return _runs(self.root)

    def create(
        self,
        config: RunConfig,
        name: str | None = None,
        *,
        stem: str | None = None,
        pace: float = 0.0,
        origin: dict[str, Any] | None = None,
        history: Path | None = None,
        state: str = "queued",
        step: int = 0,
        lock: bool = False,
    ) -> Run:
        """A new run, complete the moment it appears. `stem` names it after a preset; `history` is copied into it.

        With `lock`, this process locks it, and no engine takes it in the moment before.
        """
        config.check()
        if name is not None and os.path.lexists(self.root / check_name(name)):
            raise self._taken(name)
        self._check_disk(config)
        try:
            with self._draft() as draft:
                _fill(draft, config, origin, history)
                status = Status(state, step, heartbeat=time.time(), pace=pace)
                # Windows moves no folder with an open lock in it: until it is locked, no engine takes a stopped one.
                write_status(Run(draft), replace(status, state="stopped") if lock else status)
                run = Run(self._publish(draft, [name] if name else _names(stem or config.dataset.kind)))
            if lock:
                _hold(run, status)
            return run
        except OSError as error:
            raise InputError(
                f"the run could not be written ({error.strerror})", str(self.root), fix=remedy(error)
            ) from None

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Path]:
        """A folder that no reader takes for a run; nothing of it is left if it does not become one."""
        self.root.mkdir(parents=True, exist_ok=True)
        draft = self.root / f"{DRAFT}{uuid.uuid4().hex}"
        try:
            draft.mkdir()
            yield draft
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def _publish(self, folder: Path, names: Iterable[str]) -> Path:
        """Move a folder to the first of the names that is free; returns where it is now."""
        name = ""
        for name in names:
            target = self.root / name
            if os.path.lexists(target):
                continue
            try:
                move_directory(folder, target)
            except OSError:
                if not os.path.lexists(target):
                    raise
                continue  # somebody was faster
            return target
        raise self._taken(name)

    def _taken(self, name: str) -> InputError:
        return InputError(f"a run called {name!r} exists", str(self.root), fix="choose another name")

    def _check_disk(self, config: RunConfig) -> None:
        weights = 4 * config.parameters()
        need = 3 * 3 * weights + len(config.snapshots()) * weights // 2 + 2**21
        root = self.root.absolute()
        free = shutil.disk_usage(next(path for path in (root, *root.parents) if os.path.exists(path))).free
        if free < 2 * need:
            raise InputError(
                f"the disk has {free / 2**20:,.0f} MiB free", str(self.root),
                limit=f"this run may need {need / 2**20:,.0f} MiB, and as much again is kept free",
                fix="free some space, or train a smaller model",
            )  # fmt: skip

    def trash(self, name: str) -> Path:
        """Throw a run away, so that it can be taken out of the trash again; returns where it lies there.

        InputError for a shipped run, and for one that is being trained.
        """
        run = self[name]
        run.refuse_shipped()
        return trash.throw(run, self.root / trash.FOLDER)

    def trashed(self) -> list[Trashed]:
        """What is in the trash, the newest first."""
        return trash.contents(self.root / trash.FOLDER)

    def restore(self, trashed: Trashed | Path) -> Run:
        """Take a run out of the trash, as it was; if its name is taken by now, under the next free one."""
        path = trashed if isinstance(trashed, Path) else trashed.path
        name = trash.name_of(path, self.root / trash.FOLDER)
        try:
            return Run(self._publish(path, chain([name], _names(name))))
        except OSError as error:
            raise InputError(f"{name} cannot be moved ({error.strerror})", fix=remedy(error)) from None

    def empty_trash(self) -> None:
        """Delete what is in the trash for good."""
        trash.empty(self.root / trash.FOLDER)

    def sweep(self) -> None:
        """Remove what the dead left behind: drafts of runs older than an hour, and what was being deleted."""
        for draft in self.root.glob(f"{DRAFT}*"):
            with contextlib.suppress(OSError):
                changed = draft.stat()
                if time.time() - max(changed.st_mtime, changed.st_ctime) > DRAFTS_LIVE and not Run(draft).locked():
                    shutil.rmtree(draft)
        with contextlib.suppress(OSError):
            trash.sweep(self.root / trash.FOLDER)


_HELD: dict[Path, FileLock] = {}


def held_lock(run: Run) -> FileLock:
    """The lock this process already holds on a run it created with `lock=True`, else a new, open one."""
    return _HELD.pop(run.path, None) or run.lock()


def check_name(name: str) -> str:
    """The name, if it is one: never a path."""
    if not NAME.match(name):
        raise InputError(
            f"{name[:80]!r} is not a name of a run",
            limit="1 to 64 of a–z, 0–9, - and _, not starting with - or _",
            fix="choose another name",
        )
    return name


def find(text: str, store: RunStore) -> Run:
    """A run by its name in the store, or by its path."""
    if os.sep not in text and (os.altsep or os.sep) not in text:
        return store[text]
    if os.path.exists(os.path.join(text, "config.json")):
        return Run(Path(text).resolve())
    raise InputError(f"there is no run at {text}", fix="give a name from `list`, or the path of a run's directory")


def age(run: Run) -> float:
    """When a run was created; a broken one counts as the oldest."""
    try:
        return run.created
    except InputError:
        return 0.0


def _runs(root: Path) -> list[Run]:
    try:
        names = os.listdir(root)
    except OSError:
        return []
    return [Run(root / name) for name in names if NAME.match(name) and present(root / name)]


def _names(stem: str) -> Iterator[str]:
    """The stem, then the stem with a number, all short enough for a name; those of shipped runs are not free."""
    for number in range(1, MOST_OF_A_NAME):
        ending = "" if number == 1 else f"-{number}"
        name = stem[: 64 - len(ending)] + ending
        if not (ASSETS / name).exists():
            yield name


def _fill(folder: Path, config: RunConfig, origin: dict[str, Any] | None, history: Path | None) -> None:
    if history:
        shutil.copytree(history, folder, dirs_exist_ok=True)
    card = {"format": FORMAT, "created": time.time(), "config": config.model_dump(mode="json"), "origin": origin}
    atomic_write(folder / "config.json", json.dumps(card, indent=1).encode())


def _hold(run: Run, status: Status) -> None:
    """Lock a new run for this process and give it its status; nothing of it is left if that cannot be."""
    try:
        lock = run.lock()
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock.acquire(timeout=1.0))  # a reader probing the lock holds it for a moment
            write_status(run, status)
            stack.pop_all()
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    _HELD[run.path] = lock
