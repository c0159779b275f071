"""Checkpoints and snapshots: safetensors with their step in the header, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor
from torch.optim import Adam

from vae_core.spec import InputError, atomic_write
from vae_core.system import atomic_replace
from vae_core.vae import VAE

KEEP = 2


class BadCheckpoint(InputError):
    """A checkpoint that cannot be trusted, and why."""


@dataclass(frozen=True)
class State:
    """What a checkpoint holds: the step it was taken at, the weights, and Adam's moments (none: start them fresh)."""

    step: int
    model: dict[str, Tensor]
    optimiser: dict[str, Tensor]


def save_checkpoint(folder: Path, step: int, vae: VAE, optimiser: Adam, asked: bool = False) -> Path:
    """Write the full state after `step` updates, then drop all but the last two and those a user asked for."""
    tensors = {f"m.{name}": tensor for name, tensor in vae.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"o.{index}.{name}": tensor for name, tensor in state.items()}
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise BadCheckpoint(f"the state after step {step} has non-finite numbers", limit="it was not saved")
    folder.mkdir(exist_ok=True)
    path = folder / f"ckpt-{step:08d}.safetensors"
    if asked:
        (folder / f"{path.name}.asked").touch()
    _write(path, tensors, step)
    _prune(folder)
    return path


def save_state(folder: Path, state: State) -> None:
    """Write a state as a checkpoint: what a branch starts from."""
    folder.mkdir(exist_ok=True)
    tensors = {f"m.{name}": tensor for name, tensor in state.model.items()}
    tensors |= {f"o.{name}": tensor for name, tensor in state.optimiser.items()}
    _write(folder / f"ckpt-{state.step:08d}.safetensors", tensors, state.step)


def _write(path: Path, tensors: dict[str, Tensor], step: int) -> None:
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(contiguous, {"step": str(step)})
    atomic_write(path.with_name(path.name + ".sha256"), hashlib.sha256(data).hexdigest().encode())
    atomic_write(path, data)


def _prune(folder: Path) -> None:
    disposable = [path for path in checkpoints(folder) if not path.with_name(path.name + ".asked").exists()]
    for path in disposable[:-KEEP]:
        with contextlib.suppress(PermissionError):  # Windows, while somebody reads it: the next checkpoint drops it
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".sha256").unlink(missing_ok=True)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    return sorted(folder.glob("ckpt-????????.safetensors"))


def step_of(path: Path) -> int:
    """The updates after which a checkpoint or snapshot was taken, by its name."""
    return int(path.stem.removeprefix("ckpt-"))


def load_checkpoint(path: Path) -> State:
    """Read a checkpoint after checking its SHA-256 and that all its numbers are finite."""
    step, tensors = read_tensors(path)
    try:
        wanted, data = path.with_name(path.name + ".sha256").read_text(), path.read_bytes()
    except FileNotFoundError:  # or both were pruned this moment
        wanted, data = "", b""
    if wanted.strip() != hashlib.sha256(data).hexdigest():
        raise BadCheckpoint("the checksum does not match", path.name)
    return State(
        step,
        {name[2:]: tensor for name, tensor in tensors.items() if name.startswith("m.")},
        {name[2:]: tensor for name, tensor in tensors.items() if name.startswith("o.")},
    )


def newest_state(folder: Path) -> State | None:
    """The newest checkpoint that can be trusted; bad ones are set aside as `.corrupt`. None if there never was one.

    Raises BadCheckpoint, naming every file and reason, when there are some and all are bad.
    """
    reasons = []
    for path in reversed(checkpoints(folder)):
        try:
            return load_checkpoint(path)
        except BadCheckpoint as error:
            reasons.append(str(error))
            atomic_replace(path, path.with_suffix(".corrupt"))
    # Counting earlier casualties: a run that lost all its checkpoints must never quietly start again from zero.
    if reasons or any(folder.glob("*.corrupt")):
        raise BadCheckpoint("no checkpoint can be read (" + "; ".join(reasons or ["all set aside before"]) + ")")
    return None


def restore(state: State, vae: VAE, optimiser: Adam) -> None:
    """Put a state into a model and its optimiser."""
    load_weights(vae, state.model, "the checkpoint")
    if not state.optimiser:
        return
    groups = optimiser.state_dict()["param_groups"]
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.optimiser.items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    optimiser.load_state_dict({"state": slots, "param_groups": groups})


def save_snapshot(path: Path, step: int, vae: VAE) -> None:
    """The weights alone, in half precision (the round trip moves the ELBO by at most about 0.01 nats)."""
    path.parent.mkdir(exist_ok=True)
    tensors = {name: tensor.detach().half().cpu().contiguous() for name, tensor in vae.state_dict().items()}
    atomic_write(path, safetensors.torch.save(tensors, {"step": str(step)}))


def load_snapshot(path: Path) -> State:
    """A snapshot as a state without moments, in float32."""
    step, tensors = read_tensors(path)
    return State(step, {name: tensor.float() for name, tensor in tensors.items()}, {})


def read_tensors(path: Path) -> tuple[int, dict[str, Tensor]]:
    """The step and the tensors of a safetensors file, all finite; anything else is a BadCheckpoint."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            # Cloned, because a tensor of safetensors is a window on the file, and keeps it open.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  (not a dict)
        step = int(metadata["step"])
    except FileNotFoundError:
        raise BadCheckpoint("the file is not there", path.name) from None
    except (safetensors.SafetensorError, KeyError, ValueError, NotImplementedError):
        raise BadCheckpoint("it is not a valid safetensors file of a run", path.name) from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise BadCheckpoint(f"{name} has non-finite numbers", path.name)
    return step, tensors


def load_weights(vae: VAE, weights: dict[str, Tensor], where: str) -> None:
    """Strict loading; the first difference in names or shapes is the message."""
    wanted = {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            raise BadCheckpoint(f"{name} has shape {given.get(name)}, the config wants {wanted.get(name)}", where)
    vae.load_state_dict(weights)
