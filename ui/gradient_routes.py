"""HTTP routes of the page about gradients: how noisy those of a run's encoder and decoder are, on its test images."""

from __future__ import annotations

import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from torch import Tensor

from ui.answers import NEVER, told
from ui.evidence_routes import Seen, Weights, seen_at
from ui.once import ONE_AT_A_TIME, once
from vae_core.gradients import (
    DecoderGradient,
    EncoderGradient,
    Measured,
    affordable,
    decoder_gradient,
    encoder_gradient,
)
from vae_core.runs import RunStore
from vae_core.spec import InputError

IMAGES = 64
SEEDS = 100
CODES, DRAWS = (200, 1000), (200, 400)


def routes() -> list[BaseRoute]:
    """What the views of gradients ask for."""
    base = "/api/runs/{run}/gradients"
    return [Route(f"{base}/encoder", told(encoder)), Route(f"{base}/decoder", told(decoder))]


def encoder(request: Request) -> Response:
    """Variance, signal-to-noise and bias of four estimators of the encoder's gradient, and all estimates."""
    weights, seed = _asked(request)
    found = _encoder(weights, seed)
    told_of = {name: getattr(found, name) for name in ("images", "codes", "parameters", "norm")}
    return JSONResponse(
        {**told_of, "step": seen_at(weights).step, "seed": seed, "rows": [_row(row) for row in found.rows]},
        headers=NEVER,
    )


def decoder(request: Request) -> Response:
    """How far the decoder's gradient from a few codes is from that of all of them."""
    weights, seed = _asked(request)
    found = _decoder(weights, seed)
    told_of = {name: getattr(found, name) for name in ("images", "draws", "parameters", "norm", "samples", "variance")}
    return JSONResponse({**told_of, "step": seen_at(weights).step, "seed": seed}, headers=NEVER)


def _asked(request: Request) -> tuple[Weights, int]:
    run = RunStore.default()[request.path_params["run"]]
    seed = request.query_params.get("seed", "1")
    if not seed.isdecimal() or len(seed) > 3 or int(seed) >= SEEDS:
        raise InputError("there is no such seed", limit=f"0 to {SEEDS - 1}")
    return Weights.of(run), int(seed)


def _row(row: Measured) -> dict[str, object]:
    downhill = float((row.along < 0).double().mean())
    return {
        "estimator": row.estimator, "samples": row.samples, "repeats": row.repeats, "variance": row.variance,
        "bias": row.bias, "downhill": downhill, "along": [round(share, 3) for share in row.along.tolist()],
    }  # fmt: skip


@once(32)
def _encoder(weights: Weights, seed: int) -> EncoderGradient:
    seen = seen_at(weights)
    with ONE_AT_A_TIME:
        codes = affordable(seen.vae, IMAGES, *CODES)
        return encoder_gradient(seen.vae, _batch(seen), codes, generator=torch.Generator().manual_seed(seed))


@once(32)
def _decoder(weights: Weights, seed: int) -> DecoderGradient:
    seen = seen_at(weights)
    with ONE_AT_A_TIME:
        draws = affordable(seen.vae, IMAGES, *DRAWS)
        return decoder_gradient(seen.vae, _batch(seen), draws, torch.Generator().manual_seed(seed))


def _batch(seen: Seen) -> Tensor:
    return seen.x[:IMAGES]
