"""Append-only JSON lines: one writer, any number of readers, safe when either dies at any moment."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vae_core.spec import atomic_write
from vae_core.system import BINARY

Record = dict[str, Any]


def encode(record: Record) -> bytes:
    """One line of strict JSON: six significant digits, and "nan" or "inf" as text, which every reader can parse."""
    return json.dumps(_plain(record), allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def number(value: float | int | str | None) -> float:
    """The number a record holds, whether written as a number or as the text of a non-finite one."""
    return math.nan if value is None else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


class Log:
    """The one writer of a file of records. A line torn by a dead writer is cut off when it opens."""

    def __init__(self, path: Path, durable: bool = False) -> None:
        self.durable = durable
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | BINARY, 0o644)
        whole = _whole(path.read_bytes())
        os.ftruncate(self._file, whole)

    def append(self, record: Record) -> None:
        """Write one record with a single system call; if `durable`, it is on disk when this returns."""
        line = encode(record)
        written = os.write(self._file, line)
        if written < len(line):
            raise OSError(28, "the disk is full")
        if self.durable:
            os.fsync(self._file)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


class Tail:
    """A reader that remembers where it was: each `read` returns only the new records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bad = 0
        self.identity = 0
        self._offset = 0
        self._behind = b""

    def read(self) -> tuple[list[Record], bool]:
        """New records, and whether the file was replaced or cut since (then they are all of them)."""
        try:
            with open(self.path, "rb") as file:
                info = os.fstat(file.fileno())
                # A new file may get the inode of the old one, so what was read last must still stand there.
                file.seek(max(0, self._offset - len(self._behind)))
                reset = info.st_ino != self.identity or file.read(len(self._behind)) != self._behind
                if reset:
                    self.identity, self._offset, self._behind, self.bad = info.st_ino, 0, b"", 0
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return [], False
        data = data[: _whole(data)]
        self._offset += len(data)
        self._behind = (self._behind + data)[-64:]
        return self._parse(data), reset

    def _parse(self, data: bytes) -> list[Record]:
        records = []
        for line in data.splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                self.bad += 1
                continue
            if isinstance(record, dict):
                records.append(record)
            else:
                self.bad += 1
        return records


def read(path: Path) -> list[Record]:
    """All whole records of a file; none if it does not exist."""
    return Tail(path).read()[0]


def cut(path: Path, keep: Callable[[Record], bool]) -> None:
    """Keep only some records, by replacing the file whole. A file that already fits is left alone."""
    if not path.exists():
        return
    data = path.read_bytes()
    lines = [line for line in data[: _whole(data)].splitlines(keepends=True) if _kept(line, keep)]
    if (kept := b"".join(lines)) != data:
        atomic_write(path, kept)


def _kept(line: bytes, keep: Callable[[Record], bool]) -> bool:
    try:
        return keep(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def _whole(data: bytes) -> int:
    return data.rfind(b"\n") + 1
