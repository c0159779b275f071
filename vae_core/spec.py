"""The nouns every other module stands on: specs, shapes, splits and the one error a user sees."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from vae_core.system import atomic_replace, flush_folder, remove_file

LOG_2PI = math.log(2 * math.pi)


class InputError(ValueError):
    """A request that cannot be carried out, in one sentence: what, where, the limit and the fix."""

    def __init__(self, what: str, where: str = "", limit: str = "", fix: str = "") -> None:
        self.what, self.where, self.limit, self.fix = what, where, limit, fix
        super().__init__(
            what + (f" in {where}" if where else "") + "".join(f"; {part}" for part in (limit, fix) if part)
        )


class Spec(BaseModel):
    """A frozen value a person may choose: validation, widget bounds, label and help in one place."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Variant(Spec):
    """One of several specs of a family; the union discriminates on `kind`, and people read `title`."""

    title: ClassVar[str]
    kind: str


class Shape(NamedTuple):
    """The shape of one image, and the pixel value that means full brightness (255, or 16 for sklearn's digits)."""

    channels: int
    height: int
    width: int
    top: int = 255

    @property
    def pixels(self) -> int:
        return self.channels * self.height * self.width


@dataclass(frozen=True)
class Split:
    """Images of one split, uint8 [n, c, h, w] with values 0 to `top`, and their labels [n] where there are any."""

    images: Tensor
    labels: Tensor | None = None
    top: int = 255

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> Shape:
        channels, height, width = self.images.shape[1:]
        return Shape(channels, height, width, self.top)


def atomic_write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a file whole: written beside it, flushed to disk if `durable`, renamed over it.

    Readers see the old or the new, never a part. OSError if it cannot be; then the old is there, and nothing else.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        atomic_replace(temporary, path)
        if durable:
            flush_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_file(temporary)
        raise
