"""The codes of the examples: mean and ln σ² from an .npz file, whatever its arrays are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vae_core.elsewhere import MOST_CODES, MOST_LATENTS
from vae_core.gaussian import DiagonalGaussian
from vae_core.opening.arrays import check_finite, read_npz
from vae_core.opening.asking import Question
from vae_core.spec import InputError

MEANS = ("mean", "means", "mu", "z_mean", "arr_0")
LOGVARS = ("logvar", "log_var", "logvars", "z_log_var", "z_logvar", "log_variance")
SIGMAS = ("sigma", "sigmas", "std", "stds", "stddev", "scale")
LABELS = ("labels", "label", "y", "targets")
WANTED = "wanted are mean, and logvar or sigma, each [n, d]"
STEEPEST = 60.0


@dataclass(frozen=True)
class Latents:
    """The posteriors, what the second array was taken for and why, and the labels that came with them, if any."""

    posterior: DiagonalGaussian
    second: str
    why: str
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.posterior.mean)


def read_latents(path: Path, second: str | None = None) -> Latents:
    """The codes in a file; `second` says what the array beside the mean is, where its name and values do not."""
    arrays = read_npz(path)
    mean_name = _find(arrays, MEANS, path.name)
    mean = _matrix(arrays[mean_name], mean_name, path.name)
    name = _second_name(arrays, mean_name, path.name)
    other = _matrix(arrays[name], name, path.name)
    if other.shape != mean.shape:
        raise InputError(f"{mean_name} is {mean.shape} and {name} is {other.shape}", path.name, fix="save both alike")
    kind, why = _kind(name, other, second, path.name)
    logvar = _logvar(other, kind, name, path.name)
    labels = next((arrays[key] for key in LABELS if key in arrays), None)
    return Latents(DiagonalGaussian(_tensor(mean), _tensor(logvar)), kind, why, labels)


def _find(arrays: dict[str, np.ndarray], names: tuple[str, ...], where: str) -> str:
    found = next((name for name in names if name in arrays), None)
    if found is None:
        there = ", ".join(sorted(repr(name[:40]) for name in arrays)[:12]) or "nothing"
        raise InputError(f"there is no array called {names[0]}", where, f"found are {there}; {WANTED}")
    return found


def _second_name(arrays: dict[str, np.ndarray], mean: str, where: str) -> str:
    """By its name, else the only other array of the mean's shape."""
    named = [name for name in (*LOGVARS, *SIGMAS) if name in arrays]
    if len(named) > 1:
        raise InputError(f"there are both {named[0]} and {named[1]}", where, fix="save one of them")
    alike = [name for name in arrays if name != mean and arrays[name].shape == arrays[mean].shape]
    return named[0] if named else alike[0] if len(alike) == 1 else _find(arrays, LOGVARS, where)


def _matrix(array: np.ndarray, name: str, where: str) -> np.ndarray:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError(f"{name} is {array.dtype} of shape {array.shape}", where, "numbers of shape [n, d] are wanted")
    n, d = array.shape
    if not 2 <= n <= MOST_CODES:
        raise InputError(f"there are {n:,} examples", where, f"2 to {MOST_CODES:,} are possible", "save some of them")
    if d > MOST_LATENTS:
        raise InputError(f"the codes have {d:,} dimensions", where, f"{MOST_LATENTS} are the limit")
    check_finite(array, f"{name} of {where}")
    return array


def _kind(name: str, array: np.ndarray, second: str | None, where: str) -> tuple[str, str]:
    """Whether an array is ln σ² or σ: what the user says, its name, or a negative value; else it is asked."""
    if second:
        return second, "as you said"
    if name in LOGVARS:
        return "logvar", "by its name"
    if name in SIGMAS:
        return "sigma", "by its name"
    if (array < 0).any():
        return "logvar", "it has negative values"
    raise Question("second", f"{name} may be ln σ² or σ: no value is negative", where)


def _logvar(array: np.ndarray, kind: str, name: str, where: str) -> np.ndarray:
    if kind == "sigma":
        if (array <= 0).any():
            at = int(np.argwhere(array <= 0)[0][0])
            raise InputError(f"{name} is not above 0 at example {at}", where, fix="a σ is positive; is it ln σ²?")
        array = 2 * np.log(array.astype(np.float64))
    if (largest := float(np.abs(array).max())) > STEEPEST:
        raise InputError(f"ln σ² reaches ±{largest:,.0f}", where, f"±{STEEPEST:.0f} is the limit", f"is {name} ln σ²?")
    return array


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
