"""IDX, the format of MNIST: a magic number, the sizes, then the bytes of the array."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from vae_core.spec import InputError

AGAIN = "delete the file and download it again"


def read_idx(path: Path, sizes: tuple[int, ...]) -> UInt8[Tensor, "*sizes"]:
    """The uint8 array of an IDX file, plain or gzipped, which must have just these sizes.

    The sizes come from the caller and the header only has to agree, so that no header can ask for memory.
    """
    start = len(header(sizes))
    data = _read(path, start + math.prod(sizes))
    if problem := _problem(data, sizes):
        raise InputError(problem[0], str(path), problem[1], AGAIN)
    return torch.frombuffer(data, dtype=torch.uint8, offset=start).reshape(sizes)


def header(sizes: tuple[int, ...]) -> bytes:
    """The first bytes of such a file: the magic number and the sizes, big-endian."""
    return struct.pack(f">{1 + len(sizes)}I", _magic(sizes), *sizes)


def _magic(sizes: tuple[int, ...]) -> int:
    """2051 for images (three sizes), 2049 for labels (one): unsigned bytes, and how many sizes follow."""
    return 0x0800 | len(sizes)


def _read(path: Path, expected: int) -> bytearray:
    """The unzipped content, never more than one byte beyond what is expected."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            return bytearray(file.read(expected + 1))
    except EOFError as error:
        raise InputError("the gzip file is cut short", str(path), _bytes(expected), AGAIN) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError("the gzip file is damaged", str(path), _bytes(expected), AGAIN) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"the file cannot be read ({reason})", str(path), _bytes(expected), AGAIN) from error


def _problem(data: bytearray, sizes: tuple[int, ...]) -> tuple[str, str] | None:
    """What is wrong with the content, and what was expected; None where nothing is."""
    start = 4 + 4 * len(sizes)
    expected = start + math.prod(sizes)
    if len(data) < start:
        return f"only {len(data)} bytes", _bytes(expected)
    magic, *found = struct.unpack(f">{1 + len(sizes)}I", data[:start])
    if magic != _magic(sizes):
        return f"magic number {magic}", f"{_magic(sizes)} was expected"
    if tuple(found) != sizes:
        return f"an array of {_times(found)}", f"{_times(sizes)} was expected"
    if len(data) != expected:
        return f"{'only' if len(data) < expected else 'at least'} {len(data):,} bytes", _bytes(expected)
    return None


def _bytes(expected: int) -> str:
    """The length that was expected, in words."""
    return f"{expected:,} bytes were expected after unzipping"


def _times(sizes: list[int] | tuple[int, ...]) -> str:
    """Sizes as people write them."""
    return "×".join(map(str, sizes))
