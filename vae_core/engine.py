"""The engine: takes queued runs from a store and trains each in a process of its own, a few at a time.

The store is the queue; the lock on a run's directory is the only thing that means *running*. One engine for a store
and a host. It owes nothing to any server: servers come and go, and it ends by itself when nobody needs it.
"""

from __future__ import annotations

import contextlib
import multiprocessing.process
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent import futures
from dataclasses import replace
from pathlib import Path
from types import FrameType, SimpleNamespace

from filelock import FileLock, Timeout

from vae_core.races.heats import race_of
from vae_core.runs import HELD, Run, RunStore, Status, age, write_status
from vae_core.system import cores
from vae_core.training.process import FINAL, OK, context, leave, listening

RETRIES = 2
STARTING = "Starting Python…"  # which takes some four seconds where each process loads torch anew
SCAN_EVERY = 0.1
SETTLING = 5.0  # seconds, in which even a process that loads Python anew takes its mates
ALONE_FOR = 60.0
LEASE = "server-*.lease"
UNFINISHED = ("queued", "interrupted", "crashed")


def _child(run_dir: str) -> None:
    """The body of a training process."""
    from vae_core.races.team import train_with_mates

    leave(train_with_mates, run_dir)


def supervise(run_dir: str) -> int:
    """Train one run in processes of its own, again after a violent death; returns the last exit code."""
    run, code = Run(Path(run_dir)), OK
    for _ in range(RETRIES + 1):
        process = _begin(run)
        _CHILDREN.add(process)
        if _ENDING.asked:  # the engine may have looked for children just before this one was there
            process.terminate()
        process.join()
        _CHILDREN.discard(process)
        code = process.exitcode if process.exitcode is not None else 1
        if code in FINAL or _ENDING.asked:
            return code
    _give_up(run, code)
    return code


_CHILDREN: set[multiprocessing.process.BaseProcess] = set()
_ENDING = SimpleNamespace(asked=False)  # not an Event: its lock may be held when a signal comes


def _begin(run: Run) -> multiprocessing.process.BaseProcess:
    """Start a process that trains the run; if that will take a while, whoever looks at the run is told."""
    own = context()
    process = own.Process(target=_child, args=(str(run.path),))
    if own.get_start_method() == "spawn":
        _tell(run, STARTING)
    try:
        process.start()
    except OSError:
        _tell(run, "")
        raise
    return process


def _tell(run: Run, message: str) -> None:
    """Say something in the status of a run that waits."""
    with contextlib.suppress(Timeout, OSError), run.lock().acquire(timeout=1.0):
        if run.status().state in UNFINISHED:
            write_status(run, replace(run.status(), message=message), durable=False)


def _give_up(run: Run, code: int) -> None:
    reason = "probably out of memory" if code == -9 else f"signal {-code}" if code < 0 else f"exit code {code}"
    message = f"The training process died {RETRIES + 1} times ({reason}); resume to try again."
    with contextlib.suppress(Timeout, OSError), run.lock().acquire(timeout=1.0):
        write_status(run, replace(run.status(), state="failed", code=code, message=message))


def engine_lock(store: RunStore) -> FileLock:
    """Held by the engine of this host while it serves the store."""
    return FileLock(store.root / f"engine-{platform.node()}.lock")


def serve_store(
    store: RunStore, slots: int = 1, *, once: bool = False, executor: futures.Executor | None = None
) -> None:
    """Take queued, interrupted and crashed runs until nobody needs an engine (or, with `once`, until none is left).

    Any executor will do, here or on other machines: all it is given is `supervise` and the path of a run.
    """
    store.root.mkdir(parents=True, exist_ok=True)
    with engine_lock(store).acquire(timeout=0.5):  # a server that asks whether there is an engine holds it a moment
        store.sweep()
        if executor:
            return Engine(store, slots, executor, once=once).serve()
        with futures.ThreadPoolExecutor(max(slots, cores()), thread_name_prefix="slot") as threads:
            Engine(store, slots, threads, once=once).serve()


