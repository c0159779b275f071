"""A real server of the app, for the tests of servers and those of the browser."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from vae_core.runs import RunStore

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Server:
    """A server of the app on a store of its own."""

    store: RunStore
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its address on this machine."""
        return f"http://127.0.0.1:{self.port}"


def start_server(root: Path) -> Server:
    """Start the app as a user would, on a free port, and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"VAE_RUNS": str(root), "VAE_DEVICE": "cpu"}
    command = [sys.executable, "-m", "vae_core", "serve", "--port", str(port)]
    with open(root.parent / f"server-{port}.log", "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    server = Server(RunStore(root), port, process)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if answers(server):
            return server
        time.sleep(0.2)
    raise RuntimeError("the server did not start")


def answers(server: Server) -> bool:
    """Whether it is there."""
    try:
        urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=1).close()
    except OSError:
        return False
    return True


def stop_server(server: Server) -> None:
    """End the server's process group; its engine follows when the store is gone."""
    os.killpg(server.process.pid, signal.SIGTERM)
    try:
        server.process.wait(10)
    except subprocess.TimeoutExpired:
        kill_server(server)


def kill_server(server: Server) -> None:
    """End it as a power cut would."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
