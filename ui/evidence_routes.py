"""HTTP routes of the page about ln p(x): an image's gaps, its weights, and ln p(x|z) of codes that are asked about."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from torch import Tensor

from ui.answers import NEVER, bodied, codes_in, told
from ui.maps import decodes, version
from ui.once import ONE_AT_A_TIME, once
from vae_core import slow_checks
from vae_core.diagnostics import PAIRS, prepare_once
from vae_core.evidence import Annealed, Gaps, gaps, image_log_likelihood, importance_weights, iwae_bounds, moved, prior
from vae_core.gaussian import DiagonalGaussian
from vae_core.latents.cache import newest_weights
from vae_core.likelihoods import Bernoulli
from vae_core.opened import Opened
from vae_core.runs import LIVE, Run, RunStore
from vae_core.spec import InputError
from vae_core.vae import VAE

SAMPLES = 5000
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
STREAM = 10_000  # weights of one repeat
MOST, LONG = 50, 2.5  # repeats, and seconds after which no other begins
CODES = 20_000  # that may be asked about at once
NARROW = 0.6  # of σ: below √½ the weights have no variance
WORKING = {"state": "working", "share": None, "message": "Starting"}
PROPOSALS = ("prior", "q", "optimised", "narrow")


class Weights(NamedTuple):
    """Weights of a run, as a key of what follows from them: those of a run that has taken its name are others."""

    path: str
    step: int
    written: int

    @classmethod
    def of(cls, run: Run, step: int | None = None) -> Weights:
        """The newest, or those of a step. InputError where there are none, and for a model that was opened."""
        if Opened.of(run):
            raise InputError(
                "this model was opened, and its networks have no gradients here", fix="take a run trained here"
            )
        at, path = newest_weights(run, step)
        with contextlib.suppress(OSError):
            if step in (None, at):
                return cls(str(run.path), at, path.stat().st_mtime_ns)
        wanted = at if step is None else step
        raise InputError(f"the weights of step {wanted} are not there any more", run.name, fix="ask for the newest")


@dataclass(frozen=True, eq=False)
class Seen:
    """The model of some weights, and its run's first test images as it sees them. Shapes: x [n, c, h, w]."""

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
    run, weights, at = _asked(request)
    found, bounds = _gaps(weights, at), _bounds(weights, at)
    seen = seen_at(weights)
    q = _encoded(seen, at)
    order = q.kl()[0].argsort(descending=True, stable=True).tolist()
    query = f"step={seen.step}&v={version(run, seen.step)}"
    return JSONResponse(
        {
            "image": at, "step": seen.step, "latent": seen.vae.latent, "shown": sorted(order[:2]),
            "x": seen.x[at].flatten().tolist(), "binary": isinstance(seen.vae.likelihood, Bernoulli),
            "q": _gaussian(q), "best": _gaussian(found.best), "gaps": _numbers(found), "samples": SAMPLES,
            "iwae": bounds,
            "decoder": f"/api/runs/{run.name}/decoder.onnx?{query}" if decodes(run) else None,
        },
        headers=NEVER,
    )  # fmt: skip


def weights(request: Request) -> Response:
    """ln w of many codes of one image, float32, one repeat after another; the header says of what."""
    _, weights, at = _asked(request)
    name, seed = request.query_params.get("proposal", "q"), request.query_params.get("seed", "1")
    if name not in PROPOSALS or not seed.isdecimal():
        raise InputError("there is no such proposal", limit=", ".join(PROPOSALS))
    rows, found = _log_weights(weights, at, name, int(seed[:9])), _gaps(weights, at)
    facts = {"repeats": len(rows), "truth": float(found.log_evidence), "error": float(found.log_evidence_error)}
    body = rows.numpy().astype("<f4").tobytes()
    return Response(body, headers=NEVER | {"X-Facts": json.dumps(facts)}, media_type="application/octet-stream")


def likelihood(request: Request, body: bytes) -> Response:
    """ln p(x|z) of an image at the codes in the body, float32 both ways, in nats."""
    _, weights, at = _asked(request)
    seen = seen_at(weights)
    codes = codes_in(body, seen.vae.latent, CODES).unsqueeze(1)
    with torch.no_grad():
        values = image_log_likelihood(seen.vae, seen.x[at : at + 1])(codes)
    return Response(values.numpy().astype("<f4").tobytes(), headers=NEVER)


