"""The engine: takes queued runs from a store and trains each in a process of its own, a few at a time.

The store is the queue; the lock on a run's directory is the only thing that means *running*. One engine for a store
and a host. It owes nothing to any server: servers come and go, and it ends by itself when nobody needs it.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import multiprocessing.process
import os
import platform
import signal
import sys
import threading
import time
from concurrent import futures
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from vae_core.runs import ASSETS, Run, RunStore, write_status
from vae_core.training.worker import (
    BAD_CHECKPOINT,
    BAD_NUMBERS,
    DEVICE,
    DISK,
    MEMORY,
    OK,
    OWNED,
    REFUSED,
    REMOVED,
    Halted,
)

# Codes after which another attempt would end the same way, or was not wanted; a killed child has a negative one.
FINAL = {OK, 1, REFUSED, BAD_NUMBERS, BAD_CHECKPOINT, DEVICE, MEMORY, REMOVED, DISK, OWNED, 130, 143}
RETRIES = 2
# Adam loads torch._dynamo at its first use, which takes most of a second.
PRELOAD = ["torch._dynamo", "vae_core.training"]
SCAN_EVERY = 0.1
ALONE_FOR = 60.0
LEASE = "server-*.lease"
UNFINISHED = ("queued", "interrupted", "crashed")


def _child(run_dir: str) -> None:
    """The body of a training process."""
    from vae_core.training import train

    try:
        train(run_dir)
    except Halted as halted:
        sys.exit(halted.code)


def supervise(run_dir: str) -> int:
    """Train one run in processes of its own, again after a violent death; returns the last exit code."""
    context = mp.get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload(PRELOAD)
    code = OK
    for _ in range(RETRIES + 1):
        process = context.Process(target=_child, args=(run_dir,))
        process.start()
        _CHILDREN.add(process)
        process.join()
        _CHILDREN.discard(process)
        code = process.exitcode if process.exitcode is not None else 1
        if code in FINAL or -code in (signal.SIGTERM, signal.SIGINT) or _ENDING.is_set():
            return code
    _give_up(Run(Path(run_dir)), code)
    return code


_CHILDREN: set[multiprocessing.process.BaseProcess] = set()
_ENDING = threading.Event()


def _give_up(run: Run, code: int) -> None:
    reason = "probably out of memory" if code == -9 else f"signal {-code}" if code < 0 else f"exit code {code}"
    message = f"The training process died {RETRIES + 1} times ({reason}); resume to try again."
    with contextlib.suppress(Timeout, OSError), run.lock().acquire(timeout=1.0):
        write_status(run, replace(run.status(), state="failed", code=code, message=message))


class LocalExecutor(futures.Executor):
    """A bounded queue on this machine: `slots` threads, each of which only waits for a process."""

    def __init__(self, slots: int) -> None:
        self._pool = futures.ThreadPoolExecutor(slots, thread_name_prefix="slot")

    def submit(self, fn, /, *args, **kwargs):
        """Run `fn` when a slot is free."""
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def engine_lock(store: RunStore) -> FileLock:
    """Held by the engine of this host while it serves the store."""
    return FileLock(store.root / f"engine-{platform.node()}.lock")


def serve_store(
    store: RunStore, slots: int = 1, *, once: bool = False, executor: futures.Executor | None = None
) -> None:
    """Take queued, interrupted and crashed runs until nobody needs an engine (or, with `once`, until none is left)."""
    store.root.mkdir(parents=True, exist_ok=True)
    with engine_lock(store).acquire(timeout=0):
        Engine(store, slots, executor or LocalExecutor(slots), once=once).serve()


class Engine:
    """The loop of one engine."""

    def __init__(self, store: RunStore, slots: int, executor: futures.Executor, *, once: bool) -> None:
        self.store, self.slots, self.executor, self.once = store, slots, executor, once
        self._taken: dict[Path, futures.Future[int]] = {}
        self._given_up: dict[Path, float] = {}
        self._needed = time.monotonic()

    def serve(self) -> None:
        """Scan, submit, and end when it should."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _ENDING.set())
        if os.name == "posix":
            _warm_up()
        while not _ENDING.is_set() and self.store.root.is_dir() and self._wanted():
            self._reap()
            for run in self._waiting()[: max(0, self.slots - self._busy())]:
                self._taken[run.path] = self.executor.submit(supervise, str(run.path))
            time.sleep(SCAN_EVERY)
        self._end()

    def _wanted(self) -> bool:
        now = time.monotonic()
        if self._taken or self._waiting():
            self._needed = now
            return True
        if self.once:
            return False
        if any(_age(path) < ALONE_FOR for path in self.store.root.glob(LEASE)):
            self._needed = now
        return now - self._needed < ALONE_FOR

    def _waiting(self) -> list[Run]:
        """Oldest first: queued runs, and those that some death left unfinished."""
        runs = [run for run in self._others() if self._given_up.get(run.path) != run.status().heartbeat]
        return [run for run in reversed(runs) if run.state in UNFINISHED]

    def _others(self) -> list[Run]:
        return [run for run in self.store if run.path.parent != ASSETS and run.path not in self._taken]

    def _busy(self) -> int:
        """Slots in use on this host: ours, and runs that an engine before us left running."""
        adopted = [run for run in self.store if run.path not in self._taken and run.path.parent != ASSETS]
        ours = platform.node()
        return len(self._taken) + sum(
            run.status().host == ours and run.state in ("running", "paused") for run in adopted
        )

    def _reap(self) -> None:
        for path, future in list(self._taken.items()):
            if future.done():
                del self._taken[path]
                if Run(path).state in UNFINISHED:  # until somebody asks again, which changes its status
                    self._given_up[path] = Run(path).status().heartbeat

    def _end(self) -> None:
        """Ask the running children to write a checkpoint and end; wait for them."""
        _ENDING.set()
        for process in list(_CHILDREN):
            process.terminate()
        self.executor.shutdown(wait=True, cancel_futures=True)


def _warm_up() -> None:
    """Start the forkserver now, so that the first run does not wait for torch to be imported."""
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=int)
    process.start()
    process.join()


def _age(path: Path) -> float:
    try:
        return abs(time.time() - path.stat().st_mtime)
    except OSError:
        return float("inf")


def renew_lease(store: RunStore) -> None:
    """Say that a server of this store is alive; its engine stays as long as one is."""
    with contextlib.suppress(OSError):
        (store.root / f"server-{platform.node()}-{os.getpid()}.lease").touch()


def end_lease(store: RunStore) -> None:
    """Say that the server is gone."""
    with contextlib.suppress(OSError):
        (store.root / f"server-{platform.node()}-{os.getpid()}.lease").unlink()
