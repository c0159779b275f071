"""The page of the verdict, without a browser: every kind of sentence, the cure's button, steps, the guess, figures."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shutil
from pathlib import Path
from typing import get_args

import pytest
from streamlit.testing.v1 import AppTest

from tests.opening_helpers import Own
from tests.page_helpers import button, html, labels, links, open_page, said
from tests.run_helpers import tiny
from ui import collapse, collapse_cure, collapse_folds
from ui.ways import TOUCH
from vae_core import cures
from vae_core.captions import MINUS
from vae_core.config import RunConfig
from vae_core.glossary import term
from vae_core.likelihoods import Gaussian
from vae_core.nets import Mlp
from vae_core.opening.door import Files, open_model
from vae_core.presets import preset
from vae_core.report import Report, report, words
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.schedules import Delayed
from vae_core.verdicts import Kind, judge, verdict

COLLAPSED, ANNEALED = Run(ASSETS / "digits-collapsed"), Run(ASSETS / "digits-annealed")
RACE = "Watch a race: who escapes?"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store, through which the shipped runs show; no engine serves it."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("ui.collapse_cure.ensure_engine", lambda store: True)
    return RunStore(tmp_path / "runs")


@pytest.fixture(scope="module")
def found() -> Report:
    """The report of a run that uses five of its ten latents."""
    return report(ANNEALED)


def text(app: AppTest) -> str:
    """What the page says in Markdown, as a reader sees it."""
    return "\n".join(element.value for element in app.markdown).replace("\\", "")


def test_a_collapsed_run_is_told_why_and_its_cure_is_trained(store: RunStore) -> None:
    app = open_page("collapse", run="digits-collapsed")
    told = verdict(COLLAPSED)
    assert text(app).startswith(":red[:material/error: Collapsed.] The decoder ignores z: shuffling")
    assert all(sentence in text(app) for sentence in told.why)
    assert "After step 1,500 of 1,500" in said(app)
    assert links(app)[RACE][0] == "race"
    button(app, "Start again with β rising over 1,000 steps").click().run()
    (run,) = store.own()
    assert (run.name, run.config, run.state, run.status().pace) == ("digits-collapsed-cured", told.cure, "queued", 25)
    assert app.query_params["run"] == run.name
    assert "<h1>digits-collapsed-cured</h1>" in html(app)


def test_where_no_code_pays_nothing_needs_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = preset("digits-noise").config
    empty = report(COLLAPSED)
    price = dataclasses.replace(empty.price, eigenvalue=0.69, price=0.81, worth=0.0, sigma_squared=0.81)
    monkeypatch.setattr("ui.collapse._report", lambda run, step: dataclasses.replace(empty, price=price))
    monkeypatch.setattr("ui.collapse.config_of", lambda run: noise)
    monkeypatch.setattr("ui.collapse_cure.config_of", lambda run: noise)
    monkeypatch.setattr("ui.collapse_folds.config_of", lambda run: noise)
    app = open_page("collapse", run="digits-collapsed")
    assert text(app).startswith(
        ":orange[:material/info: Nothing is broken.] The code is empty, and with this noise (βσ² = 0.81, largest"
    )
    assert "Nothing needs a cure." in text(app)
    assert "Start again with σ = 0.26 and β rising over 1,000 steps" in labels(app)
    assert links(app)["Race where no schedule helps"] == ("race", "kind=no-help")


def test_a_healthy_run_has_nothing_to_cure() -> None:
    app = open_page("collapse", run="digits-annealed")
    assert text(app).startswith(":green[:material/check_circle: Healthy.] 5 of 10 latents are in use")
    assert "there is nothing to cure" in text(app)
    assert not [label for label in labels(app) if label.startswith("Start again")]
    assert links(app)[TOUCH] == ("latent", "run=digits-annealed")


def test_every_kind_of_verdict_has_a_mark_and_one_answer() -> None:
    assert set(collapse.MARKS) == set(get_args(Kind))
    assert sorted(kind for kinds in collapse.ANSWERS.values() for kind in kinds) == sorted(get_args(Kind))


def test_a_step_is_asked_for_in_the_address_and_chosen_with_the_slider() -> None:
    app = open_page("collapse", run="digits-annealed", step="100")
    assert "After step 90 of 1,500" in said(app)
    assert "Too early.] Training goes on, and β is at 0.12" in text(app)
    slider = app.select_slider[0]
    slider.set_value(0).run()
    assert app.query_params["step"] == "0"
    assert "Training has not begun" in text(app)
    app.select_slider[0].set_value(1500).run()
    assert "step" not in app.query_params
    assert "Healthy." in text(app)
    assert "whole number" in said(open_page("collapse", run="digits-annealed", step="some"))


@pytest.mark.parametrize(
    ("asked", "step"), [("20", 20), ("29", 20), ("5", 10), ("", 30), ("-1", 30), ("9" * 5000, 30), ("½", 30)]
)
def test_the_step_is_the_last_that_is_not_after_the_one_asked_for(asked: str, step: int) -> None:
    assert collapse.at_or_before(asked, [10, 20, 30]) == step


def test_the_verdict_waits_for_the_readers_own() -> None:
    app = open_page("collapse", run="digits-collapsed", ask="1")
    everything = text(app) + said(app) + html(app)
    assert not re.search(
        r"Collapsed\.|cure|Start again|slower|[Ss]tuck", everything + str(labels(app)) + str(links(app))
    )
    assert "stuck" not in str(app.selectbox(key="source").options)
    app.button_group[0].select("It uses its code").run()
    button(app, "Show the verdict").click().run()
    assert "You said: “It uses its code”. The evidence says otherwise." in said(app)
    assert "Collapsed." in text(app)


def test_without_an_answer_the_verdict_is_shown_alone() -> None:
    app = open_page("collapse", run="digits-collapsed", ask="1")
    button(app, "Show the verdict").click().run()
    assert "You said" not in said(app)
    assert "Collapsed." in text(app)


def test_a_link_leads_to_the_page_that_asks_first_and_back_and_an_answer_is_forgotten_there() -> None:
    app = open_page("collapse", run="digits-collapsed", step="90")
    assert links(app)["Ask me first"] == ("collapse", "run=digits-collapsed&step=90&ask=1")
    app.query_params["ask"] = "1"
    app.run()
    button(app, "Show the verdict").click().run()
    assert links(app)["Tell me at once"] == ("collapse", "run=digits-collapsed&step=90")
    del app.query_params["ask"]
    app.run()
    app.query_params["ask"] = "1"
    app.run()
    assert "Show the verdict" in labels(app)
    assert "Tell me at once" in links(app)


# Runs that are not ordinary


def test_a_run_without_weights_is_one_sentence(store: RunStore) -> None:
    store.create(tiny(), "waiting")
    app = open_page("collapse", run="waiting")
    assert "nothing to judge yet" in html(app)
    failed = store.create(tiny(), "failed", state="failed")
    (failed.path / "checkpoints").mkdir()
    (failed.path / "checkpoints" / "ckpt-00000010.safetensors").write_bytes(b"not a checkpoint")
    app = open_page("collapse", run="failed")
    assert "no weights that can be read" in html(app)
    assert not app.exception
    assert not app.error
    assert links(app)["Watch it learn"] == ("watch", "run=failed")


def test_of_a_run_that_goes_on_newer_weights_are_offered(store: RunStore) -> None:
    run = store.create(ANNEALED.config, "going")
    shutil.copyfile(ANNEALED.path / "metrics.jsonl", run.path / "metrics.jsonl")
    (run.path / "snapshots").mkdir()
    for step in (90, 139):
        shutil.copyfile(ANNEALED.snapshots()[step], run.path / "snapshots" / f"{step:08d}.safetensors")
    app = open_page("collapse", run="going", step="90")
    assert "After step 90 of 1,500" in said(app)
    assert "Let it go on." in text(app)
    button(app, "Look at step 139").click().run()
    assert "After step 139 of 1,500" in said(app)
    assert "Look at step 139" not in labels(app)
    assert links(app)["Watch it learn"] == ("watch", "run=going")


def test_of_codes_without_a_decoder_the_page_says_that_nobody_can_tell(tmp_path: Path, store: RunStore) -> None:
    open_model(Files(Own.make(tmp_path / "own").latents()), store, "codes")
    app = open_page("collapse", run="codes")
    assert not app.exception
    assert not app.error
    assert text(app).startswith(":orange[:material/help: Cannot tell.] Without a decoder, images and a likelihood")
    assert "No cure is known" in text(app)
    assert not app.select_slider
    assert "After step" not in said(app)
    assert links(app)[TOUCH] == ("latent", "run=codes")


def test_a_fault_of_an_estimate_is_told_with_an_icon_and_once(found: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = "The estimate is at fault, not the model: the mutual information reads 9.00 nats."
    monkeypatch.setattr("ui.collapse._report", lambda run, step: dataclasses.replace(found, faults=[fault]))
    shown = text(open_page("collapse", run="digits-annealed"))
    assert f":orange[:material/warning: {fault}]" in shown
    assert shown.count(fault) == 1


# Cures in words


BASE = RunConfig()


@pytest.mark.parametrize(
    ("cure", "label", "rest"),
    [
        (cures.slower(BASE), "with β rising over 1,000 steps", "A new run, 2,000 steps instead of 1,500; data, model"),
        (
            cures.slower(BASE, delayed=True),
            "with β at 0 for 800 steps, then rising over 800",
            "A new run, 3,200 steps instead of 1,500; data, model",
        ),
        (cures.gentler(BASE), "with a learning rate of 0.0004", "A new run; data, model and seed stay"),
        (
            cures.slower(cures.gentler(BASE)),
            "with a learning rate of 0.0004 and β rising over 1,000 steps",
            "A new run, 2,000 steps",
        ),
        (cures.longer(BASE), ", with 4,500 steps", "A new run, 4,500 steps instead of 1,500"),
        (
            cures.smoother(BASE),
            "with tanh layers and β rising over 1,000 steps",
            "A new run, 2,000 steps instead of 1,500; data and seed stay",
        ),
    ],
)
def test_a_cure_is_a_button_in_words(cure: RunConfig, label: str, rest: str) -> None:
    assert words.again(BASE, cure).removeprefix("Start again").strip() == f"{label}."
    assert collapse_cure.about(BASE, cure).startswith(rest)


def test_less_noise_is_named_and_changes_the_model() -> None:
    config = RunConfig(likelihood=Gaussian(sigma=0.9))
    cure = cures.quieter(config, 0.69)
    assert cure is not None
    assert words.again(config, cure) == "Start again with σ = 0.26 and β rising over 1,000 steps."
    assert "model" not in collapse_cure.about(config, cure)


@pytest.mark.parametrize("name", ["mine", "mine-cured", "mine-cured-7"])
def test_the_cure_of_a_cure_has_no_longer_name(name: str) -> None:
    assert collapse_cure.cured_stem(name) == "mine-cured"
    assert collapse_cure.cured_stem("m" * 64) == "m" * collapse_cure.LONGEST_STEM + "-cured"


def test_when_every_cure_was_tried_the_page_says_so_and_has_no_button(monkeypatch: pytest.MonkeyPatch) -> None:
    tanh = Mlp(gain=0.7, activation="tanh")
    tried = cures.changed(COLLAPSED.config, beta=Delayed(wait=800, ramp=800), steps=3200, net=tanh)
    assert judge(report(COLLAPSED), tried).cure is None
    for module in ("collapse", "collapse_cure", "collapse_folds"):
        monkeypatch.setattr(f"ui.{module}.config_of", lambda run: tried)
    app = open_page("collapse", run="digits-collapsed")
    assert "trained as every cure says. Try another seed or net." in text(app)
    assert "none of them helped" in text(app)
    assert not [label for label in labels(app) if label.startswith("Start again")]


# Numbers and sources


def test_the_parts_of_the_kl_sum_to_it_as_they_are_shown(found: Report) -> None:
    assert "too few" not in collapse_folds.surgery(found)
    for kl, information in ((3.554, 3.346), (0.004, 0.006), (19.605, 6.889)):
        codes = dataclasses.replace(found.codes, mutual_information=information)
        shown = collapse_folds.surgery(dataclasses.replace(found, kl=kl, codes=codes)).replace(MINUS, "-")
        whole, told, rest = (float(number) for number in re.findall(r"-?\d+\.\d\d", shown))
        assert whole == pytest.approx(told + rest, abs=1e-9)
    wide = dataclasses.replace(found.codes, mutual_information_high=59.9)
    assert "too few to tell the two apart" in collapse_folds.surgery(dataclasses.replace(found, codes=wide))


def test_every_number_has_its_entry_and_those_that_are_not_known_no_row(found: Report) -> None:
    rows = {name: (value, beside) for name, value, beside in collapse_folds.numbers(found)}
    assert [term(name).name for name in rows] == [*rows]
    assert rows["mutual_information"][1] == "at most ln 297 = 5.69"
    assert rows["gradient_norm_encoder"][1].startswith("at the first step")
    unknown = dataclasses.replace(found, elbo=None, reconstruction=None, baseline=None, price=None)
    missing = set(rows) - {name for name, *_ in collapse_folds.numbers(unknown)}
    assert missing == {"elbo", "reconstruction", "largest_eigenvalue", "worth_of_a_code"}


@pytest.mark.parametrize("function", collapse_folds.SOURCES, ids=lambda function: function.__name__)
def test_each_diagnostic_shows_its_own_source(function: object) -> None:
    assert f"def {function.__name__}(" in inspect.getsource(function)
    assert inspect.getdoc(function)


def test_the_page_shows_the_source_that_is_chosen() -> None:
    app = open_page("collapse", run="digits-annealed")
    assert "def healthy(" in app.code[-1].value
    app.selectbox(key="source").select("shuffle_cost").run()
    assert "def shuffle_cost(e: Encoded)" in app.code[-1].value
    assert "Nats of reconstruction lost when images swap their codes" in said(app).replace("\\", "")
