"""The server's side of the engine: start one if none serves the store, and say that a server is here."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import torch
from filelock import Timeout
from streamlit.watcher import polling_path_watcher

from vae_core.engine import end_lease, engine_lock, renew_lease
from vae_core.runs import RunStore
from vae_core.system import detached

ROOT = Path(__file__).resolve().parent.parent
CHECK_EVERY = 15.0  # a lease is good for a minute


@contextlib.asynccontextmanager
async def keep_engine() -> AsyncIterator[None]:
    """Renew the server's lease and replace an engine that has died, until the server ends."""
    torch.set_num_threads(1)
    # Streamlit polls its (mostly absent) config files five times a second for ever: half of an idle server's work.
    polling_path_watcher._POLLING_PERIOD_SECS = 60.0
    store = RunStore(RunStore.default().root.resolve())
    ensure_engine(store)
    gc.collect()
    gc.freeze()  # what is imported by now never dies: without this each rerun would walk through it
    task = asyncio.create_task(_keep(store))
    try:
        yield
    finally:
        task.cancel()
        end_lease(store)


async def _keep(store: RunStore) -> None:
    while True:
        await asyncio.sleep(CHECK_EVERY)
        await asyncio.to_thread(ensure_engine, store)


def ensure_engine(store: RunStore) -> bool:
    """Whether the store can be trained in: renews the lease, and starts an engine where none holds the lock."""
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        renew_lease(store)
        if engine_runs(store):
            return True
        with open(store.root / "engine.log", "ab") as log:
            slots = os.environ.get("VAE_SLOTS", "1")
            command = [sys.executable, "-m", "vae_core", "engine", "--runs", str(store.root), "--slots", slots]
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, **detached(),
                env=os.environ | {"PYTHONPATH": path},
            )  # fmt: skip
    except OSError:
        return False
    return True


def engine_runs(store: RunStore) -> bool:
    """Whether an engine of this host holds the store's lock."""
    lock = engine_lock(store)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
