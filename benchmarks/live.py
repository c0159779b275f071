"""What a viewer costs: `python -m benchmarks.live`. Server CPU for each request, and the size of an answer.

A real run of 10 latents that logs two rows a second, followed for 60 ticks after the first by 1, 100 and 200 viewers,
each asking once a second over its own connection, all columns of Watch. Linux only (CPU times from /proc).
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from tests.browser.conftest import Server, start_server, stop_server
from vae_core.commands import Stop
from vae_core.presets import preset

TICKS = 60
SECONDS = 110.0


def cpu_seconds(leader: int) -> float:
    """User and system time of a process group that was started as its own."""
    total = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def view(server: Server, run: str, sizes: list[int]) -> None:
    """One viewer: the first request takes all rows, the later ones what is new."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    since, log = 0, ""
    for _ in range(TICKS + 1):
        begun = time.monotonic()
        connection.request("GET", f"/api/runs/{run}/rows?since={since}&log={log}")
        answer = connection.getresponse()
        sizes.append(len(answer.read()))
        since, log = int(answer.headers["X-Rows"]), answer.headers["X-Log"]
        time.sleep(max(0.0, 1.0 - (time.monotonic() - begun)))
    connection.close()


def measure(server: Server, viewers: int) -> dict[str, float | int]:
    """Follow a fresh run with so many viewers."""
    run = server.store.create(preset("digits-annealed").config, pace=SECONDS)
    while len(run.rows()) < 5:
        time.sleep(0.2)
    sizes: list[list[int]] = [[] for _ in range(viewers)]
    threads = [threading.Thread(target=view, args=(server, run.name, own)) for own in sizes]
    before, begun = cpu_seconds(server.process.pid), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent, wall = cpu_seconds(server.process.pid) - before, time.monotonic() - begun
    rows, state = len(run.rows()), run.state
    later = [size for own in sizes for size in own[1:]]
    run.post(Stop())
    return {
        "viewers": viewers, "requests": len(later) + viewers, "cpu_ms_per_request": round(1e3 * spent / len(later), 2),
        "largest_body": max(later), "share_of_a_core": round(spent / wall, 3), "rows": rows, "state": state,
    }  # fmt: skip


def main() -> None:
    """One JSON line for each number of viewers."""
    with tempfile.TemporaryDirectory() as folder:
        server = start_server(Path(folder) / "runs")
        try:
            for viewers in (1, 100, 200):
                print(json.dumps(measure(server, viewers)))
        finally:
            stop_server(server)


if __name__ == "__main__":
    main()
