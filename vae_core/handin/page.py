"""The page of a run, from its title to its code."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from vae_core.captions import caption
from vae_core.config import OpenedConfig, RunConfig
from vae_core.figure import run_figure
from vae_core.glossary import term
from vae_core.handin.facts import kl_of_latents, numbers, pairs, protocol, settings
from vae_core.handin.parts import day, document, own_words, program, section, table
from vae_core.records import Record
from vae_core.runs import Run
from vae_core.spec import InputError


def hand_in(run: Run, sentences: str) -> str:
    """The page of a run, with the reader's own `sentences` (plain text; empty: without that part).

    InputError for a run without a test so far, and for more than 10,000 characters.
    """
    words = own_words(sentences)
    config, rows = run.config, run.rows()
    tests = [row for row in rows if row["split"] == "test"]
    if not tests:
        raise InputError("there are no numbers to hand in yet", run.name, fix="wait for its first test")
    wholes, plain = settings(config)
    return document(
        str(run.label.get("title") or run.name),
        _about(run, config),
        words,
        _figure(run, rows, tests),
        _pictures(run, config),
        section("Numbers", table(numbers(tests), "numbers") + f'\n<p class="note">{kl_of_latents(tests[-1])}</p>'),
        section("How they came about", table(protocol(run, tests))),
        section("Settings", "\n".join((table(wholes.items()), table(pairs(plain), "pairs")))),
        section("The same training in plain PyTorch", program(run), "code"),
    )


def _about(run: Run, config: RunConfig) -> str:
    made = day(run.created)
    if isinstance(config, OpenedConfig):
        return f"A variational autoencoder that was trained elsewhere, opened as {run.name} on {made}."
    done = f"{run.status().step:,} of {config.steps:,} steps"
    data = html.escape(config.dataset.title)
    return f"A variational autoencoder on {data}: the run {run.name}, seed {config.seed}, {done}, made on {made}."


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
