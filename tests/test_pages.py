"""Every page on three stores: empty, with a finished run, with a failed one. No browser: see tests/browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_helpers import button, html, links, open_page, said
from ui.contents import CONTENTS, bar, doors, siblings
from ui.host import ROOT
from vae_core.config import RunConfig
from vae_core.presets import PRESETS
from vae_core.runs import Run, RunStore
from vae_core.training import Halted, train

PAGES = [page.name for page in CONTENTS]
WORDS = ("Home", "Train", "Map", "Collapse", "Equations")


@pytest.fixture(params=["empty", "finished", "failed"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """A store in one of three conditions."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("ui.start.ensure_engine", lambda store: True)
    monkeypatch.setattr("ui.controls.ensure_engine", lambda store: True)
    store = RunStore(tmp_path / "runs")
    if request.param == "finished":
        train(str(store.create(RunConfig(steps=60), "mine").path))
    if request.param == "failed":
        run = store.create(RunConfig(steps=60), "mine")
        (run.path / "checkpoints").mkdir()
        (run.path / "checkpoints" / "ckpt-00000010.safetensors").write_bytes(b"not a checkpoint")
        with pytest.raises(Halted):
            train(str(run.path))
    return store


def test_the_contents_name_every_script_of_pages_and_no_other() -> None:
    scripts = {path.stem for path in (ROOT / "pages").glob("*.py")} - {"__init__"}
    assert sorted(PAGES) == sorted(scripts)
    assert len({page.title for page in CONTENTS}) == len(CONTENTS)
    assert all(page.purpose.endswith((".", "?")) for page in CONTENTS)


def test_the_bar_has_plain_words_in_their_order_and_each_leads_to_a_page() -> None:
    words = [page.word for page in bar()]
    assert words == [word for word in WORDS if word in words]
    assert all(Path(page.script).exists() for page in bar())
    assert {page.word for page in CONTENTS} == set(words)
    assert set(doors()) <= set(CONTENTS)


@pytest.mark.parametrize("name", PAGES)
def test_siblings_stand_in_a_row_with_this_page_marked(store: RunStore, name: str) -> None:
    app = open_page(name, run="digits-z2")
    group = siblings(name)
    marked = [f'aria-current="page">{page.title}<' in html(app) for page in group]
    assert marked == ([page.name == name for page in group] if len(group) > 1 else [False])
    for page in group:
        if page.name != name:
            assert links(app)[page.title] == (page.name, "run=digits-z2")


def test_the_word_of_the_bar_is_marked_on_a_sibling_too(store: RunStore) -> None:
    styles = [element.value for element in open_page("watch").html if "stTopNavLink" in element.value]
    assert any('[href$="/train"]' in style for style in styles)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_on_every_store(store: RunStore, name: str) -> None:
    app = open_page(name)
    assert not app.exception
    assert not app.error


def test_home_lists_the_runs_of_the_store_with_their_state(store: RunStore) -> None:
    app = open_page("home")
    own = store.own()
    assert html(app).count("data-state=") == len(own)
    assert all(f'data-state="{run.state}"' in html(app) for run in own)
    assert ("None yet" in said(app)) == (not own)


def test_watch_says_why_a_run_failed(store: RunStore) -> None:
    app = open_page("watch")
    failed = [run for run in store if run.state == "failed"]
    assert ("no checkpoint can be read" in said(app)) == bool(failed)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_becomes_its_own_config_and_a_queued_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAE_RUNS", str(tmp_path))
    monkeypatch.setattr("ui.start.ensure_engine", lambda store: True)
    monkeypatch.setattr("ui.start._estimate", lambda config: 3.0)
    monkeypatch.setattr("vae_core.datasets.Mnist.ready", lambda self: True)
    app = open_page("train")
    app.selectbox(key="preset").select(name).run()
    assert not app.exception
    next(button for button in app.button if button.label == "Start training").click().run()
    (run,) = (Run(path) for path in tmp_path.iterdir() if (path / "config.json").exists())
    assert run.config == PRESETS[name].config
    assert run.state == "queued"
    assert run.status().pace == 25.0
    assert run.name.startswith(name)


def test_a_setting_out_of_bounds_is_one_sentence_and_no_button(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAE_RUNS", str(tmp_path))
    app = open_page("train")
    widths = next(element for element in app.text_input if element.label == "Widths")
    widths.set_value("64, many").run()
    assert not app.exception
    (error,) = app.error
    assert "widths" in error.value
    assert "Traceback" not in error.value
    assert all(button.label != "Start training" for button in app.button)


def test_commands_of_the_watch_page_reach_the_mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAE_RUNS", str(tmp_path))
    run = RunStore(tmp_path).create(RunConfig(), "mine")
    app = open_page("watch", run="mine")
    assert button(app, "Pause").disabled  # it has not begun
    button(app, "Stop").click().run()
    app.slider[0].set_value(0.25).run()
    posted = [path.read_text() for path in sorted((run.path / "commands").glob("*.json"))]
    assert [text.split('"')[-2] if "stop" in text else "beta" for text in posted] == ["stop", "beta"]
    assert '"value":0.25' in posted[1]


def test_a_read_only_store_opens_and_says_that_it_cannot_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAE_RUNS", str(tmp_path))

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    app = open_page("train")
    next(button for button in app.button if button.label == "Start training").click().run()
    assert not app.exception
    assert "Read-only" in app.error[0].value
