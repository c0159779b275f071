"""The page of a run, from its title to its code."""

from __future__ import annotations

import html
from collections.abc import Sequence

from vae_core.captions import caption
from vae_core.config import OpenedConfig, RunConfig
from vae_core.figure import run_figure
from vae_core.handin.facts import kl_of_latents, numbers, pairs, protocol, settings
from vae_core.handin.finding import Finding
from vae_core.handin.parts import day, document, own_words, program, section, table
from vae_core.handin.pictures import pictures
from vae_core.races.results import evaluation
from vae_core.records import Record
from vae_core.runs import Run
from vae_core.spec import InputError

EVIDENCE = ("nll", "nll_standard_error", "samples", "images")  # of what a race measures in the end


def hand_in(run: Run, sentences: str, by: str = "", finding: Finding | None = None) -> str:
    """The page of a run, with the reader's own `sentences` and name, and what they were told of the run.

    All that is plain text, and where it is empty the page is without that part. InputError for a run without a test so
    far, and for more than 10,000 characters.
    """
    words = own_words(sentences)
    config, rows = run.config, run.rows()
    tests = [row for row in rows if row["split"] == "test"]
    if not tests:
        raise InputError("there are no numbers to hand in yet", run.name, fix="wait for its first test")
    wholes, plain = settings(config)
    known = evaluation(run)  # of a run of a race
    tests[-1] = tests[-1] | {name: known[name] for name in EVIDENCE if name in known}
    return document(
        str(run.label.get("title") or run.name),
        by,
        _about(run, config),
        words,
        finding.section() if finding else "",
        _figure(run, rows, tests),
        pictures([("", run)]),
        section("Numbers", table(numbers(tests), "numbers") + f'\n<p class="note">{kl_of_latents(tests[-1])}</p>'),
        section("How they came about", table(protocol(run, tests))),
        section("Settings", "\n".join((table(wholes.items()), table(pairs(plain), "pairs")))),
        program("The same training in plain PyTorch", run),
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