class Engine:
    """The loop of one engine.

    A slot is a process, whether it trains one run or the team of a race. While nothing but a race trains, more of its
    runs are taken, up to the cores: those that joined later, and those that cannot be one model with the others.
    """

    def __init__(self, store: RunStore, slots: int, executor: futures.Executor, *, once: bool) -> None:
        self.store, self.slots, self.executor, self.once = store, slots, executor, once
        self._taken: dict[Path, tuple[Status, futures.Future[int]]] = {}
        self._given_up: dict[Path, float] = {}
        self._begun: dict[str | None, float] = {}  # when a run of each race was last taken
        self._needed = time.monotonic()

    def serve(self) -> None:
        """Scan, submit, and end when it should."""
        with listening(_ask_to_end):
            try:
                _warm_up()
                while not _ENDING.asked and self.store.root.is_dir() and self._scan():
                    pass
            finally:
                self._end()

    def _scan(self) -> bool:
        """Look at all runs once, take what there are slots for, rest; whether the engine is still wanted."""
        started = time.monotonic()
        self._reap()
        states = {run: run.state for run in self.store.own() if run.path not in self._taken}
        waiting = [run for run, state in states.items() if state in UNFINISHED and self._may_try(run)]
        held = [run for run, state in states.items() if state in HELD]
        others = len(self._processes(held))
        races = [race_of(run) for run in (*held, *map(Run, self._taken))] if waiting else []
        looking = time.monotonic() - started
        for run in self._next(waiting, races, others):
            self._taken[run.path] = run.status(), self.executor.submit(supervise, str(run.path))
        if not self._wanted(working=bool(self._taken or waiting), others=others):
            return False
        # Looking at very many runs takes long, and must not take a whole core.
        time.sleep(min(1.0, max(SCAN_EVERY, 9 * looking)))
        return True

    def _processes(self, held: Iterable[Run]) -> set[int]:
        """The processes of this host that train these runs, but for those started here: a process may train many."""
        own = {Run(path).status().pid for path in self._taken}
        return {status.pid for status in (run.status() for run in held) if status.host == platform.node()} - own

    def _next(self, waiting: Sequence[Run], races: list[str | None], others: int) -> Iterator[Run]:
        """The runs to take now, the oldest first; `races` are those of all that train, None for a run in no race."""
        for run in sorted(waiting, key=age):
            busy, name = len(self._taken) + others, race_of(run)
            only = races[0] if len(set(races)) == 1 else None
            if busy >= (max(self.slots, cores()) if only else self.slots):
                return
            settling = name in races and time.monotonic() - self._begun.get(name, 0.0) < SETTLING
            if (busy < self.slots or name == only) and not (name and settling):
                self._begun[name] = time.monotonic()
                races.append(name)
                yield run

    def _may_try(self, run: Run) -> bool:
        """Not again after an attempt failed to finish it, until somebody asks, which changes its status."""
        return self._given_up.get(run.path) != run.status().heartbeat

    def _wanted(self, *, working: bool, others: int) -> bool:
        if self.once:
            return working
        now = time.monotonic()
        if working or others or any(_age(path) < ALONE_FOR for path in self.store.root.glob(LEASE)):
            self._needed = now
        return now - self._needed < ALONE_FOR

    def _reap(self) -> None:
        for path, (before, future) in list(self._taken.items()):
            if not future.done():
                continue
            del self._taken[path]
            if not future.cancelled() and (error := future.exception()):
                sys.stderr.write(f"vae_core: {path.name} could not be started ({error})\n")
            run, now = Run(path), Run(path).status()
            # One that is queued with another heartbeat than before was asked for again in the meantime.
            if run.state in UNFINISHED and (now.state != "queued" or now.heartbeat == before.heartbeat):
                self._given_up[path] = now.heartbeat

    def _end(self) -> None:
        """Ask the running children to write a checkpoint and end; wait for them."""
        _ENDING.asked = True
        for process in list(_CHILDREN):
            process.terminate()
        waiting = [future for _, future in self._taken.values() if not future.cancel()]
        futures.wait(waiting)
        _ENDING.asked = False


def _ask_to_end(number: int, frame: FrameType | None) -> None:
    """SIGTERM, Ctrl-C and their like end the engine."""
    _ENDING.asked = True


def _warm_up() -> None:
    """Start the forkserver now, so that the first run does not wait for torch to be imported."""
    own = context()
    if own.get_start_method() == "forkserver":
        process = own.Process(target=int)
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
