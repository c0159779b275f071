"""Maps by name, kept in the cache; slow ones in a process of their own that tells how far it is."""

from __future__ import annotations

import json
import subprocess
from dataclasses import fields
from typing import Any

import numpy as np
import safetensors.numpy

from vae_core.latents.cache import Entry, entry
from vae_core.latents.clouds import Cloud, cloud
from vae_core.latents.layout import Progress, umap
from vae_core.latents.projections import Projection, aligned, axes, pca
from vae_core.latents.work import Report, Work
from vae_core.runs import Run
from vae_core.spec import InputError

PARAMETERS = {
    "axes": {"i": int, "j": int},
    "pca": {},
    "aligned": {"reference": int},
    "umap": {"neighbours": int, "min_dist": (float, int), "seed": int},
}


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
    work = Work(place, "map")
    with work.doing():
        if _kept(place, method) is None:
            work.tell("working", None, "Encoding the images")
            _made(place, run, step, split, method, parameters, lambda *told: work.tell("working", *told))


def start(run: Run, step: int | None, split: str, method: str, **parameters: Any) -> subprocess.Popen[Any] | None:
    """Prepare a map in a new process; None if it is ready, or on its way already. `progress` tells how far it is."""
    work = Work(_place(run, step, split, method, parameters), "map")
    arguments = [str(run.path.resolve()), "--method", method, "--split", split, "--parameters", json.dumps(parameters)]
    return work.start("vae_core.latents", arguments + ([] if step is None else ["--step", str(step)]))


def progress(run: Run, step: int | None, split: str, method: str, **parameters: Any) -> Report:
    """How far a map is: "absent" (nobody asked for it), "working", "ready", or "failed" and why."""
    return Work(_place(run, step, split, method, parameters), "map").progress()


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
