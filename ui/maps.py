"""HTTP routes of the latent canvas: the map of a run's codes, its decoder, its images. What moves is in the browser.

Answers that follow from weights carry their version in the address and may be kept for ever; a second visit asks for
the head of the map alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ui.answers import EVER, NEVER, bodied, codes_in, told
from ui.once import once
from ui.tiles import describe_tiles, sheet
from vae_core.latents import Cloud, Projection, cloud, project
from vae_core.latents.cache import newest_weights
from vae_core.latents.prepare import progress, start
from vae_core.onnx_export import decoder_bytes
from vae_core.opened import Opened
from vae_core.runs import Run, RunStore
from vae_core.spec import InputError
from vae_core.vae import VAE

DECODED = 256  # codes at once
PAIRED = 4  # dimensions whose pairs are offered as maps
NO_LABEL = 255
SLOW = ("umap",)
Asked = tuple[Run, int | None, str, str, dict[str, int]]


@dataclass(frozen=True)
class Column:
    """A number, or several, of every example, as the browser reads them."""

    name: str
    kind: str
    of: Callable[[Cloud, Projection], np.ndarray]

    def packed(self, seen: Cloud, map_: Projection) -> bytes:
        """The numbers, in order of the examples."""
        return np.ascontiguousarray(self.of(seen, map_), "<" + self.kind).tobytes()


# Files of their own, small enough for a browser's cache. In each the widest numbers come first: all stand aligned.
PARTS = {
    "places": (
        Column("points", "f4", lambda seen, map_: map_.points),
        Column("kl", "f4", lambda seen, map_: seen.kl.sum(1)),
        Column("reconstruction", "f4", lambda seen, map_: seen.reconstruction),
        Column("label", "u1", lambda seen, map_: _labels(seen)),
    ),
    "means": (Column("mean", "f4", lambda seen, map_: seen.mean),),
    "spreads": (Column("logvar", "f2", lambda seen, map_: seen.logvar),),
}


def routes() -> list[BaseRoute]:
    """What the canvas asks for."""
    base = "/api/runs/{run}"
    return [
        Route(f"{base}/map", told(head)),
        Route(f"{base}/map.bin", told(columns)),
        Route(f"{base}/decoder.onnx", told(decoder)),
        Route(f"{base}/tiles/{{split}}/{{sheet:int}}.png", told(tiles)),
        Route(f"{base}/decode", bodied(decode), methods=["POST"]),
        Route(f"{base}/encode", bodied(encode), methods=["POST"]),
    ]


def head(request: Request) -> Response:
    """What the canvas needs to know of a map; or how far it is, if it takes long."""
    run, step, split, method, parameters = asked = _asked(request)
    if method in SLOW:
        news = progress(run, step, split, method, **parameters)
        if news["state"] == "absent":
            start(run, step, split, method, **parameters)
            news = {"state": "working", "share": None, "message": "Starting"}
        if news["state"] != "ready":
            return JSONResponse(news, headers=NEVER)
    seen, map_ = _map(asked)
    query = f"step={seen.step}&split={split}&method={request.query_params.get('method') or ''}"
    query += f"&axes={request.query_params.get('axes', '')}&v={version(run, seen.step)}"
    return JSONResponse(_describe(run, seen, map_, query), headers=NEVER)


def columns(request: Request) -> Response:
    """Numbers of every example, one column after another: those of the part that is asked for."""
    seen, map_ = _map(_asked(request))
    asked = PARTS.get(request.query_params.get("part", ""), ())
    body = b"".join(column.packed(seen, map_) for column in asked)
    return Response(body, media_type="application/octet-stream", headers=EVER)


def decoder(request: Request) -> Response:
    """The decoder as ONNX."""
    run, step, *_ = _asked(request)
    opened = Opened.of(run)
    given = opened.decoder if opened else None
    return Response(given.read_bytes() if given else decoder_bytes(run, step), headers=EVER)


def tiles(request: Request) -> Response:
    """A sheet of small images."""
    run = RunStore.default()[request.path_params["run"]]
    return Response(
        sheet(run, request.path_params["split"], request.path_params["sheet"]), media_type="image/png", headers=EVER
    )


def decode(request: Request, body: bytes) -> Response:
    """E[x|z] of the codes in the body, float32 both ways: for a browser that cannot run the decoder itself."""
    run, step, *_ = _asked(request)
    vae = _model(run, step)
    codes = codes_in(body, vae.latent, DECODED)
    with torch.no_grad():
        return Response(vae.picture(codes).numpy().astype("<f4").tobytes(), headers=NEVER)


def encode(request: Request, body: bytes) -> Response:
    """q(z|x) of the image in the body: uint8 [c, h, w], 0 to 255."""
    run, step, *_ = _asked(request)
    shape = run.config.dataset.shape
    if len(body) != shape.pixels:
        raise InputError("the image has another size", run.name, limit=f"{shape.pixels} bytes are wanted")
    pixels = np.frombuffer(body, np.uint8).reshape(1, shape.channels, shape.height, shape.width)
    image = torch.from_numpy(np.round(pixels * (shape.top / 255)).astype(np.uint8))
    vae = _model(run, step)
    with torch.no_grad():
        q = vae.encode(vae.prepare(image, torch.Generator().manual_seed(0)))
    return JSONResponse({"mean": q.mean[0].tolist(), "sigma": q.std[0].tolist()}, headers=NEVER)


def _asked(request: Request) -> Asked:
    """The run and the map that a request names; without a method the one that fits the run."""
    run = RunStore.default()[request.path_params["run"]]
    query = request.query_params
    step = int(query["step"]) if query.get("step", "").isdecimal() else None
    split = query.get("split") or "test"
    latent = run.config.latent
    method = query.get("method") or ("axes" if latent == 2 else "pca")
    if method == "axes":
        i, j = (int(part) if part.isdecimal() else -1 for part in (query.get("axes") or "0,1").partition(",")[::2])
        return run, step, split, method, {"i": i, "j": j}
    if method == "pca" and step is not None and step < newest_weights(run, None)[0]:
        return run, step, split, "aligned", {}
    return run, step, split, method, {}


def _map(asked: Asked) -> tuple[Cloud, Projection]:
    run, step, split, method, parameters = asked
    return cloud(run, step, split), project(run, step, split, method, **parameters)


def _labels(seen: Cloud) -> np.ndarray:
    return np.full(len(seen), NO_LABEL) if seen.labels is None else np.minimum(seen.labels, NO_LABEL)


def _describe(run: Run, seen: Cloud, map_: Projection, query: str) -> dict[str, Any]:
    config, shape = run.config, run.config.dataset.shape
    method = "pca" if map_.method == "aligned" else map_.method
    names = _classes(run)
    counts = [] if seen.labels is None else np.bincount(seen.labels, minlength=len(names)).tolist()
    latent = seen.latent
    return {
        "state": "ready", "name": run.name, "step": seen.step, "steps": sorted(run.snapshots()) or [seen.step],
        "split": seen.split, "splits": ["test"] if Opened.of(run) else ["test", "train"],
        "count": len(seen), "latent": latent, "method": method,
        "methods": _methods(seen, map_), "linear": map_.components is not None,
        "components": None if map_.components is None else map_.components.tolist(),
        "centre": None if map_.centre is None else map_.centre.tolist(),
        "axes": _axes(map_), "base": seen.mean.mean(0).tolist() if method != "axes" else [0.0] * latent,
        "kl": seen.kl_per_dimension.tolist(), "order": seen.order.tolist(), "active": seen.active.tolist(),
        "reach": np.abs(seen.mean).max(0).tolist(), "classes": [[index, name] for index, name in enumerate(names)],
        "counts": counts, "measures": _measures(seen),
        "shape": {"channels": shape.channels, "height": shape.height, "width": shape.width},
        "columns": _offsets(seen, map_), "data": f"/api/runs/{run.name}/map.bin?{query}",
        "decoder": f"/api/runs/{run.name}/decoder.onnx?{query}" if decodes(run) else None,
        "encodes": _encodes(run), "tiles": describe_tiles(run, seen.split),
        "grey": config.dataset.shape.channels == 1,
    }  # fmt: skip


def _offsets(seen: Cloud, map_: Projection) -> list[dict[str, Any]]:
    """Which part each column is in, where it begins there, and how many numbers it has."""
    found = []
    for part, columns in PARTS.items():
        end = 0
        for column in columns:
            size = column.of(seen, map_).size
            found.append({"name": column.name, "type": column.kind, "part": part, "offset": end, "length": size})
            end += size * np.dtype(column.kind).itemsize
    return found


def _methods(seen: Cloud, map_: Projection) -> list[tuple[str, str]]:
    """The maps that are offered; the one that is shown says how much of the variance it holds."""
    share = "" if map_.share is None or map_.method == "axes" else f", {100 * map_.share.sum():.0f} % of the variance"
    pairs = combinations(sorted(seen.order[:PAIRED].tolist()), 2)
    planes = [(f"axes:{i},{j}", f"z{i + 1} and z{j + 1}") for i, j in pairs]
    return [*planes[: 1 if seen.latent == 2 else None], ("pca", f"PCA{share}"), ("umap", "UMAP")]


def _axes(map_: Projection) -> str:
    if map_.method != "axes" or map_.components is None:
        return ""
    return ",".join(str(int(row.argmax())) for row in map_.components)


def _measures(seen: Cloud) -> list[str]:
    known = bool(np.isfinite(seen.reconstruction).all())
    return ["label"] * (seen.labels is not None) + ["kl"] + ["reconstruction"] * known + ["norm", "sigma"]


def _classes(run: Run) -> tuple[str, ...]:
    opened = Opened.of(run)
    return opened.classes() if opened else run.config.dataset.classes


def decodes(run: Run) -> bool:
    """Whether there is a decoder to be sent."""
    opened = Opened.of(run)
    return opened is None or opened.decoder is not None


def version(run: Run, step: int) -> str:
    """Another for every file of weights: part of an address whose answer is kept for ever."""
    at, weights = newest_weights(run, step)
    info = weights.stat()
    return hashlib.sha256(f"{run.created} {at} {info.st_size} {info.st_mtime_ns}".encode()).hexdigest()[:12]


def _encodes(run: Run) -> bool:
    opened = Opened.of(run)
    return opened is None or opened.encoder is not None


def _model(run: Run, step: int | None) -> VAE:
    at, weights = newest_weights(run, step)
    return _loaded(str(run.path), at, weights.stat().st_mtime_ns)


@once(8)
def _loaded(path: str, step: int, written: int) -> VAE:
    return Run(Path(path)).model(step)[1]
