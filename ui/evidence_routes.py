"""HTTP routes of the page about ln p(x): an image's gaps, its weights, and ln p(x|z) of codes that are asked about."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from torch import Tensor

from ui.maps import NEVER, bodied, decodes, told
from vae_core import slow_checks
from vae_core.diagnostics import PAIRS, prepare_once
from vae_core.evidence import Gaps, gaps, image_log_likelihood, importance_weights, iwae_bounds, moved, prior
from vae_core.gaussian import DiagonalGaussian
from vae_core.latents.cache import newest_weights
from vae_core.likelihoods import Bernoulli
from vae_core.opened import Opened
from vae_core.runs import Run, RunStore
from vae_core.spec import InputError
from vae_core.vae import VAE

SAMPLES = 5000
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
STREAM = 10_000  # weights of one repeat
MOST, LEAST, LONG = 50, 5, 2.5  # repeats, and seconds after which there are no more of them
CODES = 20_000  # that may be asked about at once
NARROW = 0.6  # of σ: below √½ the weights have no variance
WORKING = {"state": "working", "share": None, "message": "Starting"}
PROPOSALS = ("prior", "q", "optimised", "narrow")


@dataclass(frozen=True, eq=False)
class Seen:
    """A run's newest weights, and its first test images as the likelihood sees them. Shapes: x [n, c, h, w]."""

    step: int
    vae: VAE
    x: Tensor


def routes() -> list[BaseRoute]:
    """What the views of evidence ask for."""
    base = "/api/runs/{run}/evidence"
    return [
        Route(base, told(image)),
        Route(f"{base}/weights", told(weights)),
        Route(f"{base}/likelihood", bodied(likelihood), methods=["POST"]),
        Route(f"{base}/annealing", told(annealing), methods=["POST"]),
    ]


def image(request: Request) -> Response:
    """An image as the likelihood sees it, its q, the best q, and the gaps between bound and evidence, in nats."""
    run, seen, at = _asked(request)
    found = _gaps(seen, at)
    q = _encoded(seen, at)
    order = q.kl()[0].argsort(descending=True, stable=True).tolist()
    query = f"step={seen.step}"
    return JSONResponse(
        {
            "image": at, "step": seen.step, "latent": seen.vae.latent, "shown": sorted(order[:2]),
            "x": seen.x[at].flatten().tolist(), "binary": isinstance(seen.vae.likelihood, Bernoulli),
            "q": _gaussian(q), "best": _gaussian(found.best), "gaps": _numbers(found), "samples": SAMPLES,
            "iwae": _bounds(seen, at),
            "decoder": f"/api/runs/{run.name}/decoder.onnx?{query}" if decodes(run) else None,
        },
        headers=NEVER,
    )  # fmt: skip


def weights(request: Request) -> Response:
    """ln w of many codes of one image, float32, one repeat after another; the header says of what."""
    _, seen, at = _asked(request)
    name, seed = request.query_params.get("proposal", "q"), request.query_params.get("seed", "1")
    if name not in PROPOSALS or not seed.isdecimal():
        raise InputError("there is no such proposal", limit=", ".join(PROPOSALS))
    found = _gaps(seen, at)
    q = _proposal(seen, at, name, found)
    generator = torch.Generator().manual_seed(int(seed[:9]))
    x, begun, rows = seen.x[at : at + 1], time.monotonic(), []
    while len(rows) < LEAST or (len(rows) < MOST and time.monotonic() - begun < LONG):
        rows.append(importance_weights(seen.vae, x, STREAM, generator, q)[:, 0])
    facts = {"repeats": len(rows), "truth": float(found.log_evidence), "error": float(found.log_evidence_error)}
    body = torch.stack(rows).numpy().astype("<f4").tobytes()
    return Response(body, headers=NEVER | {"X-Facts": json.dumps(facts)}, media_type="application/octet-stream")


