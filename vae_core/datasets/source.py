"""What all datasets share: the facts for a card, and where files are kept."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from vae_core.spec import Shape, Split, Variant


class Source(Variant):
    """A dataset: its facts cost nothing, `load()` gives the images to learn from and those held out."""

    title: ClassVar[str]
    about: ClassVar[str]
    values: ClassVar[str]
    expects: ClassVar[str]
    classes: ClassVar[tuple[str, ...]] = ()  # what label 0, 1, … means; empty where there are no labels

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """The shape of one image."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, int]:
        """How many images there are to train on and to test on."""

    @abstractmethod
    def load(self) -> tuple[Split, Split]:
        """The training and the test split: always the same, and shared, so never write into the tensors."""

    def ready(self) -> bool:
        """Whether `load()` needs neither a download nor a long computation."""
        return True


def cache_dir() -> Path:
    """Where downloads and rendered images are kept: `VAE_CACHE_DIR`, else the system's place for caches."""
    if folder := os.environ.get("VAE_CACHE_DIR"):
        return Path(folder)
    # The folder that pooch.os_cache("elbo-room") names, without importing pooch where nothing is downloaded.
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("elbo-room"))
