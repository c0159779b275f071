"""Below the figure of Watch, folded: numbers, settings, other loss scales, files."""

from __future__ import annotations

import json
import math
from typing import Any

import streamlit as st

from ui.data import config_of, last_rows
from ui.parts import safe_sentence
from vae_core.captions import nats
from vae_core.config import RunConfig
from vae_core.exports import columns as flat_columns
from vae_core.records import Record, number
from vae_core.runs import Run

QUANTITIES = (
    ("elbo", "ELBO at β = 1, nats"),
    ("reconstruction", "Reconstruction ln p(x|z), nats"),
    ("kl", "KL of q(z|x) from the prior, nats"),
    ("loss", "Loss as optimised, β-weighted, nats"),
    ("active_units", "Active units: Var(μ) > 0.01"),
    ("mutual_information", "Mutual information I(x; z), nats"),
    ("gradient_norm_encoder", "Gradient norm of the encoder"),
    ("gradient_norm_decoder", "Gradient norm of the decoder"),
)


def details(run: Run) -> None:
    """The folds."""
    rows, config = last_rows(run), config_of(run)
    with st.expander("Numbers"):
        _numbers(rows, config)
    with st.expander("Settings"):
        for note in config.notes():
            st.caption(f":material/info: {safe_sentence(note)}")
        st.code(json.dumps(config.model_dump(mode="json"), indent=1, ensure_ascii=False), language="json")
    with st.expander("Under other loss scales"):
        _scales(config)
    with st.expander("Files"):
        _files(run)


def _numbers(rows: dict[str, Record], config: RunConfig) -> None:
    if "test" not in rows:
        st.caption("No numbers yet.")
        return
    test, train = rows["test"], rows.get("train", {})
    reached = number(test["beta"])
    table = {"Per image": [name for _, name in QUANTITIES]}
    table[f"Test, step {test['step']:,}"] = [_cell(test, key) for key, _ in QUANTITIES]
    if train:
        table[f"Training batch, step {train['step']:,}"] = [_cell(train, key) for key, _ in QUANTITIES]
    st.dataframe(table, hide_index=True, width="content")
    pixels = config.dataset.shape.pixels
    bits = -number(test["elbo"]) / (pixels * math.log(2))
    st.caption(
        f"Test: {test['count']:,} images, binarised once, the same noise each time. "
        f"Mutual information cannot exceed ln N = {number(test['mutual_information_ceiling']):.2f}. "
        f"The bound is {bits:.3f} bits per dimension. "
        f"Final β reached: {reached:.2f} of {config.beta(config.steps):.2f}."
    )


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
    rows = run.rows()
    if rows:
        table = [flat_columns(row) for row in rows]
        names = list(dict.fromkeys(name for row in table for name in row))
        lines = [",".join(names)] + [",".join(str(row.get(name, "")) for name in names) for row in table]
        st.download_button("Numbers as CSV", "\n".join(lines), f"{run.name}.csv", "text/csv", key=f"csv-{run.name}")
