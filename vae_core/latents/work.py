"""Work for the cache that takes a while: done in a process of its own, which tells how far it is, and may be killed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from filelock import FileLock, Timeout

from vae_core.latents.cache import Entry
from vae_core.runs import Run
from vae_core.runs.lock import is_held
from vae_core.spec import InputError, atomic_write
from vae_core.system import detached, read_bytes

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN = 60.0  # seconds from `start` until its process holds the lock


class Report(TypedDict):
    """How far a piece of work is. `share` is of the stage that `message` names, None where nobody knows."""

    state: Literal["absent", "working", "ready", "failed"]
    share: float | None
    message: str


@dataclass(frozen=True)
class Work:
    """What belongs into a place of the cache; `what` it is, for people. A file beside the place tells how far it is."""

    place: Entry
    what: str

    def progress(self) -> Report:
        """ "absent" (nobody asked for it), "working", "ready", or "failed" and why."""
        told = self._told()
        # The content is there before what was told of it is taken away.
        return {"state": "ready", "share": 1.0, "message": ""} if self.place.present else told

    def start(self, module: str, arguments: list[str]) -> subprocess.Popen[Any] | None:
        """Do it in a new process, `python -m MODULE ARGUMENTS`; None if it is ready, or on its way already."""
        if self.progress()["state"] in ("ready", "working"):
            return None
        self.tell("working", None, "Starting")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **detached(),
            env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip

    @contextlib.contextmanager
    def doing(self) -> Iterator[None]:
        """Around the work itself, which ends with the content in its place: others see that it is being done.

        InputError if another process does it, or if the content is not there at the end.
        """
        with self._locked():
            try:
                yield
                if not self.place.present:
                    raise InputError(f"the {self.what} could not be kept", str(self._folder), fix="free some space")
            except BaseException as error:
                known = isinstance(error, InputError)
                self.tell("failed", None, str(error) if known else f"The program failed ({type(error).__name__}).")
                raise
            self._forget()

    def tell(self, state: str, share: float | None, message: str) -> None:
        """Best effort: work is not given up because nobody can be told of it."""
        told = {"state": state, "share": share, "message": message, "at": time.time()}
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self._beside(".json"), json.dumps(told).encode(), durable=False)

    def _told(self) -> Report:
        held = is_held(self._beside(".lock"))
        try:
            told = json.loads(read_bytes(self._beside(".json")))
            state, share, message = told["state"], told["share"], str(told["message"])
            waiting = message == "Starting" and time.time() - told["at"] < STARTS_WITHIN
        except (OSError, ValueError, KeyError, TypeError):
            return {"state": "working" if held else "absent", "share": None, "message": ""}
        if held or waiting:
            return {"state": "working", "share": share, "message": message if state == "working" else "Starting"}
        died = "Its process ended without a word; ask again."
        return {"state": "failed", "share": None, "message": message if state == "failed" else died}

    @property
    def _folder(self) -> Path:
        return self.place.path.parent

    def _beside(self, suffix: str) -> Path:
        return self.place.path.with_name(self.place.path.name + suffix)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self._beside(".lock"), thread_local=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with lock.acquire(timeout=0.5):  # whoever probes the lock holds it for a moment
                yield
        except Timeout:
            where = self.place.path.name
            raise InputError(f"this {self.what} is being prepared already", where, fix="wait for it") from None
        except OSError as error:
            raise InputError(f"the cache cannot be written ({error.strerror})", str(self._folder)) from None

    def _forget(self) -> None:
        """Take away what was told, and the lock: the content itself says that it is ready."""
        for suffix in (".json", ".lock"):
            with contextlib.suppress(OSError):
                self._beside(suffix).unlink(missing_ok=True)


def asked_of(parser: argparse.ArgumentParser, prepare: Callable[..., None]) -> int:
    """All of a process that prepares something of a run, `PROGRAM RUN_PATH [--step N]` and what `parser` adds to it.

    0 when it is in the cache, 2 with a sentence on stderr when it cannot be.
    """
    parser.add_argument("run", type=Path, metavar="RUN_PATH")
    parser.add_argument("--step", type=int)
    given = vars(parser.parse_args())
    try:
        prepare(Run(given.pop("run").resolve()), **given)
    except InputError as error:
        sys.stderr.write(f"{parser.prog.removeprefix('python -m ')}: {error}\n")
        return 2
    return 0