def annealing(request: Request) -> Response:
    """ln p(x) of the first test images by annealing, beside importance sampling; or how far it is, once asked for.

    `?step=` chooses the weights. Without it they are the newest, which are others a moment later while a run trains.
    """
    run = RunStore.default()[request.path_params["run"]]
    step = _step(request)
    weights = Weights.of(run, _lasting(run) if step is None else step)
    at = {"step": weights.step}
    news = slow_checks.progress(run, weights.step)
    if request.query_params.get("start") and news["state"] in ("absent", "failed"):
        slow_checks.start(run, weights.step)
        return JSONResponse(WORKING | at, headers=NEVER)
    if news["state"] == "ready":
        found = slow_checks.ready(run, weights.step)
        # A damaged file is thrown away as it is read.
        news = _compared(found, weights) if found else slow_checks.progress(run, weights.step)
    return JSONResponse(at | news, headers=NEVER)


def _compared(annealed: Annealed, weights: Weights) -> dict[str, Any]:
    """Annealing and importance sampling of the same images."""
    count = annealed.log_weights.shape[1]
    sampled = torch.stack([_gaps(weights, at).log_evidence[0] for at in range(count)])
    difference = annealed.log_evidence - sampled
    return {
        "state": "ready", "images": [*range(count)], "annealed": annealed.log_evidence.tolist(),
        "importance": sampled.tolist(), "temperatures": annealed.temperatures, "chains": len(annealed.log_weights),
        "difference": float(difference.mean()), "error": float(difference.std() / count**0.5),
    }  # fmt: skip


def _asked(request: Request) -> tuple[Run, Weights, int]:
    """The run, the weights and the image that a request names."""
    run = RunStore.default()[request.path_params["run"]]
    wanted = request.query_params.get("image", "0")
    weights = Weights.of(run, _step(request))
    images = len(seen_at(weights).x)
    if not wanted.isdecimal() or len(wanted) > 6 or int(wanted) >= images:
        raise InputError("there is no such test image", run.name, limit=f"0 to {images - 1}")
    return run, weights, int(wanted)


def seen_images(run: Run, step: int | None = None) -> Seen:
    """The newest model of a run, or that of a step, and its first test images. InputError for an opened model."""
    return seen_at(Weights.of(run, step))


@once(4)
def seen_at(weights: Weights) -> Seen:
    """The same of some weights."""
    run = Run(Path(weights.path))
    at, vae = run.model(weights.step)
    test = run.config.dataset.load()[1]
    return Seen(at, vae, prepare_once(vae, vae.likelihood.once(test.images[:PAIRS], test.top)))


@once(64)
def _gaps(weights: Weights, at: int) -> Gaps:
    seen = seen_at(weights)
    with ONE_AT_A_TIME:
        return gaps(seen.vae, seen.x[at : at + 1], SAMPLES)


@once(64)
def _bounds(weights: Weights, at: int) -> dict[str, list[float]]:
    seen, generator = seen_at(weights), torch.Generator().manual_seed(1)
    with ONE_AT_A_TIME:
        found = iwae_bounds(seen.vae, seen.x[at : at + 1], COUNTS, STREAM, generator)
    noise = found.noise[:, 0].nan_to_num(0.0)
    return {"counts": list(found.counts), "values": found.values[:, 0].tolist(), "noise": noise.tolist()}


@once(8)
def _log_weights(weights: Weights, at: int, name: str, seed: int) -> Tensor:
    """Rows of ln w, as many as there is time for, and one at least. Others' work may take its share of that time."""
    seen, found = seen_at(weights), _gaps(weights, at)
    q, generator = _proposal(seen, at, name, found), torch.Generator().manual_seed(seed)
    x, begun, rows = seen.x[at : at + 1], time.monotonic(), []
    while not rows or (len(rows) < MOST and time.monotonic() - begun < LONG):
        rows.append(importance_weights(seen.vae, x, STREAM, generator, q)[:, 0])
    return torch.stack(rows)


def _step(request: Request) -> int | None:
    """The step that a request names; None, of the newest weights, where it names none."""
    wanted = request.query_params.get("step", "")
    if wanted and not (wanted.isdecimal() and len(wanted) < 10):
        raise InputError("there is no such step", limit="a whole number is wanted")
    return int(wanted) if wanted else None


def _lasting(run: Run) -> int | None:
    """The step of the newest weights that stay while a run trains, which throws old checkpoints away; else None."""
    return max(run.snapshots(), default=None) if run.state in LIVE else None


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
