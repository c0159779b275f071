"""Downloads from a server of our own: what arrives whole is kept, what does not leaves nothing behind."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from vae_core.datasets import FashionMnist, Mnist
from vae_core.datasets.idx import header
from vae_core.datasets.remotes import REMOTES, File, Remote
from vae_core.spec import InputError

SIZES = {
    "train-images-idx3-ubyte": (300, 28, 28),
    "train-labels-idx1-ubyte": (300,),
    "t10k-images-idx3-ubyte": (50, 28, 28),
    "t10k-labels-idx1-ubyte": (50,),
}
RANDOM = np.random.default_rng(0)
CONTENT = {
    name: header(sizes) + RANDOM.integers(0, 256 if len(sizes) > 1 else 10, sizes, dtype=np.uint8).tobytes()
    for name, sizes in SIZES.items()
}
ZIPPED = {f"{name}.gz": gzip.compress(content) for name, content in CONTENT.items()}
LAST = "t10k-labels-idx1-ubyte.gz"


class Server(ThreadingHTTPServer):
    """Serves `ZIPPED`; `fault` says what happens to the last of the four files."""

    fault = ""
    requests = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests want."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.requests += 1
        name = self.path.rsplit("/", 1)[-1]
        fault = self.server.fault if name == LAST else ""
        body = ZIPPED[name]
        if fault == "404":
            return self.send_error(404)
        if fault == "silent":
            time.sleep(0.6)
        if fault == "checksum":
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (1000 if fault == "cut" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=[Mnist(), FashionMnist()], ids=lambda d: d.kind)
def dataset(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Mnist | FashionMnist:
    """A dataset of small made files, on an own server, with an empty cache."""
    dataset = request.param
    first, second, third, fourth = (_file(name, checked=isinstance(dataset, Mnist)) for name in SIZES)
    monkeypatch.setitem(REMOTES, dataset.kind, Remote("http://invalid.invalid/", (first, second, third, fourth)))
    variable = f"VAE_{dataset.kind.replace('-', '_').upper()}_URL"
    monkeypatch.setenv(variable, f"http://127.0.0.1:{server.server_port}/files/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("VAE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("VAE_DATA_DIR", raising=False)
    return dataset


def _file(name: str, *, checked: bool) -> File:
    """The table's entry of a made file; its length is wrong on purpose, the server knows better."""
    zipped = hashlib.sha256(ZIPPED[f"{name}.gz"]).hexdigest()
    return File(name, SIZES[name], 1000, zipped, hashlib.sha256(CONTENT[name]).hexdigest() if checked else "")


def _kept(dataset: Mnist | FashionMnist, tmp_path: Path) -> set[str]:
    folder = tmp_path / "cache" / dataset.kind
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_a_download_can_be_loaded(
    dataset: Mnist | FashionMnist, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not dataset.ready()
    told: list[tuple[int, int]] = []
    dataset.download(lambda done, total: told.append((done, total)))
    size = sum(map(len, ZIPPED.values()))
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert all(0 <= done <= total for done, total in told)
    assert dataset.ready()
    assert _kept(dataset, tmp_path) == set(ZIPPED)
    train, test = dataset.load()
    assert (len(train), len(test)) == dataset.sizes == (300, 50)
    assert train.images.numpy().tobytes() == CONTENT["train-images-idx3-ubyte"][16:]
    assert capfd.readouterr() == ("", "")


def test_what_is_there_is_not_fetched_again(dataset: Mnist | FashionMnist, server: Server) -> None:
    dataset.download()
    told: list[tuple[int, int]] = []
    dataset.download(lambda done, total: told.append((done, total)))
    assert server.requests == 4
    assert told[-1][0] == told[-1][1] > 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [("404", "answered 404"), ("checksum", "SHA-256 differs"), ("cut", "connection was cut"), ("silent", "is silent")],
)
def test_a_failed_download_leaves_nothing_half_written(
    dataset: Mnist | FashionMnist,
    server: Server,
    fault: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vae_core.datasets.download.SILENCE", 0.3)
    server.fault = fault
    with pytest.raises(InputError, match=words) as caught:
        dataset.download()
    assert caught.value.where.endswith(LAST)
    assert "VAE_DATA_DIR" in caught.value.fix
    assert not dataset.ready()
    assert _kept(dataset, tmp_path) == set(ZIPPED) - {LAST}
    server.fault = ""
    dataset.download()
    assert len(dataset.load()[1]) == 50


def test_no_network_is_one_sentence(
    dataset: Mnist | FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        for variable in ("VAE_MNIST_URL", "VAE_FASHION_MNIST_URL"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{unheard.getsockname()[1]}")
        with pytest.raises(InputError, match="cannot be reached"):
            dataset.download()
    assert not dataset.ready()
    assert _kept(dataset, tmp_path) == set()


class Full(io.BytesIO):
    """A file on a disk that takes no more."""

    def write(self, _: object, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_one_sentence(
    dataset: Mnist | FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vae_core.datasets.download.open", lambda *_: Full(), raising=False)
    with pytest.raises(InputError, match="the disk is full") as caught:
        dataset.download()
    assert "VAE_CACHE_DIR" in caught.value.fix
    assert not dataset.ready()
    assert _kept(dataset, tmp_path) == set()


def test_a_folder_that_cannot_be_made_is_one_sentence(dataset: Mnist | FashionMnist, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(InputError, match="cannot be written"):
        dataset.download()
    assert not dataset.ready()


def test_an_endless_answer_is_cut_off(
    dataset: Mnist | FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vae_core.datasets.download.LIMIT", 100)
    with pytest.raises(InputError, match="not the original"):
        dataset.download()
    assert _kept(dataset, tmp_path) == set()


class Cancelled(Exception):
    """What a screen raises from `progress` when the user has changed their mind."""


def test_progress_may_cancel(dataset: Mnist | FashionMnist, tmp_path: Path) -> None:
    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        dataset.download(cancel)
    assert _kept(dataset, tmp_path) == set()


def test_other_content_is_refused_where_the_original_is_known(
    dataset: Mnist | FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own" / dataset.kind
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content[:-1] + b"\x05" if name == "t10k-images-idx3-ubyte" else content)
    monkeypatch.setenv("VAE_DATA_DIR", str(tmp_path / "own"))
    assert dataset.ready()
    if isinstance(dataset, Mnist):
        with pytest.raises(InputError, match=r"SHA-256 differs.*t10k-images"):
            dataset.load()
    else:
        assert len(dataset.load()[1]) == 50


def test_a_replaced_file_is_noticed_and_labels_are_digits(
    dataset: Mnist | FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.download()
    dataset.load()
    content = CONTENT["t10k-labels-idx1-ubyte"]
    (tmp_path / "cache" / dataset.kind / LAST).write_bytes(gzip.compress(content[:-1] + b"\x0b"))
    with pytest.raises(InputError, match=r"label 11|SHA-256 differs"):
        dataset.load()
    dataset.download()
    dataset.load()
