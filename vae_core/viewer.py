"""What the run figure is given of a run, and the page that holds it: served, or whole in one file.

The figure itself is a browser module (`ui/static/run`). It draws a run from its *card* (what is said once) and its
packed *rows*; a *recording* is both with all pictures, for a page that has no server behind it.
"""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from vae_core.captions import story
from vae_core.comparison import headline
from vae_core.exports import explained
from vae_core.records import Record, number
from vae_core.runs import Run
from vae_core.spec import InputError, atomic_write
from vae_core.training.course import Course

STATIC = Path(__file__).resolve().parents[1] / "ui" / "static"
COLUMNS = (
    "beta", "elbo", "reconstruction", "kl", "loss", "active_units", "mutual_information",
    "gradient_norm_encoder", "gradient_norm_decoder", "learning_rate",
)  # fmt: skip
PLAN_POINTS = 150
MOST_ROWS = 2000
ENTRY = "run/stage.mjs"
MODULES = ("vendor/d3.mjs", *(f"run/{path.name}" for path in sorted((STATIC / "run").glob("*.mjs"))))
FACES = ("inter-latin", "inter-greek", "source-serif-4-latin", "source-serif-4-greek")


def card(run: Run) -> dict[str, Any]:
    """What the figure needs to know once: names, sizes, the planned β, the baseline and the captions so far."""
    config, tests, state = run.config, run.rows("test"), run.state
    shape = config.dataset.shape
    course, every = Course(run), max(1, config.steps // PLAN_POINTS)
    return {
        "name": run.name,
        "title": str(run.label.get("title") or run.name),
        "lane": config.beta.words,
        "bound": config.objective.words,
        "steps": config.steps,
        "latent": config.latent,
        "baseline": next((row["baseline"] for row in tests if "baseline" in row), None),
        "unit": "nats per image",
        "split": "test",
        "columns": COLUMNS,
        "tile": {"width": min(32, shape.width), "height": min(32, shape.height), "channels": shape.channels},
        "smooth": shape.height > 16,
        "schedule": [[step, course(step)] for step in (*range(0, config.steps, every), config.steps - 1)],
        "story": story(tests, state),
        "state": state,
        "message": run.message,
    }


def pack(rows: list[Record], latent: int) -> np.ndarray:
    """Rows as little-endian float32 [n, 12 + d]: test (1) or training (0), step, COLUMNS, KL of each dimension."""
    packed = np.empty((len(rows), 2 + len(COLUMNS) + latent), "<f4")
    for place, row in enumerate(rows):
        head = [float(row["split"] == "test"), float(row["step"])]
        kl = [number(value) for value in row["kl_per_dimension"]]
        packed[place] = head + [number(row.get(name)) for name in COLUMNS] + kl
    return packed


def thin(rows: list[Record]) -> list[Record]:
    """A long log thinned to what a screen can show: of each bin the best and the worst training row.

    Test rows (there are few) and the newest row always stay.
    """
    if len(rows) <= MOST_ROWS:
        return rows
    training = [index for index, row in enumerate(rows) if row["split"] == "train"]
    width = max(2, 2 * len(training) // 1000)
    keep = {len(rows) - 1, *(index for index, row in enumerate(rows) if row["split"] == "test")}
    for start in range(0, len(training), width):
        part = sorted(training[start : start + width], key=lambda index: number(rows[index]["elbo"]))
        keep |= {part[0], part[-1]}
    return [rows[index] for index in sorted(keep)]


def recording(run: Run) -> dict[str, Any]:
    """A run whole: its card, its rows and its pictures, as JSON can hold them."""
    packed = pack(thin(run.rows()), run.config.latent)
    pictures = {path.stem: _data("image/png", path) for path in sorted((run.path / "frames").glob("*.png"))}
    return {
        "card": card(run),
        "step": run.status().step,
        "width": packed.shape[1],
        "rows": base64.b64encode(packed.tobytes()).decode(),
        "inputs": pictures.pop("inputs", ""),
        "frames": {int(step): picture for step, picture in pictures.items() if step.isdecimal()},
    }


def said_of(runs: list[Run]) -> str:
    """The one sentence over two runs: what differs between them; nothing over one."""
    return headline(runs[0].config, runs[1].config) if len(runs) == 2 else ""


def stage(runs: list[Run], files: str, options: dict[str, Any]) -> str:
    """The bare page that follows or replays one run or two from a server with our files under `files`."""
    preloads = "".join(f'<link rel="modulepreload" href="{files}/{name}">\n' for name in MODULES)
    head = f'<link rel="stylesheet" data-er href="{files}/run/figure.css">\n{preloads}'
    return _page(runs, head, f"{files}/{ENTRY}", options | {"headline": said_of(runs)})


def document(runs: list[Run]) -> str:
    """One file that replays one run or two in any browser, without a network: modules, fonts, rows and pictures."""
    if not 1 <= len(runs) <= 2:
        raise InputError(f"{len(runs)} runs were given", limit="one or two fit into a file", fix="choose two of them")
    sources = {f"er/{name}": _module(name) for name in MODULES}
    head = f'<style data-er>{_styles()}</style>\n<script type="importmap">{_json({"imports": sources})}</script>'
    options = {"headline": said_of(runs), "runs": [{"recording": recording(run)} for run in runs]}
    return _page(runs, head, f"er/{ENTRY}", options)


def to_html(runs: list[Run], path: Path) -> None:
    """The same, written to a path."""
    text = document(runs)
    with explained(path):
        atomic_write(path, text.encode())


def _page(runs: list[Run], head: str, entry: str, options: dict[str, Any]) -> str:
    names = " and ".join(str(run.label.get("title") or run.name) for run in runs)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{html.escape(names)} · ELBO Room</title>
{head}
</head>
<body>
<noscript>This page draws {html.escape(names)} with JavaScript, which is switched off here.</noscript>
<script type="module">
import {{ mountStage }} from "{entry}";
mountStage(document.body, {_json(options)});
</script>
</body>
</html>
"""


def _json(value: Any) -> str:
    """JSON that may stand in a script."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _module(name: str) -> str:
    """A module as an address of its own. Relative imports have no meaning there, so they become bare names."""
    source = (STATIC / name).read_text("utf-8")
    source = re.sub(r'from "\./', f'from "er/{Path(name).parent}/', source).replace('from "../', 'from "er/')
    return "data:text/javascript;base64," + base64.b64encode(source.encode()).decode()


def _styles() -> str:
    css = (STATIC / "run" / "figure.css").read_text("utf-8")
    for face in FACES:
        name = f"{face}-wght-normal.woff2"
        css = css.replace(f"../fonts/{name}", _data("font/woff2", STATIC / "fonts" / name))
    return css


def _data(kind: str, path: Path) -> str:
    return f"data:{kind};base64," + base64.b64encode(path.read_bytes()).decode()
