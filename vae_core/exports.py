"""Exports: a run's numbers in the formats of other tools."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vae_core.records import Record, number
from vae_core.runs import Run
from vae_core.spec import InputError, atomic_write

KEYS = ("step", "split")
SUFFIX = ".elbo-room"


def columns(row: Record) -> dict[str, Any]:
    """A row as flat columns; KL per dimension becomes kl_1, kl_2, …"""
    flat: dict[str, Any] = {key: row[key] for key in KEYS}
    for key, value in row.items():
        if key == "kl_per_dimension":
            flat |= {f"kl_{j}": number(kl) for j, kl in enumerate(value, 1)}
        elif key not in KEYS:
            flat[key] = number(value)
    return flat


def csv_text(run: Run) -> str:
    """All rows of both splits as one table with a line of names, nats per image."""
    rows = [columns(row) for row in run.rows()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_csv(run: Run, path: Path) -> None:
    """The table of `csv_text` as a file."""
    text = csv_text(run)
    with explained(path):
        if not path.name or path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        atomic_write(path, text.encode())


def to_tensorboard(run: Run, path: Path) -> None:
    """Scalars under train/ and test/ as one TensorBoard event file in the folder `path`, in place of an earlier one."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError("TensorBoard is not installed", fix="pip install tensorboard") from None
    rows = [columns(row) for row in run.rows()]
    with explained(path):
        for earlier in path.glob(f"events.out.tfevents.*{SUFFIX}"):
            earlier.unlink()
        writer = SummaryWriter(str(path), filename_suffix=SUFFIX)
        for row in rows:
            for name in row.keys() - KEYS:
                writer.add_scalar(f"{row['split']}/{name}", row[name], row["step"])
        writer.close()


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """A path that cannot be written is said in one sentence."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} could not be written ({error.strerror})", fix="choose another --out") from None


FORMATS = {"csv": to_csv, "tensorboard": to_tensorboard}
