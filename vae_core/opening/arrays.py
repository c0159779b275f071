"""Numbers from .npy and .npz files: the header is checked before anything is read, and nothing is unpickled."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vae_core.spec import InputError

LARGEST = 2 * 2**30
KINDS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
ARRAYS = 64


def read_npy(path: Path) -> np.ndarray:
    """The array of a .npy file. InputError for objects, odd types, and a header that promises what is not there."""
    _check_file(path)
    with _explained(path.name), open(path, "rb") as file:
        return _read(file, path.stat().st_size, path.name)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file by name, 2 GB unpacked at most."""
    _check_file(path)
    with _explained(path.name), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > ARRAYS or sum(member.file_size for member in members) > LARGEST:
            raise InputError("there is too much", path.name, f"{ARRAYS} arrays and {LARGEST >> 30} GB are the limit")
        arrays = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as file:
                arrays[name] = _read(file, member.file_size, f"{name[:60]!r} of {path.name}")
        return arrays


def _read(file: Any, size: int, where: str) -> np.ndarray:
    """One array, whose header must fit the bytes there are."""
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(file, max_header_size=10_000)
    _check_type(dtype, where)
    count = math.prod(shape)
    if not 0 < count * dtype.itemsize <= min(size, LARGEST):
        raise InputError(f"{size:,} bytes are no array of shape {shape}", where, fix="save it again")
    flat = np.frombuffer(bytearray(file.read(count * dtype.itemsize)), dtype)
    if len(flat) != count:
        raise InputError("the array ends too early", where, fix="save it again")
    array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return np.ascontiguousarray(array.astype(dtype.newbyteorder("="), copy=False))


def _check_type(dtype: np.dtype[Any], where: str) -> None:
    if dtype.hasobject:
        raise InputError("there are Python objects, which are not read", where, fix="save plain numbers")
    if dtype.kind != "U" and dtype.str[1:] not in KINDS:
        raise InputError(f"the numbers are of type {dtype}", where, "integers, floats and booleans are read")


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"there is no file {path.name}", str(path.parent), fix="check the path")
    if path.stat().st_size > LARGEST:
        raise InputError("the file is too large", path.name, f"{LARGEST >> 30} GB are the limit")


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """What the libraries say of a file that is not what it should be, in one sentence."""
    try:
        yield
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError, SyntaxError):
        raise InputError("this is not what numpy writes", where, fix="save it with numpy.save or numpy.savez") from None


def check_finite(array: np.ndarray, where: str) -> None:
    """Refuse an array with numbers that are none, and say where the first is. Row by row, to need little memory."""
    for start in range(0, len(array), 4096):
        bad = ~np.isfinite(array[start : start + 4096])
        if bad.any():
            first = np.argwhere(bad)[0]
            place = ", ".join(str(int(at)) for at in (first[0] + start, *first[1:]))
            raise InputError(f"a number is not finite, the first at [{place}]", where, fix="take such examples out")
