"""Downloads: a file appears under its name only when it is whole and its SHA-256 is right."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vae_core.datasets.remotes import File
from vae_core.spec import InputError

Progress = Callable[[int, int], None]
CONNECT, SILENCE = 10, 30  # seconds
CHUNK, LIMIT = 1 << 16, 100_000_000  # bytes at a time, and at most: plain HTTP may be anyone's answer


class Meter:
    """Counts bytes over several files: expected lengths until a server names the real ones."""

    def __init__(self, lengths: list[int], progress: Progress | None) -> None:
        self.lengths, self.progress, self.done = lengths, progress, 0

    def expect(self, index: int, length: int) -> None:
        """The length that the server announced for a file, where it did."""
        self.lengths[index] = length or self.lengths[index]

    def add(self, count: int) -> None:
        """So many bytes more have arrived."""
        self._tell(self.done + count)

    def finish(self, index: int) -> None:
        """A file is there, whether it was fetched or had been before."""
        self._tell(sum(self.lengths[: index + 1]))

    def _tell(self, done: int) -> None:
        total = sum(self.lengths)
        self.done = min(done, total)
        if self.progress:
            self.progress(self.done, total)


def fetch(url: str, files: tuple[File, ...], folder: Path, progress: Progress | None) -> None:
    """Bring each `file.name`.gz from below `url` into `folder`; files that are there and right are left alone."""
    import pooch

    pooch.get_logger().setLevel("ERROR")  # it announces every download on stderr
    meter = Meter([file.length for file in files], progress)
    for index, file in enumerate(files):
        name = f"{file.name}.gz"
        address = f"{url.rstrip('/')}/{name}"
        with _explained(address, folder, sum(meter.lengths)):
            # pooch writes a temporary file, compares the checksum and only then renames it.
            pooch.retrieve(address, file.zipped, name, folder, downloader=_downloader(meter, index))
        meter.finish(index)


def _downloader(meter: Meter, index: int) -> Callable[..., None]:
    """What pooch calls to get one file; its own overshoots the progress and leaves failed connections open."""

    def download(url: str, output: str, pooch: object) -> None:
        import requests

        with requests.get(url, stream=True, timeout=(CONNECT, SILENCE)) as response, open(output, "wb") as file:
            response.raise_for_status()
            meter.expect(index, int(response.headers.get("content-length", 0)))
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                meter.add(len(chunk))
                if file.tell() > LIMIT:
                    raise ValueError("endless")

    return download


@contextmanager
def _explained(url: str, folder: Path, size: int) -> Iterator[None]:
    """Every way a download fails, as one sentence."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        raise _failed(f"the server answered {getattr(error.response, 'status_code', 'with an error')}", url) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise _failed("the connection was cut", url) from error
    except requests.Timeout as error:
        raise _failed("the server is silent", url, f"{SILENCE} seconds are allowed") from error
    except requests.RequestException as error:
        raise _failed("the server cannot be reached", url) from error
    except OSError as error:
        raise _unwritable(error, folder, size) from error
    except ValueError as error:
        raise _failed("the download is not the original file", url, "its SHA-256 differs, nothing was kept") from error


def _failed(what: str, url: str, limit: str = "") -> InputError:
    """A failure on the way."""
    return InputError(
        what, url, limit, "check the connection and try again, or set VAE_DATA_DIR to a folder that has the files"
    )


def _unwritable(error: OSError, folder: Path, size: int) -> InputError:
    """A failure of the disk."""
    what = "the disk is full" if error.errno == errno.ENOSPC else f"the file cannot be written ({error.strerror})"
    return InputError(what, str(folder), f"{size / 1e6:.0f} MB are needed", "make room, or set VAE_CACHE_DIR")
