"""A real server, a real engine and a real Chromium for every browser test."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Locator, Page, TimeoutError, expect, sync_playwright
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.server_helpers import Server, start_server, stop_server
from ui.routes import routes
from vae_core.latents.cache import SHARED

# Without the browser around its pages, which is drawn too, a test takes an eighth less.
BROWSERS = (os.environ.get("CHROMIUM"), shutil.which("chromium-headless-shell"), shutil.which("chromium"))
CHROMIUM = next(filter(None, BROWSERS), "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000  # milliseconds; on a busy machine a page takes long, and no test is about how long
EXPORT = 180_000  # where a decoder may first have to be exported, by a process that loads torch for it
expect.set_options(timeout=PATIENCE)
BUSY = "[data-testid=stSkeleton], [data-testid=stApp][data-test-script-state=running]"
STILL = """
(busy) => new Promise((resolve) => {
  const begun = performance.now();
  let [changed, frames] = [begun, 0];
  const note = () => { [changed, frames] = [performance.now(), 0]; };
  const observer = new MutationObserver(note);
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  const finite = (animation) => Number.isFinite(animation.effect?.getComputedTiming().endTime);
  const moves = () => document.getAnimations().some((one) => one.playState === "running" && finite(one));
  const look = () => {
    if (moves() || document.querySelector(busy)) note();
    const now = performance.now();
    frames += 1;
    if ((now - changed < 200 || frames < 10) && now - begun < 5000) return void requestAnimationFrame(look);
    observer.disconnect();
    resolve();
  };
  look();
})
"""

BLANK = """<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>A page with nothing on it</title>
<body style="margin: 16px; background: #FBFAF7"><div id="host"></div></body></html>"""


@dataclass
class Witness:
    """What a page said on its console and asked of other hosts."""

    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Listen to a page."""
        page.on("console", lambda message: self._hear(message.type, message.text, message.location.get("url", "")))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._see(request.url))

    def _hear(self, kind: str, text: str, url: str) -> None:
        # On a deep link Streamlit looks for its server under the page's own path first, and is told 404.
        probing = url.endswith(("/_stcore/health", "/_stcore/host-config"))
        if kind == "error" and not probing:
            self.complaints.append(f"{text} {url}")

    def _see(self, url: str) -> None:
        if "/rows?" in url:
            self.polls.append(time.monotonic())
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.foreign.append(url)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that share it."""
    root = tmp_path_factory.mktemp("app") / "runs"
    _share_exports(root, tmp_path_factory)
    server = start_server(root)
    yield server
    stop_server(server)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium; in CI its absence is a failure, elsewhere a skip with the reason."""
    if not Path(CHROMIUM).exists() and not os.environ.get("CI"):
        pytest.skip(f"no Chromium at {CHROMIUM}; install it, or set CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def witness() -> Witness:
    """What the test's pages complained about."""
    return Witness()


@pytest.fixture(scope="session")
def _profile(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1360, "height": 768})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def profile(_profile: BrowserContext) -> Iterator[BrowserContext]:
    """One profile for all pages of the app, so that the scripts of Streamlit are fetched once; else it is as new."""
    yield _profile
    for page in _profile.pages:
        page.close()
    _profile.set_storage_state({})


@pytest.fixture
def page(profile: BrowserContext, witness: Witness) -> Page:
    """A fresh page the size of a small laptop."""
    page = profile.new_page()
    witness.watch(page)
    return page


def settled(page: Page) -> None:
    """Wait until the page's script has run."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def still(page: Page) -> None:
    """Wait until nothing on the page changes or moves for 0.2 s and ten frames; for 5 s where something always does."""
    page.evaluate(STILL, BUSY)


def opened(button: Locator, shows: Locator) -> Locator:
    """Press a button, and what it opens; once more where the page was drawn anew under the press, on a busy machine."""
    button.click()
    try:
        shows.wait_for(timeout=10_000)
    except TimeoutError:
        button.click()
        shows.wait_for()
    return shows


FIGURE = "[data-testid=live-figure]"


def await_state(page: Page, *states: str, timeout: float = 60_000) -> None:
    """Wait until the figure shows one of these states."""
    page.wait_for_selector(", ".join(f'{FIGURE}[data-state="{state}"]' for state in states), timeout=timeout)


def await_rows(page: Page, count: int = 1) -> int:
    """Wait until the figure has received at least so many rows; returns how many."""
    page.wait_for_function(f"Number(document.querySelector('{FIGURE}')?.dataset.rows ?? 0) >= {count}")
    return int(page.locator(FIGURE).get_attribute("data-rows") or 0)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The routes of the app alone: no Streamlit, no engine, and an empty store, through which the shipped runs show."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("empty")
        _share_exports(root, tmp_path_factory)
        patch.setenv("VAE_RUNS", str(root))
        yield from _serve()


@pytest.fixture
def sheet(chromium: Browser, bare: str, witness: Witness) -> Iterator[Page]:
    """A blank page of the bare server."""
    page = chromium.new_page(viewport={"width": 900, "height": 800})
    witness.watch(page)
    page.goto(f"{bare}/blank")
    yield page
    page.close()


def _share_exports(root: Path, factory: pytest.TempPathFactory) -> None:
    """Let a store keep the exported decoder of each kind where all stores of this run of the tests do."""
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    shared = factory.getbasetemp().parent / f"exports-{session}"
    shared.mkdir(exist_ok=True)
    (root / ".cache" / "latents").mkdir(parents=True)
    (root / ".cache" / "latents" / SHARED).symlink_to(shared)


def _serve() -> Iterator[str]:
    app = Starlette(routes=[Route("/blank", lambda request: HTMLResponse(BLANK)), *routes()])
    app.add_middleware(GZipMiddleware)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
