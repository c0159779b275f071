"""HTTP routes of the app: a run's card, its rows since a point, its frames, and our own static files.

Nothing of a request reaches a path before it has been looked up: names through the store, frames by their pattern.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ui import evidence_routes, feed, gradient_routes, maps, stage
from vae_core.runs import RunStore
from vae_core.spec import InputError
from vae_core.viewer import card as card_of

STATIC = Path(__file__).resolve().parent / "static"
FRAME = re.compile(r"(inputs|\d{8})\.png\Z")
YEAR = "public, max-age=31536000, immutable"
MINUTES = "private, max-age=300"


def routes() -> list[BaseRoute]:
    """Everything the app serves besides its pages."""
    return [
        Route("/api/runs/{run}", card),
        Route("/api/runs/{run}/rows", rows),
        Route("/api/runs/{run}/frames/{frame}", frame),
        Route("/stage", stage.page),
        *maps.routes(),
        *evidence_routes.routes(),
        *gradient_routes.routes(),
        Mount("/files", Files(directory=STATIC)),
    ]


class Files(StaticFiles):
    """Our modules, styles, fonts and the runtime. What is vendored by version never changes; the rest is asked anew.

    WebAssembly is kept compressed on the disk and sent as it is.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with a long life if it never changes."""
        packed = path.endswith(".wasm")
        response = await super().get_response(path + ".gz" if packed else path, scope)
        if packed:
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Content-Type"] = "application/wasm"
        lasting = path.startswith(("fonts", os.path.join("vendor", "ort")))
        response.headers["Cache-Control"] = YEAR if lasting else "no-cache"
        return response


def card(request: Request) -> Response:
    """What does not change while a run trains, and its state: JSON."""
    try:
        return JSONResponse(
            card_of(RunStore.default()[request.path_params["run"]]), headers={"Cache-Control": "no-store"}
        )
    except InputError as error:
        return JSONResponse({"error": str(error)}, 404)


async def rows(request: Request) -> Response:
    """The rows since a point, as little-endian float32; headers say the rest. 204 when there is nothing new."""
    try:
        stream = feed.stream(request.path_params["run"])
    except InputError as error:
        return JSONResponse({"error": str(error)}, 404)
    since, log = request.query_params.get("since", "0"), request.query_params.get("log", "")
    body, facts = stream.since(int(since) if since.isdecimal() else 0, log)
    headers = {f"X-{name}": _header(value) for name, value in facts.items()}
    return Response(body, 200 if body else 204, headers | {"Cache-Control": "no-store"}, "application/octet-stream")


def frame(request: Request) -> Response:
    """One picture of a run."""
    name = request.path_params["frame"]
    try:
        run = RunStore.default()[request.path_params["run"]]
    except InputError as error:
        return JSONResponse({"error": str(error)}, 404)
    path = _frame_at(run.path / "frames", name) if FRAME.match(name) else None
    if path is None:
        return JSONResponse({"error": "there is no such frame"}, 404)
    return FileResponse(path, headers={"Cache-Control": MINUTES, "X-Content-Type-Options": "nosniff"})


def _frame_at(folder: Path, name: str) -> Path | None:
    """The frame itself, or the newest before it: long runs do not keep one for every evaluation."""
    if (folder / name).is_file():
        return folder / name
    earlier = [path for path in folder.glob("????????.png") if path.name < name]
    return max(earlier, default=None) if name != "inputs.png" else None


def _header(value: Any) -> str:
    return quote(value) if isinstance(value, str) else json.dumps(value)
