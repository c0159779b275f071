"""The core of ELBO Room: Gaussian variational autoencoders, trained, measured and kept as runs.

The public names are imported on first use, so that a worker process loads only what training needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_core.config import RunConfig as RunConfig
    from vae_core.runs import RunStore as RunStore
    from vae_core.runs import load as load
    from vae_core.training import fit as fit
    from vae_core.training import train as train
    from vae_core.vae import VAE as VAE

__version__ = "0.1.0"
_HOMES = {
    "RunConfig": "config",
    "RunStore": "runs",
    "VAE": "vae",
    "fit": "training",
    "load": "runs",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"vae_core.{_HOMES[name]}"), name)
    raise AttributeError(f"vae_core has no {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
