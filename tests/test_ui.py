"""The screen's own logic: safe text, forms, the feed, captions, other loss scales."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ui import feed
from ui.details import conventions
from ui.parts import age, duration, hint, plain, safe, safe_sentence, size
from vae_core.captions import caption, nats
from vae_core.config import RunConfig
from vae_core.datasets import Dataset
from vae_core.likelihoods import Likelihood
from vae_core.nets import Net
from vae_core.records import Log
from vae_core.runs import RunStore
from vae_core.schedules import Schedule
from vae_core.training import train

VARIANTS = [variant for union in (Dataset, Net, Likelihood, Schedule) for variant in get_args(get_args(union)[0])]


@pytest.mark.parametrize("text", ["<img src=x>", "![a](http://b)", ":red[x]", "$x$", "a`b`", "# head", "x|y", "*b*"])
def test_safe_text_leaves_no_markup_alive(text: str) -> None:
    escaped = safe(text)
    pairs = zip(escaped, " " + escaped, strict=False)
    assert not [mark for mark, before in pairs if mark in "`*[]()<>$:#|!_" and before != "\\"]


def test_safe_text_is_one_short_line() -> None:
    assert "\n" not in safe("a\nb")
    assert len(safe("x" * 1000)) == 120


def test_text_in_our_own_html_is_text() -> None:
    assert plain('<b>"a" & b</b>\n') == "&lt;b&gt;&quot;a&quot; &amp; b&lt;/b&gt;"
    assert "<b>" not in hint("KL", "Larger than <b>0</b>.")


def test_a_sentence_starts_with_a_capital_unless_with_a_symbol() -> None:
    assert safe_sentence("there is none") == "There is none."
    assert safe_sentence("β ends at 0.27.") == "β ends at 0.27."


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.model_fields["kind"].default)
def test_a_form_drawn_from_a_spec_gives_that_spec_back(variant: type) -> None:
    def script(module: str, name: str) -> None:
        import importlib

        import streamlit as st

        from ui import forms

        spec = getattr(importlib.import_module(module), name)
        st.session_state["tree"] = forms.spec_fields(spec, spec().model_dump(mode="json"), "form")

    app = AppTest.from_function(script, args=(variant.__module__, variant.__name__)).run()
    assert not app.exception
    tree = app.session_state["tree"] | {"kind": variant.model_fields["kind"].default}
    import json

    assert variant.model_validate_json(json.dumps(tree)) == variant()


def test_conventions_give_the_known_effective_betas() -> None:
    def effective(pixels: int, latent: int) -> list[float]:
        return [round(factor * default, 3) for _, factor, default in conventions(pixels, latent)]

    assert effective(784, 2)[1] == 392
    assert effective(784, 20)[1:3] == [39.2, 0.05]
    assert effective(12288, 128)[3] == 1.536


def row(step: int, split: str = "test", **values: float) -> dict:
    numbers = {"beta": 1.0, "elbo": -25.0, "reconstruction": -22.0, "kl": 3.0, "active_units": 4}
    return {"step": step, "split": split, **numbers, **values, "kl_per_dimension": [1.5, 1.5]}


@pytest.mark.parametrize(
    ("rows", "state", "words"),
    [
        ([row(0, baseline=-27.2)], "running", ""),
        ([row(0, baseline=-27.2), row(10, kl=0.01, active_units=0)], "running", "Collapsed at step 10"),
        ([row(0, baseline=-27.2), row(10, kl=0.01, active_units=0, beta=0.1)], "running", "still low"),
        ([row(0, baseline=-27.2), row(10, kl=0.0, active_units=0)], "done", "ignores z"),
        ([row(0, baseline=-27.2), row(10, elbo=-23.6, reconstruction=-20.0, kl=3.6)], "done", "It pays"),
        ([row(0, baseline=-27.2), row(10, beta=0.62)], "done", "β ended at 0.62"),
        ([row(0, baseline=-27.2), row(10, elbo=-29.0, beta=0.2)], "running", "more than it brings"),
    ],
)
def test_the_caption_is_the_sentence_that_matters(rows: list[dict], state: str, words: str) -> None:
    said = caption(rows, state)
    assert words in said
    assert len(said) <= 90
    assert bool(said) == bool(words)


def test_numbers_of_nats_read_well() -> None:
    assert [nats(v) for v in (-27.231, 0.0, -0.001, 0.996, 1234.56, -0.5)] == [
        "\u221227.2", "0.00", "0.00", "1.0", "1,234.6", "\u22120.50",
    ]  # fmt: skip


def test_spans_and_ages_never_go_negative() -> None:
    assert age(4e9) == "just now"
    assert duration(0.2) == "1 s"
    assert duration(600) == "10 min"
    assert [size(count) for count in (0, 1_400, 49_000, 1_440_000)] == ["0 kB", "1 kB", "49 kB", "1.4 MB"]


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """A store with one short run."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path))
    store = RunStore(tmp_path)
    train(str(store.create(RunConfig(steps=80, latent=3), "mine").path))
    return store


def test_the_feed_gives_all_rows_once_and_then_only_new_ones(trained: RunStore) -> None:
    stream = feed.stream("mine")
    body, facts = stream.since(0, "")
    rows = np.frombuffer(body, "<f4").reshape(-1, facts["Width"])
    assert len(rows) == facts["Rows"] == len(trained["mine"].rows())
    assert rows[-1][1] == 80
    assert facts["State"] == "done"
    assert math.isclose(rows[-1][3], trained["mine"].rows()[-1]["elbo"], rel_tol=1e-6)
    assert np.allclose(rows[:, 12:].sum(1), rows[:, 5], atol=1e-4)
    assert stream.since(len(rows), facts["Log"])[0] == b""
    assert len(stream.since(len(rows) - 2, facts["Log"])[0]) == 2 * 4 * facts["Width"]


def test_another_log_is_sent_whole(trained: RunStore) -> None:
    stream = feed.stream("mine")
    body, facts = stream.since(0, "")
    assert stream.since(5, "another log")[0] == body
    path = trained["mine"].path / "metrics.jsonl"
    path.unlink()
    log = Log(path)
    log.append(row(0) | {"kl_per_dimension": [1.0, 1.0, 1.0]})
    log.close()
    stream._looked = 0.0
    assert len(stream.since(facts["Rows"], facts["Log"])[0]) == 4 * facts["Width"]


def test_a_long_log_is_thinned_but_keeps_tests_extremes_and_the_newest() -> None:
    rows = [row(step, "train", elbo=-20.0 - (step == 7777)) for step in range(50_000)]
    rows += [row(50_000), row(50_001, "train")]
    kept = feed.thin(rows)
    assert len(kept) <= 1100
    steps = {r["step"] for r in kept}
    assert {7777, 50_000, 50_001} <= steps
