"""The form that opens a model which was trained elsewhere: files in, the questions they leave, a run out."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from ui.data import store
from ui.parts import page, safe_sentence, told
from vae_core.opening.asking import CHOICES, Question
from vae_core.opening.door import Files, open_model
from vae_core.opening.recipe import ENCODER, LINES

SENTENCE = (
    "Your model stays on this computer. We need the decoder as ONNX and the codes as one .npz file; "
    "here are the eight lines that write them."
)
# The field of `Files`, its label, the kinds of file, the limit in MB, what it brings.
UPLOADS = (
    ("latents", "Codes (.npz)", ["npz"], 500, "mean, and logvar or sigma, each [n, d]. Labels, if you like."),
    ("decoder", "Decoder (.onnx)", ["onnx"], 500, "To see what a code looks like."),
    ("images", "Images (.npy or .zip)", ["npy", "zip"], 2000, "In the order of the codes. To see what comes back."),
    ("labels", "Labels (.csv)", ["csv"], 50, "A class for each code, in their order."),
    ("encoder", "Encoder (.onnx)", ["onnx"], 500, "To encode new images. It is checked with those above."),
)
LIKELIHOODS = {"": "Not told: no ELBO", "gaussian": "Gaussian, with a fixed σ", "bernoulli": "Bernoulli"}
ASKED = "open-asked"
QUESTIONS = {
    "second": ("What stands beside the mean", {"logvar": "ln σ²", "sigma": "σ"}),
    "range": ("Black and white are", {"0:1": "0 and 1", "-1:1": "−1 and 1", "logits": "logits"}),
    "layout": (
        "The numbers of an image are in order of",
        {
            "nchw": "channel, row, column",
            "nhwc": "row, column, channel",
            "flat": "one line, channel by channel",
            "flat-nhwc": "one line, pixel by pixel",
        },
    ),
}


@st.dialog("Open your own model", width="large")
def open_dialog() -> None:
    """The form over the page it was asked for on."""
    open_form()


def open_form() -> None:
    """All of it. What cannot be opened is said in place; what is opened leads to its page."""
    st.caption(SENTENCE)
    _recipe()
    uploads = _uploads()
    columns = st.columns(3)
    name = columns[0].text_input("Name", key="open-name", placeholder="opened", max_chars=64) or None
    answers: dict[str, Any] = {"likelihood": _likelihood(columns[1], columns[2])} | _answers()
    if st.button("Open the model", type="primary", key="open-go", disabled=uploads["latents"] is None):
        _open(uploads, answers, name)


def _recipe() -> None:
    with st.expander("The eight lines of PyTorch"):
        st.code(LINES, language="python", wrap_lines=True)
        st.caption(
            "`vae` is your model and `images` its input. The decoder's weights are in the file, none of its Python: "
            "nothing of it is executed here but known operators, first in a process with limits of memory and time."
        )
        st.code(ENCODER, language="python", wrap_lines=True)


def _uploads() -> dict[str, Any]:
    """The files, by their field."""
    columns = st.columns(3)
    return {
        field: columns[at % 3].file_uploader(label, kinds, key=f"open-{field}", help=words, max_upload_size=limit)
        for at, (field, label, kinds, limit, words) in enumerate(UPLOADS)
    }


def _likelihood(left: Any, right: Any) -> str | None:
    """As the command line takes it."""
    kind = left.selectbox("Likelihood", list(LIKELIHOODS), key="open-likelihood", format_func=LIKELIHOODS.__getitem__)
    if kind != "gaussian":
        return kind or None
    words = "In the units of your model's own pixels. For a summed squared error without a weight it is 0.71."
    sigma = right.number_input("σ", 0.001, 100.0, 0.1, 0.01, format="%.4g", key="open-sigma", help=words)
    return f"gaussian:{sigma:g}"


def _answers() -> dict[str, str | None]:
    """The questions that came up, each as a choice with none made; the sentence says why it is asked."""
    asked: dict[str, str] = st.session_state.get(ASKED, {})
    answers: dict[str, str | None] = dict.fromkeys(CHOICES)
    for option, sentence in asked.items():
        label, words = QUESTIONS[option]
        st.info(sentence, icon=":material/help:")
        answers[option] = st.radio(
            label, list(words), None, format_func=words.__getitem__, horizontal=True, key=f"open-{option}"
        )
    return answers


def _open(uploads: dict[str, Any], answers: dict[str, Any], name: str | None) -> None:
    run = None
    with told(), tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {field: _saved(file, Path(folder) / field) for field, file in uploads.items() if file}
        place = st.empty()
        with st.spinner("Opening", show_time=True):
            try:
                run = open_model(Files(**given | answers), store(), name, progress=place.caption)
            except Question as question:
                asked = {question.option: safe_sentence(_without_option(question))}
                st.session_state[ASKED] = st.session_state.get(ASKED, {}) | asked
                st.rerun()
    if run:
        st.session_state.pop(ASKED, None)
        st.switch_page(page("latent"), query_params={"run": run.name})


def _without_option(question: Question) -> str:
    """The sentence without its last part, which is for the command line."""
    return "; ".join(part for part in (f"{question.what} in {question.where}", question.limit) if part)


def _saved(file: Any, folder: Path) -> Path:
    """An upload as a file, under what is safe of its own name, which errors speak of."""
    folder.mkdir()
    path = folder / (re.sub(r"[^A-Za-z0-9._-]", "-", file.name).lstrip(".")[-80:] or "file")
    path.write_bytes(file.getbuffer())
    return path
