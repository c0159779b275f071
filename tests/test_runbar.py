"""The bar over a run, its menu, the links it gives away, and the way on from each page."""

from __future__ import annotations

import html as markup
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import segno
from streamlit.testing.v1 import AppTest

from tests.page_helpers import button, html, labels, links, open_page, said
from tests.run_helpers import tiny
from ui import share
from ui.contents import CONTENTS
from vae_core.exports import csv_text, to_csv
from vae_core.runs import RunStore
from vae_core.training import train

LAN = "192.168.7.5"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The store of the pages."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))
    return RunStore(tmp_path / "runs")


def test_the_bar_tells_title_data_seed_and_how_far_an_ended_run_came(store: RunStore) -> None:
    run = store.create(tiny(seed=3), "mine", state="stopped", step=40)
    run.relabel(title="A & B", note="*seen*\nby all")
    app = open_page("watch", run="mine")
    bar = html(app)
    assert [element.value for element in app.text] == ["*seen*\nby all"]
    assert "<h1>A &amp; B</h1>" in bar
    assert "Digits · seed 3" in bar
    assert 'data-state="stopped"' in bar
    assert "40 / 120" in bar


def test_the_bar_of_a_living_run_leaves_its_step_to_the_figure(store: RunStore) -> None:
    store.create(tiny(), "mine")
    bar = html(open_page("watch", run="mine"))
    assert 'data-state="queued"' in bar
    assert "/ 120" not in bar


def test_another_run_is_chosen_by_its_title(store: RunStore) -> None:
    store.create(tiny(), "first", state="stopped").relabel(title="The first")
    store.create(tiny(), "second", state="stopped")
    app = open_page("watch", run="second")
    choice = app.selectbox(key="change-second")
    assert choice.options[0] == "The first · first"
    assert "second" not in choice.options
    choice.select("first").run()
    assert app.query_params["run"] == "first"
    assert "<h1>The first</h1>" in html(app)


def test_a_shipped_run_keeps_its_name_and_place_and_says_why(store: RunStore) -> None:
    app = open_page("watch", run="digits-z2")
    assert "came with the program" in said(app)
    assert not {"Name and note", "Move to trash", "Star digits-z2"} & set(labels(app))


def test_a_run_of_ones_own_is_starred_and_thrown_away_from_its_page(store: RunStore) -> None:
    run = store.create(tiny(), "mine", state="stopped")
    app = open_page("watch", run="mine")
    button(app, "Star mine").click().run()
    assert run.label == {"star": True}
    button(app, "Move to trash").click().run()
    assert app.title[0].value == "ELBO Room"
    assert "<b>mine</b> is in the trash." in html(app)
    assert not store.own()
    button(app, "Undo").click().run()
    assert [run.name for run in store.own()] == ["mine"]


def test_a_run_that_trains_is_not_thrown_away_and_the_page_says_why(store: RunStore) -> None:
    run = store.create(tiny(), "mine")
    app = open_page("watch", run="mine")
    with run.lock().acquire(timeout=0):
        button(app, "Move to trash").click().run()
    assert "being trained; stop it first" in app.error[0].value
    assert "<h1>mine</h1>" in html(app)


def test_training_batches_are_drawn_on_demand(store: RunStore) -> None:
    app = open_page("watch", run="digits-z2")
    assert '"showTrain": false' in app.get("bidi_component")[0].proto.json
    app.toggle(key="train-digits-z2").set_value(True).run()
    assert '"showTrain": true' in app.get("bidi_component")[0].proto.json


def test_the_menu_gives_links_that_stay_right_behind_a_proxy(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.url", "https://lab.example/vae/watch")
    app = open_page("watch", run="digits-z2")
    assert app.code[0].value == "https://lab.example/vae/watch?run=digits-z2"
    (stage,) = app.get("link_button")
    assert (stage.proto.label, stage.proto.url) == ("Open on stage", "https://lab.example/vae/stage?run=digits-z2")
    assert "Phones cannot reach" not in said(app)


@pytest.mark.parametrize(
    ("url", "listens", "outside"),
    [
        ("http://127.0.0.1:8501", "127.0.0.1", ""),
        ("http://localhost:8501", "localhost", ""),
        ("http://[::1]:8501", "::1", ""),
        ("http://localhost:8501", "0.0.0.0", f"http://{LAN}:8501"),
        ("http://127.0.0.1:8501/vae", None, f"http://{LAN}:8501/vae"),
        ("http://10.0.0.2:8501", "127.0.0.1", "http://10.0.0.2:8501"),
        ("https://lab.example", "127.0.0.1", "https://lab.example"),
    ],
)
def test_phones_get_an_address_they_can_reach_or_none(
    url: str, listens: str | None, outside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "own_address", lambda: LAN)
    assert share.for_phones(url, listens) == outside


def test_without_a_network_phones_have_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "own_address", lambda: "")
    assert share.for_phones("http://localhost:8501", "0.0.0.0") == ""


