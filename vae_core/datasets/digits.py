"""The handwritten digits that scikit-learn carries, read without importing scikit-learn."""

from __future__ import annotations

import gzip
import importlib.util
import zlib
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from vae_core.datasets.source import Source
from vae_core.spec import InputError, Shape, Split

COUNT, HELD_OUT, TOP = 1797, 297, 16


class Digits(Source):
    """Handwritten digits of 8×8 pixels; each pixel counts the inked cells of a 4×4 block."""

    title: ClassVar[str] = "Digits"
    about: ClassVar[str] = (
        "1,797 handwritten digits of 8×8 pixels that come with scikit-learn "
        "(E. Alpaydin and C. Kaynak, UCI repository, CC BY 4.0)."
    )
    values: ClassVar[str] = "integer counts 0–16"
    expects: ClassVar[str] = "A Binomial of 16 trials fits the counts exactly; a Bernoulli wants them binarised first."
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")

    kind: Literal["digits"] = "digits"

    @property
    def shape(self) -> Shape:
        """One grey image of 8×8 counts."""
        return Shape(1, 8, 8, TOP)

    @property
    def sizes(self) -> tuple[int, int]:
        """1,500 to train on, 297 to test on."""
        return COUNT - HELD_OUT, HELD_OUT

    def ready(self) -> bool:
        """Whether scikit-learn's file is where it should be."""
        path = _path()
        return path is not None and path.is_file()

    def load(self) -> tuple[Split, Split]:
        """A fixed shuffle; its last 297 images are the test split."""
        path = _path()
        if path is None:
            raise _unreadable("scikit-learn is not installed")
        return _read(path)


def _path() -> Path | None:
    """The file beside scikit-learn; finding it imports nothing (the loader of scikit-learn costs 1–2 s)."""
    found = importlib.util.find_spec("sklearn")
    return None if found is None or found.origin is None else Path(found.origin).parent / "datasets/data/digits.csv.gz"


@lru_cache(maxsize=2)
def _read(path: Path) -> tuple[Split, Split]:
    """Both splits from the table of 64 counts and a label per line."""
    try:
        lines = gzip.decompress(path.read_bytes()).splitlines()
        table = torch.from_numpy(np.array([line.split(b",") for line in lines], dtype=np.int64))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise _unreadable("the digits cannot be read", path) from error
    if table.shape != (COUNT, 65) or table.min() < 0 or table[:, :-1].max() > TOP or table[:, -1].max() > 9:
        raise _unreadable("the digits are not 1,797 lines of 64 counts and a label", path)
    table = table[torch.from_numpy(np.random.RandomState(0).permutation(COUNT))]
    train, test = table[:-HELD_OUT], table[-HELD_OUT:]
    return _split(train), _split(test)


def _split(table: Int64[Tensor, "n 65"]) -> Split:
    """One split of the table."""
    return Split(table[:, :-1].reshape(-1, 1, 8, 8).to(torch.uint8), table[:, -1].clone(), TOP)


def _unreadable(what: str, path: Path | None = None) -> InputError:
    """What is wrong with the file, and the only cure."""
    return InputError(what, str(path or ""), fix="install it again: pip install --force-reinstall scikit-learn")
