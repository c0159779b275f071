"""Exports: a run's numbers in the formats of other tools."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from vae_core.records import Record, number
from vae_core.runs import Run
from vae_core.spec import InputError, atomic_write

KEYS = ("step", "split")


def columns(row: Record) -> dict[str, Any]:
    """A row as flat columns; KL per dimension becomes kl_1, kl_2, …"""
    flat: dict[str, Any] = {key: row[key] for key in KEYS}
    for key, value in row.items():
        if key == "kl_per_dimension":
            flat |= {f"kl_{j}": number(kl) for j, kl in enumerate(value, 1)}
        elif key not in KEYS:
            flat[key] = number(value)
    return flat


def to_csv(run: Run, path: Path) -> None:
    """All rows of both splits as one table, nats per image."""
    rows = [columns(row) for row in run.rows()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    try:
        atomic_write(path, text.getvalue().encode())
    except OSError as error:
        raise InputError(f"{path} could not be written ({error.strerror})", fix="choose another --out") from None


def to_tensorboard(run: Run, path: Path) -> None:
    """Scalars under train/ and test/ as a TensorBoard event file in the folder `path`."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(path))
    for row in run.rows():
        flat = columns(row)
        for name, value in flat.items():
            if name not in KEYS:
                writer.add_scalar(f"{flat['split']}/{name}", value, flat["step"])
    writer.close()


FORMATS = {"csv": to_csv, "tensorboard": to_tensorboard}
