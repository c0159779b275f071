"""The pictures of runs: test images, as the model saw them and as they come back, and samples from the prior."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vae_core.frames import COLUMNS
from vae_core.glossary import term
from vae_core.runs import Run

SHEETS = (("original", "binarised"), ("comes_back", "imagined", ""))  # the rows of each, by their entries
GAP = 8  # tiles are so many gaps wide
HARD = 16  # pixels: smaller pictures keep their edges
Named = tuple[str, Run]  # what stands above a run's pictures, if anything, and the run


def pictures(shown: Sequence[Named]) -> str:
    """The newest pictures of one run or two, side by side with the names of the rows; nothing where there are none."""
    found = [(title, run, sheets) for title, run in shown if (sheets := _sheets(run))]
    if not found:
        return ""
    titles = [f"<p>{html.escape(title)}</p>" for title, _, _ in found if title]
    cells = ["<div></div>", *titles] if titles else []
    for place, names in enumerate(SHEETS):
        labels = [term(name).label if name else "" for name in names]
        cells.append(f"<div>{''.join(f'<span>{html.escape(label)}</span>' for label in labels)}</div>")
        cells += [_image(run, sheets[place], labels, title) for title, run, (_, *sheets) in found]
    steps = dict.fromkeys(f"{step:,}" for _, _, (step, *_) in found)
    note = f"Eight test images, and samples from the prior, at step {' and '.join(steps)}."
    look = "pictures two" if len(found) == 2 else "pictures"
    inner = "\n".join(cells)
    return f'<figure class="sheets">\n<div class="{look}">\n{inner}\n</div>\n<figcaption>{note}</figcaption>\n</figure>'


def _sheets(run: Run) -> tuple[int, bytes, bytes] | None:
    """The step of the newest frame, the images and that frame as they are printed; None if one is unreadable."""
    folder = run.path / "frames"
    newest = max(folder.glob("????????.png"), default=None)
    if newest is None:
        return None
    try:
        images, frame = (
            parted(path, len(names)) for path, names in zip((folder / "inputs.png", newest), SHEETS, strict=True)
        )
        return int(newest.stem), images, frame
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _image(run: Run, sheet: bytes, labels: Sequence[str], title: str) -> str:
    """A sheet as part of the page."""
    look = ' class="hard"' if run.config.dataset.shape.height <= HARD else ""
    said = ", ".join(filter(None, (title, "rows of pictures", *labels)))
    data = base64.b64encode(sheet).decode()
    return f'<img{look} alt="{html.escape(said)}" src="data:image/png;base64,{data}">'


def parted(path: Path, rows: int) -> bytes:
    """A sheet with white between its tiles, and ink on paper where it is grey: a PNG."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
    ink = 255 - pixels if pixels.ndim == 2 else pixels
    high, wide = ink.shape[0] // rows, ink.shape[1] // COLUMNS
    gap, depth = max(1, wide // GAP), ink.shape[2:]
    sheet = np.full((rows, high + gap, COLUMNS, wide + gap, *depth), 255, np.uint8)
    sheet[:, :high, :, :wide] = ink.reshape(rows, high, COLUMNS, wide, *depth)
    buffer = io.BytesIO()
    Image.fromarray(sheet.reshape(rows * (high + gap), COLUMNS * (wide + gap), *depth)).save(buffer, "PNG")
    return buffer.getvalue()
