"""The bare page `/stage?run=A[&run=B]`: the run figure alone, for a beamer or a phone."""

from __future__ import annotations

import html

from starlette.requests import Request
from starlette.responses import HTMLResponse

from vae_core.runs import RunStore
from vae_core.spec import InputError
from vae_core.viewer import stage

SORRY = """<!doctype html><html lang="en"><meta charset="utf-8"><title>ELBO Room</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<body style="font: 24px/1.4 sans-serif; margin: 2em; max-width: 40em"><p>{sentence}</p>
<p><a href="/" style="color: inherit">ELBO Room</a></p></body></html>"""


def page(request: Request) -> HTMLResponse:
    """One run or two. `?theme=dark`, `?play=1` replays at once, `?ask=1` hides the sentence until V is pressed."""
    asked = request.query_params
    try:
        names = asked.getlist("run")
        if not 1 <= len(names) <= 2:
            raise InputError("the stage shows one run or two", limit=f"{len(names)} were named", fix="add ?run=NAME")
        runs = [RunStore.default()[name] for name in names]
        options = {key: asked.get(key) == "1" for key in ("play", "ask")} | {"dark": asked.get("theme") == "dark"}
        bases = [{"base": f"/api/runs/{run.name}"} for run in runs]
        text = stage(runs, "/files", options | {"runs": bases, "link": str(request.url)})
    except InputError as error:
        return HTMLResponse(SORRY.format(sentence=html.escape(str(error).capitalize())), 404)
    return HTMLResponse(text, headers={"Cache-Control": "no-store"})
