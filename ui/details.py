"""Below the figure of Watch, folded: numbers, settings, other loss scales, files."""

from __future__ import annotations

import html
import json
import math
from typing import Any

import streamlit as st

from ui.data import config_of, last_rows
from ui.numbers import table
from ui.parts import hint, safe_sentence
from vae_core.captions import nats
from vae_core.config import RunConfig
from vae_core.glossary import Term, term
from vae_core.opened import Opened
from vae_core.records import Record, number
from vae_core.runs import Run

QUANTITIES = (
    "elbo", "reconstruction", "kl", "loss", "active_units", "mutual_information",
    "gradient_norm_encoder", "gradient_norm_decoder",
)  # fmt: skip


def details(run: Run) -> None:
    """The folds."""
    rows, config = last_rows(run), config_of(run)
    with st.expander("Numbers"):
        _numbers(rows, config)
    with st.expander("Settings"):
        _notes(run)
        st.code(json.dumps(config.model_dump(mode="json"), indent=1, ensure_ascii=False), language="json")
    with st.expander("Under other loss scales"):
        _scales(config)
    with st.expander("Files"):
        _files(run)


def how_it_was_read(run: Run) -> None:
    """The fold of a model that was trained elsewhere: how its files were taken, and the errors of other readings."""
    if Opened.of(run):
        with st.expander("How its files were read"):
            _notes(run)


def _notes(run: Run) -> None:
    """What is allowed but probably not meant; of an opened model, how its files were read as well."""
    opened = Opened.of(run)
    for note in opened.told() if opened else config_of(run).notes():
        st.caption(f":material/info: {safe_sentence(note)}")


def _numbers(rows: dict[str, Record], config: RunConfig) -> None:
    if "test" not in rows:
        st.caption("No numbers yet.")
        return
    test = rows["test"]
    columns = [(term("test"), test)] + [(term("training_batch"), rows[one]) for one in rows if one == "train"]
    st.html(_table(columns))
    pixels = config.dataset.shape.pixels
    bits = -number(test["elbo"]) / (pixels * math.log(2))
    st.caption(
        f"Test: {test['count']:,} images, binarised once, the same noise each time. "
        f"Mutual information cannot exceed ln N = {number(test['mutual_information_ceiling']):.2f}. "
        + (f"The bound is {bits:.3f} bits per dimension. " if math.isfinite(bits) else "")
        + f"Final β reached: {number(test['beta']):.2f} of {config.beta(config.steps):.2f}."
    )


def _table(columns: list[tuple[Term, Record]]) -> str:
    """A row a quantity, a column a split; each label tells its sentence: HTML, and no word in it is a user's."""
    heads = [f"{_hint(what)}, step {row['step']:,}" for what, row in columns]
    rows = [(_quantity(term(name)), [html.escape(_cell(row, name)) for _, row in columns]) for name in QUANTITIES]
    return table("Per image", heads, rows)


def _quantity(what: Term) -> str:
    unit = what.unit.removesuffix(" per image")
    aside = ", ".join(filter(None, (what.symbol, unit)))
    return f'{_hint(what)} <span class="fr-muted">{html.escape(aside)}</span>'


def _hint(what: Term) -> str:
    return hint(html.escape(what.label), what.hover)


def _cell(row: Record, key: str) -> str:
    if key not in row:
        return "–"
    return str(row[key]) if key == "active_units" else nats(number(row[key]))


def _scales(config: RunConfig) -> None:
    """The same objective in the conventions of well-known code: which β their defaults would mean here."""
    pixels, latent = config.dataset.shape.pixels, config.latent
    beta = config.beta(config.steps)
    rows: list[dict[str, Any]] = []
    for name, factor, default in conventions(pixels, latent):
        rows.append({"Convention": name, "Its default weight means β =": f"{default * factor:.3g}",
                     f"Its weight for β = {beta:g}": f"{beta / factor:.3g}"})  # fmt: skip
    st.dataframe(rows, hide_index=True, width="content")
    st.caption(
        f"For {pixels:,} pixels and {latent} latents. Sums over pixels and dimensions, as here, are the ELBO itself."
    )


def conventions(pixels: int, latent: int) -> list[tuple[str, float, float]]:
    """Name, the β that a KL weight of 1 means, and the default weight."""
    return [
        ("Summed over pixels and latents (this app)", 1.0, 1.0),
        ("Keras style: cross-entropy and KL both averaged", pixels / latent, 1.0),
        ("Cross-entropy summed, KL averaged over latents", 1 / latent, 1.0),
        ("PyTorch-VAE: mean squared error, KL weight 0.00025 (σ = 1)", pixels / 2, 0.00025),
    ]


def _files(run: Run) -> None:
    st.code(str(run.path), language=None)
    names = ("config.json", "metrics.jsonl", "journal.jsonl", "frames/", "snapshots/", "checkpoints/")
    present = [name for name in names if (run.path / name).exists()]
    st.caption("In this directory: " + ", ".join(present) + ".")
