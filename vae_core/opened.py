"""What an opened run holds besides its rows: the codes of its examples, and images, labels and networks if given.

`opened/` in the run's directory has `latents.safetensors` (mean, logvar: float32 [n, d]), `images.safetensors`
(images: uint8 [n, c, h, w]), `labels.json` (names, and for each example its place among them), `decoder.onnx` and
`encoder.onnx` (see `elsewhere`), and `card.json`: what was found out about the files when they were opened.
All but the first and the last may be missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from vae_core.config import OpenedConfig
from vae_core.elsewhere import DECODER, ENCODER, OpenedVAE
from vae_core.gaussian import DiagonalGaussian
from vae_core.runs import Run
from vae_core.runs.run import OPENED
from vae_core.spec import InputError, Split

LATENTS, IMAGES, LABELS, CARD = "latents.safetensors", "images.safetensors", "labels.json", "card.json"
AGAIN = "open the model again"
EVERY = slice(None)


@dataclass(frozen=True)
class Opened:
    """A reader of a run's `opened/`. Nothing is kept in memory; every call reads its file."""

    name: str
    folder: Path
    config: OpenedConfig

    @classmethod
    def of(cls, run: Run) -> Opened | None:
        """The reader of an opened run; None for one that was trained here."""
        config = run.config
        return cls(run.name, run.path / OPENED, config) if isinstance(config, OpenedConfig) else None

    @property
    def decoder(self) -> Path | None:
        """The decoder's file, "z" [n, d] → "x" [n, c, h, w]; x is about 0 to 1, and not cut to it."""
        return self.folder / DECODER if self.config.net.decoder else None

    @property
    def encoder(self) -> Path | None:
        """The encoder's file, "x" [n, c, h, w] → "mean" and "logvar" [n, d]."""
        return self.folder / ENCODER if self.config.net.encoder else None

    def posterior(self) -> DiagonalGaussian:
        """q(z|x) of every example. Shapes: mean and logvar [n, d]."""
        tensors = self._tensors(LATENTS)
        size = (self.config.dataset.size, self.config.latent)
        if any(name not in tensors or tensors[name].shape != size for name in ("mean", "logvar")):
            raise InputError("the codes are not those of the run's config", f"{self.name}/{LATENTS}", fix=AGAIN)
        return DiagonalGaussian(tensors["mean"].float(), tensors["logvar"].float())

    @property
    def has_images(self) -> bool:
        """Whether images were given; `images()` is what checks them."""
        return (self.folder / IMAGES).is_file()

    def images(self, rows: slice = EVERY) -> UInt8[Tensor, "n c h w"] | None:
        """The image of every example, in the order of the codes, or of some of them; None if none were given."""
        if not self.has_images:
            return None
        shape = [self.config.dataset.size, *self.config.dataset.shape[:3]]
        with self._file(IMAGES) as file:
            images = file.get_slice("images") if "images" in file.keys() else None  # noqa: SIM118  (not a dict)
            if images is None or images.get_shape() != shape or images.get_dtype() != "U8":
                raise InputError("the images are not those of the run's config", f"{self.name}/{IMAGES}", fix=AGAIN)
            return images[rows].clone()

    def labels(self) -> Int64[Tensor, "n"] | None:
        """The class of every example, as a place in `classes()`; None if none were given."""
        known = self._json(LABELS)
        return torch.tensor(known["labels"]) if known else None

    def classes(self) -> tuple[str, ...]:
        """What label 0, 1, … means: a user's text. Empty if there are no labels."""
        return tuple(map(str, self._json(LABELS).get("names", ())))

    def card(self) -> dict[str, Any]:
        """What was found out on entry: layout, range, likelihood, the measured errors, notes."""
        return self._json(CARD)

    def told(self) -> list[str]:
        """What its owner should know of how the files were read, in sentences; they may quote a user's text."""
        card, known = self.card(), self.config.notes()
        return [
            *(_read_as(name, card[name]) for name in ("decoder", "encoder") if name in card),
            *known,
            *card["notes"],
        ]

    def vae(self) -> OpenedVAE:
        """The model, as far as there is one; asking for what it lacks is an InputError."""
        return self.config.model(self.folder).eval()

    def _tensors(self, name: str) -> dict[str, Tensor]:
        with self._file(name) as file:
            return {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118  (not a dict)

    @contextmanager
    def _file(self, name: str) -> Iterator[Any]:
        """What is read from it must be cloned: a tensor of safetensors is a window on the file, and keeps it open."""
        try:
            with safetensors.safe_open(self.folder / name, "pt") as file:
                yield file
        except (OSError, safetensors.SafetensorError):
            raise InputError("the file cannot be read", f"{self.name}/{name}", fix=AGAIN) from None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name).read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):
            raise InputError("the file cannot be read", f"{self.name}/{name}", fix=AGAIN) from None
        return found if isinstance(found, dict) else {}


def split_of(run: Run, name: str) -> Split:
    """The images of a run's train or test split; InputError where there are none. Those of an opened run are test."""
    opened = Opened.of(run)
    if opened is None:
        return run.config.dataset.load()[name == "test"]
    if name == "train":
        raise InputError("an opened model has no training images", run.name, fix="look at the test split")
    images = opened.images()
    if images is None:
        raise InputError("this model came without images", run.name, fix="open it again with its images")
    return Split(images, opened.labels(), run.config.dataset.shape.top)


def _read_as(name: str, read: dict[str, Any]) -> str:
    errors = ", ".join(f"{way} {error:.3g}" for way, error in read["errors"].items())
    measured = f" (errors: {errors})" if errors else ""
    return f"The {name} is read as {read['layout']} in {read['range']}, {read['why']}{measured}."
