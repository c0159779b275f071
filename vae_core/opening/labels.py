"""Labels: a class for each example, from a CSV file or an array."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from vae_core.spec import InputError

LARGEST = 50 * 2**20
MOST_CLASSES = 1000
LONGEST_NAME = 80
HEADINGS = ("label", "labels", "class", "target", "y")


@dataclass(frozen=True)
class Labels:
    """The classes' names, and the class of each example as a place among them."""

    names: tuple[str, ...]
    values: Int64[Tensor, "n"]


def read_csv(path: Path, count: int) -> Labels:
    """The column called label (or class, target, y), else the only one; a first line that is no value is its head."""
    if not path.is_file():
        raise InputError(f"there is no file {path.name}", str(path.parent), fix="check the path")
    if path.stat().st_size > LARGEST:
        raise InputError("the file is too large", path.name, f"{LARGEST >> 20} MB are the limit")
    try:
        rows = [row for row in csv.reader(io.StringIO(path.read_text("utf-8-sig")), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"this is not a CSV file in UTF-8 ({error})"[:200], path.name, fix="save it again") from None
    if not rows:
        raise InputError("there is no line", path.name, fix="write one label a line")
    column, headed = _column(rows, count, path.name)
    for line, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise InputError(
                f"row {line:,} has {len(row)} cells and the first has {len(rows[0])}", path.name, fix="mend it"
            )
    return classes([row[column] for row in rows[headed:]], count, path.name)


def _column(rows: list[list[str]], count: int, where: str) -> tuple[int, int]:
    """The place of the labels in a line, and how many lines are heads."""
    heads = [cell.strip().casefold() for cell in rows[0]]
    named = next((name for name in HEADINGS if name in heads), None)
    if named:
        return heads.index(named), 1
    if len(heads) > 1:
        raise InputError(f"none of the {len(heads)} columns is called label", where, fix="name one of them label")
    return 0, int(len(rows) == count + 1)


def of_array(array: np.ndarray, count: int, where: str) -> Labels:
    """Labels that came in the .npz file."""
    if array.ndim != 1 or array.dtype.kind not in "iubU":
        raise InputError(f"the labels are {array.dtype} of shape {array.shape}", where, "integers or text [n] are read")
    return classes([str(value) for value in array.tolist()], count, where)


def classes(texts: list[str], count: int, where: str) -> Labels:
    """Text labels as classes, in order: whole numbers by size, else by the alphabet."""
    if len(texts) != count:
        raise InputError(f"there are {len(texts):,} labels for {count:,} examples", where, fix="give one for each")
    texts = [_clean(text) for text in texts]
    found = sorted(set(texts))
    if len(found) > MOST_CLASSES:
        raise InputError(f"there are {len(found):,} different labels", where, f"{MOST_CLASSES:,} are the limit")
    if all(text.removeprefix("-").isdecimal() for text in found):
        found.sort(key=int)
    places = {text: place for place, text in enumerate(found)}
    return Labels(tuple(found), torch.tensor([places[text] for text in texts]))


def _clean(text: str) -> str:
    """One line without control characters, 80 characters at most."""
    plain = "".join(" " if unicodedata.category(letter).startswith("C") else letter for letter in text)
    return " ".join(plain.split())[:LONGEST_NAME]
