"""MNIST and Fashion-MNIST: four IDX files each, from a folder of one's own or downloaded on request."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from jaxtyping import UInt8
from pydantic import Field
from torch import Tensor

from vae_core.datasets.idx import AGAIN, header, read_idx
from vae_core.datasets.remotes import REMOTES, File
from vae_core.datasets.source import Source, cache_dir
from vae_core.spec import InputError, Shape, Split


class IdxSource(Source):
    """Images in four IDX files, looked for in `VAE_DATA_DIR` first and then among the downloads."""

    values: ClassVar[str] = "grey 0–255"
    expects: ClassVar[str] = "A Bernoulli wants the grey values binarised first; a Gaussian takes them as they are."

    train_size: int = Field(
        default=0,
        ge=0,
        le=60000,
        title="Training images",
        description="The first so many training images; 0 takes them all.",
    )

    @property
    def shape(self) -> Shape:
        """One grey image of 28×28 pixels."""
        _, height, width = self._files[2].sizes
        return Shape(1, height, width)

    @property
    def sizes(self) -> tuple[int, int]:
        """How many images are trained on, and all of the test images."""
        train, _, test, _ = (file.sizes[0] for file in self._files)
        return min(self.train_size or train, train), test

    @property
    def download_bytes(self) -> int:
        """How much `download()` fetches when nothing is there yet."""
        return sum(file.length for file in self._files)

    def ready(self) -> bool:
        """Whether the four files are there; `load()` is what checks their content."""
        return self._paths() is not None

    def load(self) -> tuple[Split, Split]:
        """The first `train_size` training images, and all test images."""
        paths = self._paths()
        if paths is None:
            raise self._missing()
        images, labels, *test = (_decode(path, file) for path, file in zip(paths, self._files, strict=True))
        count = self.sizes[0]
        return _split(images[:count], labels[:count]), _split(*test)

    def download(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Fetch and check the four files; `progress` is told the bytes done and the bytes in all."""
        from vae_core.datasets.download import fetch

        # The address can be changed only so that tests can serve files of their own.
        url = os.environ.get(f"VAE_{self.kind.replace('-', '_').upper()}_URL", REMOTES[self.kind].url)
        fetch(url, self._files, self._folders()[-1], progress)

    @property
    def _files(self) -> tuple[File, ...]:
        return REMOTES[self.kind].files

    def _folders(self) -> list[Path]:
        """Where to look, in order; downloads go to the last."""
        own = os.environ.get("VAE_DATA_DIR")
        return [*([Path(own) / self.kind] if own else []), cache_dir() / self.kind]

    def _paths(self) -> list[Path] | None:
        """The four files of the first folder that has them all."""
        for folder in self._folders():
            paths = [_find(folder, file.name) for file in self._files]
            if all(paths):
                return [path for path in paths if path]
        return None

    def _missing(self) -> InputError:
        """Where was looked, and the two ways to get the files."""
        return InputError(
            f"the files of {self.title} are not on this computer",
            " or ".join(map(str, self._folders())),
            "train-images-idx3-ubyte.gz and three more are needed",
            f"press Download on the Train page or run `python -m vae_core fetch {self.kind}`, "
            f"or set VAE_DATA_DIR to a folder that holds them in {self.kind}/",
        )


class Mnist(IdxSource):
    """Handwritten digits of 28×28 pixels: the fruit fly of machine learning."""

    title: ClassVar[str] = "MNIST"
    about: ClassVar[str] = (
        "70,000 handwritten digits of 28×28 pixels (Y. LeCun, C. Cortes and C. J. C. Burges, CC BY-SA 3.0)."
    )
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")

    kind: Literal["mnist"] = "mnist"


class FashionMnist(IdxSource):
    """Pictures of clothes in MNIST's format, with far more grey."""

    title: ClassVar[str] = "Fashion-MNIST"
    about: ClassVar[str] = "70,000 pictures of clothes, shoes and bags of 28×28 pixels (Zalando Research, MIT)."
    classes: ClassVar[tuple[str, ...]] = (
        "t-shirt",
        "trousers",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    )

    kind: Literal["fashion-mnist"] = "fashion-mnist"


def _find(folder: Path, name: str) -> Path | None:
    """The gzipped or the plain file, whichever is there."""
    return next((path for path in (folder / f"{name}.gz", folder / name) if os.path.isfile(path)), None)


def _split(images: UInt8[Tensor, "n h w"], labels: UInt8[Tensor, " n"]) -> Split:
    """Images with their one channel, labels as indices."""
    return Split(images.unsqueeze(1), labels.long())


def _decode(path: Path, file: File) -> UInt8[Tensor, "*sizes"]:
    """The array of a file, read and checked once per process for as long as the file stays the same."""
    stat = path.stat()
    return _checked(path, file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _checked(path: Path, file: File, modified: int, size: int) -> UInt8[Tensor, "*sizes"]:
    """The array of a file; `modified` and `size` are only there to notice a file that was replaced."""
    array = read_idx(path, file.sizes)
    if file.content and _sha256(array) != file.content:
        raise InputError("the content is not the original's (its SHA-256 differs)", str(path), file.content, AGAIN)
    if len(file.sizes) == 1 and array.max() > 9:
        raise InputError(f"label {int(array.max())}", str(path), "labels are 0 to 9", AGAIN)
    return array


def _sha256(array: UInt8[Tensor, "*sizes"]) -> str:
    """The checksum of the IDX file that holds this array."""
    digest = hashlib.sha256(header(tuple(array.shape)))
    digest.update(array.numpy().data)
    return digest.hexdigest()