@pytest.mark.parametrize("path", ["", "/", *(f"/{page.name}" for page in CONTENTS)])
def test_the_site_is_the_address_without_a_page(path: str) -> None:
    assert share.site(f"http://10.0.0.2:8501{path}") == "http://10.0.0.2:8501"
    assert share.site(f"https://lab.example/vae{path}") == "https://lab.example/vae"


def test_on_a_server_for_this_computer_alone_the_menu_says_what_to_start(store: RunStore) -> None:
    text = said(open_page("watch", run="digits-z2"))
    assert "Phones cannot reach this server" in text
    assert "`python -m vae_core serve --host 0.0.0.0`" in text


def modules(image: str) -> set[tuple[int, int]]:
    """The dark modules of a QR code in our HTML, as (row, column) counted from its own corner."""
    source = markup.unescape(re.findall(r'src="([^"]+)"', image)[0])
    assert source.startswith("data:image/svg+xml")
    path = re.findall(r'd=[\'"](M[^\'"]+)[\'"]', unquote(source))[-1]  # the first is the light ground
    dark, x, y = set(), 0.0, 0.0
    for kind, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", path):
        if kind == "h":
            dark |= {(int(y), int(x) + i) for i in range(int(first))}
            x += float(first)
        else:
            x, y = (float(first), float(second)) if kind == "M" else (x + float(first), y + float(second))
    top, left = min(row for row, _ in dark), min(column for _, column in dark)
    return {(row - top, column - left) for row, column in dark}


def test_the_code_is_the_one_of_the_stage_link(store: RunStore) -> None:
    app = open_page("watch", run="digits-z2")
    (image,) = [element.value for element in app.html if 'class="fr-qr"' in element.value]
    (stage,) = app.get("link_button")
    expected = segno.make_qr(stage.proto.url, error="m")
    bits = {(r, c) for r, row in enumerate(expected.matrix) for c, bit in enumerate(row) if bit}
    assert modules(image) == bits
    assert modules(share.qr("http://10.0.0.2/stage?run=other")) != bits


def test_the_table_of_numbers_is_that_of_the_command_line(store: RunStore, tmp_path: Path) -> None:
    run = store.create(tiny(), "mine")
    train(str(run.path))
    to_csv(run, tmp_path / "rows.csv")
    assert csv_text(run).encode() == (tmp_path / "rows.csv").read_bytes()
    assert "take-csv-mine" in [offer.key for offer in open_page("watch", run="mine").download_button]


def last_link(app: AppTest) -> tuple[str, tuple[str, str]]:
    """The link at the foot."""
    return list(links(app).items())[-1]


def test_each_page_ends_with_one_way_on(store: RunStore) -> None:
    assert last_link(open_page("home")) == ("Train one yourself", ("train", ""))
    assert last_link(open_page("train"))[1][0] == "watch"
    run = store.create(tiny(), "mine", state="stopped")
    run.relabel(title="*Mine*")
    assert last_link(open_page("train")) == ("Watch the newest run, \\*Mine\\*", ("watch", "run=mine"))
    label, target = last_link(open_page("watch", run="digits-collapsed"))
    assert (label, target) == ("See why it collapsed", ("collapse", "run=digits-collapsed"))


def test_the_way_on_from_watch_is_the_code_or_the_reason_why_there_is_none(store: RunStore) -> None:
    assert last_link(open_page("watch", run="digits-annealed"))[1] == ("latent", "run=digits-annealed")
    store.create(tiny(), "mine")  # how it ends is not known
    assert last_link(open_page("watch", run="mine")) == ("Train another", ("train", ""))
