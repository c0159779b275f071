"""What a class over one map costs the server: `python -m benchmarks.crowd`. Linux only (CPU times from /proc).

200 sessions of the map's page, each over a WebSocket of its own and with everything fetched that the page fetches; and
four real browsers among them whose pointers move all the time. The server's CPU over 30 s, without them and with them.
"""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from benchmarks.live import cpu_seconds
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.server_helpers import Server, start_server, stop_server

RUN, SEATS, BROWSERS, SECONDS = "digits-annealed", 200, 4, 30.0


def sit_down(server: Server, until: ExitStack) -> None:
    """Opens a session of the page: its script is run to the end, and the map's files are fetched."""
    address = server.url.replace("http", "ws") + "/_stcore/stream"
    connection = until.enter_context(connect(address, subprotocols=["streamlit"], max_size=None))  # type: ignore[list-item]
    asked = BackMsg()
    asked.rerun_script.query_string = f"run={RUN}"
    asked.rerun_script.page_name = "latent"
    connection.send(asked.SerializeToString())
    while True:
        told = ForwardMsg.FromString(connection.recv(60))  # type: ignore[arg-type]
        if told.WhichOneof("type") == "script_finished":
            break
    head = json.loads(_get(f"{server.url}/api/runs/{RUN}/map"))
    for path in (head["decoder"], *(f"{head['data']}&part={part}" for part in ("places", "means", "spreads"))):
        _get(server.url + path)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def spent(server: Server, during: float, pages: list[Page]) -> float:
    """The server's share of a core while the pointers move over these pages, in per cent."""
    before, begun = cpu_seconds(server.process.pid), time.monotonic()
    step = 0
    while (elapsed := time.monotonic() - begun) < during:
        for page in pages:
            page.mouse.move(300 + step % 300, 250 + (7 * step) % 200)
        step += 1
        time.sleep(0.01 if pages else max(0.0, min(0.5, during - elapsed)))
    return round(100 * (cpu_seconds(server.process.pid) - before) / (time.monotonic() - begun), 2)


def main() -> None:
    """One JSON line."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = start_server(Path(folder) / "runs")
        stack.callback(stop_server, server)
        with ExitStack() as alone:
            sit_down(server, alone)  # the server works the map out, once for all
        time.sleep(5)
        empty = spent(server, SECONDS, [])
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: sit_down(server, stack), range(SEATS)))
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        pages = [browser.new_page() for _ in range(BROWSERS)]
        for page in pages:
            page.goto(f"{server.url}/latent?run={RUN}")
            page.wait_for_selector('[data-testid="latent-canvas"][data-ready="1"]', timeout=60_000)
        time.sleep(10)
        told = {"sessions": SEATS, "browsers": BROWSERS, "server_cpu_percent_of_a_core_empty": empty}
        print(json.dumps(told | {"server_cpu_percent_of_a_core_full": spent(server, SECONDS, pages)}))
        browser.close()


if __name__ == "__main__":
    main()
