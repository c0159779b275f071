"""What the routes of runs answer with: one sentence where something cannot be done, and codes read from a body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from torch import Tensor

from vae_core.spec import InputError

EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
NEVER = {"Cache-Control": "no-store"}
LARGEST = 2**25  # bytes of a body


def told(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """What cannot be done is one sentence."""

    def guarded(request: Request) -> Response:
        try:
            return answer(request)
        except InputError as error:
            return _refused(error)

    return guarded


def bodied(answer: Callable[[Request, bytes], Response]) -> Callable[[Request], Any]:
    """The same of a request with a body, worked out in a thread: the loop that reads it serves everybody."""

    async def read(request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return _refused(InputError("the body is too long", limit=f"at most {LARGEST:,} bytes", fix="send less"))
        return await run_in_threadpool(told(lambda asked: answer(asked, bytes(body))), request)

    return read


def codes_in(body: bytes, latent: int, most: int) -> Tensor:
    """The codes [n, d] of a body, float32 one after another. InputError unless 1 to `most`, whole and finite."""
    count, rest = divmod(len(body), 4 * latent)
    if not rest and 0 < count <= most:
        codes = torch.from_numpy(np.frombuffer(body, "<f4").copy()).view(count, latent)
        if bool(codes.isfinite().all()):
            return codes
    limit = f"1 to {most:,} of {latent} finite float32 numbers each"
    raise InputError("those are no codes", limit=limit, fix="send whole codes, and fewer at once")


def _refused(error: InputError) -> Response:
    return JSONResponse({"error": str(error)}, 404, NEVER)
