"""Servers come and go: two on one store, one killed, the engine killed, and no run takes harm."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.run_helpers import finish, same, tiny, wait_for, wait_for_step
from tests.server_helpers import Server, answers, kill_server, start_server, stop_server
from vae_core.commands import Pace
from vae_core.runs import RunStore

PATIENCE = 90.0  # seconds; a server looks for its engine every 15, and a busy machine is slow
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="an engine is found through /proc"),
]


def engines(store: RunStore) -> list[int]:
    """The processes that are engines of this store."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"engine" in words and str(store.root).encode() in words:
                found.append(int(folder.name))
    return found


@pytest.fixture
def servers(store: RunStore) -> Iterator[list[Server]]:
    """Two servers of one store, started at the same moment; neither they nor an engine outlive the test."""
    store.root.mkdir()
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(start_server, [store.root, store.root]))
    yield both
    for server in both:
        if server.process.poll() is None:
            stop_server(server)
    shutil.rmtree(store.root, ignore_errors=True)
    wait_for(lambda: shutil.rmtree(store.root, ignore_errors=True) or not engines(store), PATIENCE)


def test_a_run_outlives_a_killed_server_and_a_killed_engine(store: RunStore, servers: list[Server]) -> None:
    first, second = servers
    wait_for(lambda: len(engines(store)) == 1, PATIENCE)
    run, waiting = store.create(tiny(), "first", pace=120.0), store.create(tiny(), "second")
    wait_for(lambda: run.state == "running", PATIENCE)
    wait_for_step(run, 2)
    worker = run.status().pid

    kill_server(first)
    rows = len(run.rows())
    wait_for(lambda: len(run.rows()) > rows, PATIENCE)
    assert (answers(first), answers(second)) == (False, True)

    (engine,) = engines(store)
    os.kill(engine, signal.SIGKILL)
    rows = len(run.rows())
    wait_for(lambda: len(run.rows()) > rows, PATIENCE)
    assert (run.state, run.status().pid, run.status().attempts, waiting.state) == ("running", worker, 1, "queued")

    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: run.state == "crashed" or run.status().attempts == 2, PATIENCE)
    run.post(Pace(seconds=0))
    wait_for(lambda: waiting.state == "done", PATIENCE)
    assert (run.state, run.status().attempts, waiting.status().attempts) == ("done", 2, 1)
    assert len(engines(store)) == 1
    assert engines(store) != [engine]
    steps = [(row["split"], row["step"]) for row in run.rows()]
    assert len(set(steps)) == len(steps)
    undisturbed = store.create(tiny(), "straight", state="stopped")
    finish(undisturbed)
    assert same(run, undisturbed)