def likelihood(request: Request, body: bytes) -> Response:
    """ln p(x|z) of an image at the codes in the body, float32 both ways, in nats."""
    _, seen, at = _asked(request)
    codes = torch.from_numpy(np.frombuffer(body, "<f4").copy()).reshape(-1, 1, seen.vae.latent)
    if not 0 < len(codes) <= CODES or not bool(codes.isfinite().all()):
        raise InputError("those are no codes", limit=f"at most {CODES:,} of finite numbers")
    with torch.no_grad():
        values = image_log_likelihood(seen.vae, seen.x[at : at + 1])(codes)
    return Response(values.numpy().astype("<f4").tobytes(), headers=NEVER)


def annealing(request: Request) -> Response:
    """ln p(x) of the first test images by annealing, beside importance sampling; or how far it is, once asked for."""
    run = RunStore.default()[request.path_params["run"]]
    seen = seen_images(run)
    if request.query_params.get("start") and slow_checks.progress(run)["state"] in ("absent", "failed"):
        slow_checks.start(run)
        return JSONResponse(WORKING, headers=NEVER)
    found = slow_checks.ready(run)
    if found is None:
        return JSONResponse(slow_checks.progress(run), headers=NEVER)
    count = found.log_weights.shape[1]
    sampled = torch.stack([_gaps(seen, at).log_evidence[0] for at in range(count)])
    difference = found.log_evidence - sampled
    return JSONResponse(
        {
            "state": "ready", "images": [*range(count)], "annealed": found.log_evidence.tolist(),
            "importance": sampled.tolist(), "temperatures": found.temperatures, "chains": len(found.log_weights),
            "difference": float(difference.mean()), "error": float(difference.std() / count**0.5),
        },
        headers=NEVER,
    )  # fmt: skip


def _asked(request: Request) -> tuple[Run, Seen, int]:
    """The run and the image that a request names."""
    run = RunStore.default()[request.path_params["run"]]
    wanted = request.query_params.get("image", "0")
    seen = seen_images(run)
    if not wanted.isdecimal() or len(wanted) > 6 or int(wanted) >= len(seen.x):
        raise InputError("there is no such test image", run.name, limit=f"0 to {len(seen.x) - 1}")
    return run, seen, int(wanted)


def seen_images(run: Run) -> Seen:
    """The newest model of a run, and its first test images. InputError for a model that was opened."""
    if Opened.of(run):
        raise InputError(
            "this model was opened, and its networks have no gradients here", fix="take a run trained here"
        )
    at, path = newest_weights(run, None)
    return _seen(str(run.path), at, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _seen(path: str, step: int, written: int) -> Seen:
    run = Run(Path(path))
    at, vae = run.model(step)
    test = run.config.dataset.load()[1]
    return Seen(at, vae, prepare_once(vae, vae.likelihood.once(test.images[:PAIRS], test.top)))


@lru_cache(maxsize=64)
def _gaps(seen: Seen, at: int) -> Gaps:
    return gaps(seen.vae, seen.x[at : at + 1], SAMPLES)


@lru_cache(maxsize=64)
def _bounds(seen: Seen, at: int) -> dict[str, list[float]]:
    generator = torch.Generator().manual_seed(1)
    found = iwae_bounds(seen.vae, seen.x[at : at + 1], COUNTS, STREAM, generator)
    noise = found.noise[:, 0].nan_to_num(0.0)
    return {"counts": list(found.counts), "values": found.values[:, 0].tolist(), "noise": noise.tolist()}


def _proposal(seen: Seen, at: int, name: str, found: Gaps) -> DiagonalGaussian:
    q = _encoded(seen, at)
    return {"prior": prior(q), "q": q, "optimised": found.best, "narrow": moved(found.best, scale=NARROW)}[name]


@torch.no_grad()
def _encoded(seen: Seen, at: int) -> DiagonalGaussian:
    return seen.vae.encode(seen.x[at : at + 1])


def _gaussian(q: DiagonalGaussian) -> dict[str, list[float]]:
    return {"mean": q.mean[0].tolist(), "std": q.std[0].tolist()}


def _numbers(found: Gaps) -> dict[str, float]:
    names = ("log_evidence", "best_elbo", "elbo", "amortisation", "approximation", "total")
    return {key: float(getattr(found, key)) for name in names for key in (name, f"{name}_error")}
