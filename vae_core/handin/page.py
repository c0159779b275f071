"""The page from its title to its code."""

from __future__ import annotations

import base64
import html
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from vae_core.captions import caption
from vae_core.config import OpenedConfig, RunConfig
from vae_core.figure import run_figure
from vae_core.glossary import term
from vae_core.handin.facts import Fact, kl_of_latents, numbers, protocol, settings
from vae_core.handin.style import STYLE, faces
from vae_core.python_export import python_text
from vae_core.records import Record
from vae_core.runs import Run
from vae_core.spec import InputError

LONGEST = 10_000  # characters of a reader's own words


def hand_in(run: Run, sentences: str) -> str:
    """The page of a run, with the reader's own `sentences` (plain text; empty: without that part).

    InputError for a run without a test so far, and for more than 10,000 characters.
    """
    if len(sentences) > LONGEST:
        raise InputError(f"{len(sentences):,} characters", "your words", f"{LONGEST:,} are possible", "shorten them")
    config, rows = run.config, run.rows()
    tests = [row for row in rows if row["split"] == "test"]
    if not tests:
        raise InputError("there are no numbers to hand in yet", run.name, fix="wait for its first test")
    title = html.escape(" ".join(_clean(str(run.label.get("title") or run.name)).split())[:120])
    wholes, plain = settings(config)
    parts = (
        f'<h1>{title}</h1>\n<p class="about">{_about(run, config)}</p>',
        _words(sentences),
        _figure(run, rows, tests),
        _pictures(run, config),
        _section("Numbers", _table(numbers(tests), "numbers") + f'\n<p class="note">{kl_of_latents(tests[-1])}</p>'),
        _section("How they came about", _table(protocol(run, tests))),
        _section("Settings", "\n".join((_table(wholes), _table(plain, "pairs")))),
        _section("The same training in plain PyTorch", _code(run), "code"),
    )
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<style>{faces()}{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _clean(text: str) -> str:
    """Without what no page can hold: control characters, and halves of a character."""
    text = text.replace("\r\n", "\n")
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in text).strip()


def _section(title: str, content: str, kind: str = "text") -> str:
    return f'<section class="{kind}">\n<h2>{title}</h2>\n{content}\n</section>'


def _table(rows: Iterable[Fact], kind: str = "") -> str:
    """A row a fact: its name, and what there is to say of it; of pairs, a second one beside it. Everything is text."""
    lines = []
    for row in rows:
        names = range(0, len(row), 2) if kind == "pairs" else (0,)
        cells = [
            f'<th scope="row">{html.escape(cell)}</th>' if place in names else f"<td>{html.escape(cell)}</td>"
            for place, cell in enumerate(row)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    look = f' class="{kind}"' if kind else ""
    return f"<table{look}>\n" + "\n".join(lines) + "\n</table>"


def _about(run: Run, config: RunConfig) -> str:
    made = datetime.fromtimestamp(run.created)
    day = f"{made.day} {made:%B %Y}"
    if isinstance(config, OpenedConfig):
        return f"A variational autoencoder that was trained elsewhere, opened as {run.name} on {day}."
    done = f"{run.status().step:,} of {config.steps:,} steps"
    data = html.escape(config.dataset.title)
    return f"A variational autoencoder on {data}: the run {run.name}, seed {config.seed}, {done}, made on {day}."


def _words(sentences: str) -> str:
    words = _clean(sentences)
    return _section("In my own words", f'<p class="words">{html.escape(words)}</p>') if words else ""


def _figure(run: Run, rows: Sequence[Record], tests: list[Record]) -> str:
    said = caption(tests, run.state)
    drawing = run_figure(rows, said or "The run's terms, β and KL by step")
    if not drawing:
        return ""
    what = "Test images at β = 1, in nats per image; the band between the lines is the KL."
    return f"<figure>\n{drawing}\n<figcaption>{html.escape(said)} {what}</figcaption>\n</figure>"


def _pictures(run: Run, config: RunConfig) -> str:
    """Eight test images, as the model saw them and as they come back, and samples from the prior."""
    folder = run.path / "frames"
    frames = sorted(folder.glob("????????.png"))
    if not frames or not (folder / "inputs.png").is_file():
        return ""
    shape = config.dataset.shape
    look = " ".join(["paper"] * (shape.channels == 1) + ["hard"] * (shape.height <= 16))
    sheets = [(("original", "binarised"), folder / "inputs.png"), (("comes_back", "imagined", ""), frames[-1])]
    inner = "\n".join(_sheet(names, path, look) for names, path in sheets)
    note = f"Eight test images, and samples from the prior, at step {int(frames[-1].stem):,}."
    return f'<figure>\n<div class="pictures">\n{inner}\n</div>\n<figcaption>{note}</figcaption>\n</figure>'


def _sheet(names: Sequence[str], path: Path, look: str) -> str:
    """Rows of pictures with their names beside them."""
    labels = [term(name).label if name else "" for name in names]
    said = ", ".join(filter(None, labels)).lower()
    beside = "".join(f"<span>{html.escape(label)}</span>" for label in labels)
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<div>{beside}</div><img class="{look}" alt="Rows of pictures: {said}" src="data:image/png;base64,{data}">'


def _code(run: Run) -> str:
    """The program, or why there is none."""
    try:
        return f"<pre>{html.escape(python_text(run))}</pre>"
    except InputError as error:
        return f'<p class="note">There is none: {html.escape(str(error))}.</p>'
