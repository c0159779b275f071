"""Maps by name, kept in the cache; slow ones in a process of their own that tells how far it is."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import safetensors.numpy
from filelock import FileLock, Timeout

from vae_core.latents.cache import Entry, entry
from vae_core.latents.clouds import Cloud, cloud
from vae_core.latents.layout import Progress, umap
from vae_core.latents.projections import Projection, aligned, axes, pca
from vae_core.runs import Run
from vae_core.runs.lock import is_held
from vae_core.spec import InputError, atomic_write
from vae_core.system import detached, read_bytes

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = {
    "axes": {"i": int, "j": int},
    "pca": {},
    "aligned": {"reference": int},
    "umap": {"neighbours": int, "min_dist": (float, int), "seed": int},
}
STARTS_WITHIN = 60.0  # seconds from `start` until its process holds the lock


class Report(TypedDict):
    """How far a map is. `share` is of the stage that `message` names, None where nobody knows."""

    state: Literal["absent", "working", "ready", "failed"]
    share: float | None
    message: str


def project(run: Run, step: int | None, split: str, method: str, **parameters: Any) -> Projection:
    """A map from the cache, else made here and now and kept there.

    "axes" takes i and j, "aligned" the `reference` step to whose PCA it is turned (none: the newest), "umap" takes
    neighbours, min_dist and seed. InputError for anything else.
    """
    place = _place(run, step, split, method, parameters)
    return _kept(place, method) or _made(place, run, step, split, method, parameters)


def ready(run: Run, step: int | None, split: str, method: str, **parameters: Any) -> Projection | None:
    """A map if it is in the cache; never any work."""
    return _kept(_place(run, step, split, method, parameters), method)


def prepare(run: Run, step: int | None, split: str, method: str, **parameters: Any) -> None:
    """Put a map into the cache, and tell how far it is where `progress` finds it.

    InputError if another process prepares the same map, or the cache cannot be written.
    """
    place = _place(run, step, split, method, parameters)
    with _locked(place):
        if _kept(place, method):
            return _forget(place)
        try:
            _tell(place, "working", None, "Encoding the images")
            _made(place, run, step, split, method, parameters, lambda *told: _tell(place, "working", *told))
            if not place.present:
                raise InputError("the map could not be kept", str(place.path.parent), fix="free some space")
        except BaseException as error:
            known = isinstance(error, InputError)
            _tell(place, "failed", None, str(error) if known else f"The program failed ({type(error).__name__}).")
            raise
        _forget(place)


def start(run: Run, step: int | None, split: str, method: str, **parameters: Any) -> subprocess.Popen[Any] | None:
    """Prepare a map in a new process; None if it is ready, or on its way already. `progress` tells how far it is."""
    place = _place(run, step, split, method, parameters)
    if _progress(place)["state"] in ("ready", "working"):
        return None
    _tell(place, "working", None, "Starting")
    command = [sys.executable, "-m", "vae_core.latents", str(run.path.resolve()), "--method", method, "--split", split]
    command += ["--parameters", json.dumps(parameters)] + ([] if step is None else ["--step", str(step)])
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **detached(),
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip


def progress(run: Run, step: int | None, split: str, method: str, **parameters: Any) -> Report:
    """How far a map is: "absent" (nobody asked for it), "working", "ready", or "failed" and why."""
    return _progress(_place(run, step, split, method, parameters))


def _progress(place: Entry) -> Report:
    told = _told(place)
    # The map is there before what was told of it is taken away.
    return {"state": "ready", "share": 1.0, "message": ""} if place.present else told


def _told(place: Entry) -> Report:
    held = is_held(_beside(place, ".lock"))
    try:
        told = json.loads(read_bytes(_beside(place, ".json")))
        state, share, message = told["state"], told["share"], str(told["message"])
        waiting = message == "Starting" and time.time() - told["at"] < STARTS_WITHIN
    except (OSError, ValueError, KeyError, TypeError):
        return {"state": "working" if held else "absent", "share": None, "message": ""}
    if held or waiting:
        return {"state": "working", "share": share, "message": message if state == "working" else "Starting"}
    died = "Its process ended without a word; ask again."
    return {"state": "failed", "share": None, "message": message if state == "failed" else died}


def _place(run: Run, step: int | None, split: str, method: str, parameters: dict[str, Any]) -> Entry:
    """Where a map is kept: what it is aligned to is part of its name."""
    known = PARAMETERS.get(method)
    if known is None:
        raise InputError(f"{method!r} is no map", limit=f"{', '.join(PARAMETERS)} are", fix="choose one of them")
    for name, value in parameters.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, known[name]):
            raise InputError(f"{method} takes no {name} = {value!r}", limit=f"it takes {', '.join(known) or 'nothing'}")
    parts = [split, sorted(parameters.items())]
    if method == "aligned":
        parts.append(entry(run, parameters.get("reference"), "pca").path.name)
    return entry(run, step, f"{method}-{split}" if split in ("train", "test") else method, *parts)


def _made(
    place: Entry, run: Run, step: int | None, split: str, method: str, parameters: dict[str, Any],
    tell: Progress | None = None,
) -> Projection:  # fmt: skip
    seen = cloud(run, step, split)
    made = _projected(seen, run, method, parameters, tell)
    if seen.step == place.step and method != "axes":  # two columns are no work
        arrays = {field.name: getattr(made, field.name) for field in fields(made)}
        place.write(safetensors.numpy.save({n: np.ascontiguousarray(a) for n, a in arrays.items() if _is_array(a)}))
    return made


def _projected(seen: Cloud, run: Run, method: str, parameters: dict[str, Any], tell: Progress | None) -> Projection:
    match method:
        case "axes":
            return axes(seen, parameters.get("i", 0), parameters.get("j", 1))
        case "aligned":
            return aligned(seen, project(run, parameters.get("reference"), seen.split, "pca"))
        case "umap":
            return umap(seen, **parameters, progress=tell)
    return pca(seen)


def _kept(place: Entry, method: str) -> Projection | None:
    data = place.read()
    return None if data is None else Projection(method, **safetensors.numpy.load(data))


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray)


def _beside(place: Entry, suffix: str) -> Path:
    return place.path.with_name(place.path.name + suffix)


@contextlib.contextmanager
def _locked(place: Entry) -> Iterator[None]:
    lock = FileLock(_beside(place, ".lock"), thread_local=False)
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        with lock.acquire(timeout=0.5):  # whoever probes the lock holds it for a moment
            yield
    except Timeout:
        raise InputError("this map is being prepared already", place.path.name, fix="wait for it") from None
    except OSError as error:
        raise InputError(f"the cache cannot be written ({error.strerror})", str(place.path.parent)) from None


def _tell(place: Entry, state: str, share: float | None, message: str) -> None:
    """Best effort: a map is not given up because nobody can be told of it."""
    told = {"state": state, "share": share, "message": message, "at": time.time()}
    with contextlib.suppress(OSError):
        place.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(_beside(place, ".json"), json.dumps(told).encode(), durable=False)


def _forget(place: Entry) -> None:
    """Take away what was told, and the lock: the map itself says that it is ready."""
    for suffix in (".json", ".lock"):
        with contextlib.suppress(OSError):
            _beside(place, suffix).unlink(missing_ok=True)
