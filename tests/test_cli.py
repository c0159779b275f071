"""The command line: results on stdout, one line on stderr for what went wrong, and the right exit code."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from tests.run_helpers import call, finish, last_words, launch, same, tiny, wait_for, wait_for_step
from vae_core.cli import main
from vae_core.commands import Pace, Pause, Stop, collect
from vae_core.config import RunConfig
from vae_core.engine import engine_lock
from vae_core.runs import Run, RunStore, Status, write_status

TINY = ["--set", "net.widths=[8]", "--set", "latent=2", "--set", "steps=120", "--set", "checkpoint_every=20",
        "--set", "evaluate_every=30"]  # fmt: skip
pytestmark = pytest.mark.usefixtures("assets")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def command(store, capsys, monkeypatch):
    """Runs a command in this process; gives exit code, stdout and stderr."""
    monkeypatch.setenv("VAE_RUNS", str(store.root))

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def refused(command, store):
    """Checks that a command is refused: exit code 2, one line on stderr, nothing on stdout, nothing made."""

    def check(*arguments: object, says: str, code: int = 2) -> None:
        before = sorted(store.root.rglob("*")) if store.root.exists() else None
        ended, out, error = command(*arguments)
        assert (ended, out) == (code, "")
        assert error.startswith("vae_core: ")
        assert error.count("\n") == 1
        assert error.endswith("\n")
        assert "Traceback" not in error
        assert len(error) < 900
        assert says in error
        assert (sorted(store.root.rglob("*")) if store.root.exists() else None) == before

    return check


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run, trained once."""
    run = RunStore(tmp_path_factory.mktemp("trained") / "runs").create(tiny())
    assert finish(run) == 0
    return run


@pytest.fixture
def done(store, trained) -> Run:
    """A finished run in this test's store."""
    return Run(Path(shutil.copytree(trained.path, store.root / "finished")))


# train


def test_train_ends_with_the_directory(command, store):
    code, out, error = command("train", *TINY, "--name", "mine")
    assert (code, error) == (0, "")
    assert Path(out.splitlines()[-1]) == store.root / "mine"
    assert store["mine"].state == "done"
    assert store["mine"].config == RunConfig.model_validate(tiny().model_dump())
    assert not collect(store["mine"].path / "commands")


def test_train_takes_a_preset_a_file_and_settings(command, store, tmp_path):
    code, out, _ = command("train", "--preset", "digits-collapsed", "--set", "steps=3")
    assert (code, Path(out.strip()).name) == (0, "digits-collapsed")
    file = tmp_path / "config.json"
    for content in (tiny(seed=5).model_dump_json(), (store["digits-collapsed"].path / "config.json").read_text()):
        file.write_text(content)
        code, out, _ = command("train", "--config", file, "--set", "steps=5", "--set", "beta.kind=warmup")
        config = Run(Path(out.strip())).config
        assert (code, config.steps, config.beta.kind) == (0, 5, "warmup")


def test_notes_on_a_doubtful_config_go_to_stderr(command):
    code, out, error = command("train", *TINY, "--set", "beta.kind=warmup", "--set", "beta.steps=1000")
    assert code == 0
    assert "note: β ends at" in error
    assert out.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["latent=NaN"], "latent"),
        (["learning_rate=NaN"], "learning_rate"),
        (["learning_rate=Infinity"], "learning_rate"),
        (["learning_rate=1e999"], "learning_rate"),
        (["beta.value=-1"], "beta"),
        (["latent=true"], "latent"),
        (["latent=1e9"], "latent"),
        (["latent=0"], "latent"),
        (["steps=[]"], "steps"),
        (["nonsense=3"], "nonsense"),
        (["beta.nonsense=3"], "nonsense"),
        (["latent.x=3"], "latent"),
        (["latent"], "is not a setting"),
        (["=3"], "is not a setting"),
        ([""], "is not a setting"),
        (["dataset.kind=evil\nline"], "dataset"),
        (["dataset.kind=\x1b[31mred"], "dataset"),
        (["latent=" + "[" * 50_000], "latent"),
        (["latent=" + "9" * 5000], "latent"),
        (["net.widths=[4096,4096,4096,4096,4096,4096,4096,4096]", "latent=4096"], "parameters"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_setting_is_refused(refused, settings, says):
    refused("train", *(part for setting in settings for part in ("--set", setting)), says=says)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "run-1\n", "a\0b", "a" * 65, "Upper"])
def test_a_bad_name_is_refused(refused, store, name):
    refused("train", *TINY, "--name", name, says="is not a name")
    assert not (store.root.parent / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "--preset", "nonsense"], "no preset 'nonsense'; choose one of digits-"),
        (["train", "--preset", "digits-z2", "--config", "x"], "give one of them"),
        (["train", "--config", "/nowhere"], "no file"),
        (["train", "--config", "/dev/zero"], "no file"),
        (["train", "--config", "/"], "no file"),
        (["train", "extra"], "unrecognized"),
        (["train", "ex\ntra\x1b"], "unrecognized"),
        (["nonsense"], "invalid choice"),
        ([], "required"),
        (["resume"], "required"),
        (["resume", "nobody"], "no run called 'nobody'"),
        (["resume", "../nobody"], "no run at ../nobody"),
        (["resume", "run-1\n"], "is not a name"),
        (["stop", "nobody"], "no run called 'nobody'"),
        (["add", "/nowhere"], "nothing at /nowhere"),
        (["add", "/etc/hostname"], "neither a run"),
        (["engine", "--slots", "0"], "1 to 64"),
        (["engine", "--slots", "65"], "1 to 64"),
        (["engine", "--slots", "many"], "many"),
        (["evaluate", "nobody"], "no run called 'nobody'"),
        (["evaluate", "nobody", "--samples", "0"], "at least 1"),
        (["evaluate", "nobody", "--images", "-3"], "at least 1"),
        (["evaluate", "nobody", "--images", "9" * 5000], "--images"),
        (["evaluate", "nobody", "--split", "all"], "invalid choice"),
        (["export", "nobody", "--to", "csv", "--out", "x"], "no run called 'nobody'"),
        (["export", "nobody", "--to", "pdf", "--out", "x"], "invalid choice"),
        (["export", "nobody", "--to", "csv"], "required"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_bad_request_is_refused(refused, arguments, says):
    refused(*arguments, says=says)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"config": 3}', b'{"steps": NaN}', b'{"x": 1}']
)
def test_a_bad_config_file_is_refused(refused, tmp_path, content):
    (tmp_path / "bad\nname.json").write_bytes(content)
    refused("train", "--config", tmp_path / "bad\nname.json", says="")


def test_a_name_that_is_taken_is_refused(refused, done):
    refused("train", *TINY, "--name", "finished", says="a run called 'finished' exists")


def test_missing_data_are_told_with_both_ways_out_and_nothing_is_made(refused, monkeypatch, tmp_path):
    for variable in ("VAE_DATA_DIR", "VAE_CACHE_DIR"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    refused("train", "--preset", "mnist-z2", says="VAE_DATA_DIR to a folder")
    refused("train", "--preset", "mnist-z2", says="python -m vae_core fetch mnist")


@pytest.mark.parametrize(("number", "says"), [(errno.EROFS, "VAE_RUNS"), (errno.ENOSPC, "free some space")])
def test_a_store_that_takes_nothing_is_told(refused, store, monkeypatch, number, says):
    store.root.mkdir()
    original = os.mkdir

    def refuse(path, *arguments, **options):
        if str(path).startswith(str(store.root)):
            raise OSError(number, os.strerror(number))
        original(path, *arguments, **options)

    monkeypatch.setattr(os, "mkdir", refuse)
    refused("train", *TINY, says=says)


def test_a_store_that_is_a_file_is_told(refused, command, store, tmp_path):
    (tmp_path / "file").write_text("")
    for arguments in (["train", *TINY], ["engine", "--once"]):
        refused(*arguments, "--runs", tmp_path / "file", says="written")
    assert command("list", "--runs", tmp_path / "file", "--json")[0] == 0


def test_too_little_room_is_told(refused, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 0))
    refused("train", *TINY, says="0 MiB free")


def test_a_failed_training_says_why_and_where(command, store, monkeypatch):
    from vae_core.training.recorder import Recorder

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Recorder, "step", full)
    code, out, error = command("train", *TINY)
    assert (code, error) == (74, "vae_core: The disk is full. Free some space, then resume.\n")
    assert Path(out.strip()) == store.root / "digits"


def test_an_error_of_the_program_is_one_line_too(command, monkeypatch):
    monkeypatch.setattr(RunStore, "__iter__", lambda _: 1 / 0)
    code, out, error = command("list")
    assert (code, out) == (1, "")
    assert error.startswith("vae_core: an error in the program (ZeroDivisionError: division by zero")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KeyboardInterrupt(), 130), (MemoryError(), 71), (OSError(errno.ENOSPC, "full"), 74), (RecursionError(), 2)],
)
def test_whatever_is_raised_has_its_code(command, monkeypatch, raised, code):
    def fail(_):
        raise raised

    monkeypatch.setattr(RunStore, "__iter__", fail)
    assert command("list")[:2] == (code, "")


# resume and stop


def test_resume_goes_on_where_a_run_was_stopped(command, store, done):
    run = store.create(tiny(), "stopped")
    run.post(Stop())
    assert finish(run) == 0
    assert (run.state, run.status().step) == ("stopped", 0)
    assert command("resume", "stopped")[0] == 0
    assert last_words(run) == last_words(done)


def test_resume_of_a_done_run_says_so(command, done):
    before = (done.path / "metrics.jsonl").stat().st_mtime_ns
    code, out, error = command("resume", done.path)
    assert (code, error) == (0, "")
    assert "finished is done" in out
    assert (done.path / "metrics.jsonl").stat().st_mtime_ns == before


def test_resume_of_a_run_that_trains_is_turned_away(refused, store):
    run = store.create(tiny(), "busy", state="running")
    with run.lock().acquire():
        refused("resume", "busy", says="trained by another process", code=75)


def test_resume_overrides_a_stop_that_came_too_late(command, store):
    run = store.create(tiny(), "late")
    write_status(run, Status("stopped", 0))
    for late in (Stop(), Pause()):
        run.post(late)
    assert command("resume", "late")[0] == 0
    assert run.state == "done"


def test_resume_of_a_shipped_run_is_refused(refused, assets):
    RunStore(assets).create(tiny(), "shipped")
    refused("resume", "shipped", says="shipped run cannot be changed")
    refused("stop", "shipped", says="shipped run cannot be changed")


def test_resume_tells_why_it_failed(command, done):
    for path in done.checkpoints():
        os.truncate(path, 9)
    write_status(done, Status("interrupted", 100))
    code, out, error = command("resume", "finished")
    assert (code, out) == (66, "")
    assert "no checkpoint can be read" in error


@pytest.mark.parametrize("state", ["queued", "interrupted", "running"])
def test_stop_posts_the_command_and_returns(command, store, state):
    run = store.create(tiny(), "mine")
    write_status(run, Status(state, 3))
    assert command("stop", "mine") == (0, "", "")
    assert [posted.kind for _, posted in collect(run.path / "commands")] == ["stop"]


def test_stop_of_a_done_run_has_nothing_to_do(command, done):
    code, out, error = command("stop", "finished")
    assert (code, out) == (0, "")
    assert "nothing to stop" in error
    assert collect(done.path / "commands") == []


# list, evaluate, export, add, engine


def test_list_gives_every_run_as_json_and_as_text(command, store, done):
    store.create(tiny(), "waiting")
    code, out, _ = command("list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert set(rows) == {"waiting", "finished"}
    assert {key for row in rows.values() for key in row} == {"name", "state", "step", "steps", "created", "path"}
    assert rows["finished"] | {"created": 0} == {
        "name": "finished", "state": "done", "step": 120, "steps": 120, "created": 0, "path": str(done.path),
    }  # fmt: skip
    code, out, _ = command("list")
    assert code == 0
    assert "waiting" in out
    assert "120 / 120" in out


def test_list_of_an_empty_store_is_empty_json(command):
    assert command("list", "--json") == (0, "[]\n", "")


def test_list_leaves_a_broken_run_out_and_says_so(command, store, done):
    broken = store.create(tiny(), "broken")
    (broken.path / "config.json").write_text("{")
    code, out, error = command("list", "--json")
    names = [row["name"] for row in json.loads(out)]
    assert code == 0
    assert "finished" in names
    assert "broken" not in names
    assert "note: its config.json is not JSON in broken" in error


KEYS = {"elbo", "reconstruction", "kl", "kl_per_dimension", "active_units", "mutual_information",
        "mutual_information_ceiling", "nll", "samples", "images", "count", "split", "step", "beta_reached",
        "collapsed_fraction", "shuffle_cost", "decoder_response"}  # fmt: skip


@pytest.mark.parametrize(("split", "count"), [("test", 297), ("train", 1500)])
def test_evaluate_gives_the_promised_numbers(command, done, split, count):
    code, out, error = command("evaluate", "finished", "--split", split, "--samples", 8, "--images", 20, "--json")
    numbers = json.loads(out)
    assert (code, error) == (0, "")
    assert numbers.keys() == KEYS | {"nll_standard_error"}
    assert (numbers["split"], numbers["count"], numbers["samples"], numbers["images"]) == (split, count, 8, 20)
    assert (numbers["step"], numbers["beta_reached"]) == (120, 1.0)
    assert numbers["elbo"] == pytest.approx(numbers["reconstruction"] - numbers["kl"])
    assert sum(numbers["kl_per_dimension"]) == pytest.approx(numbers["kl"], rel=1e-5)
    assert numbers["kl"] >= 0 > numbers["reconstruction"]
    assert 0 < numbers["nll"] < -numbers["elbo"] + 5
    assert numbers["mutual_information"] <= numbers["mutual_information_ceiling"]


def test_evaluate_prints_a_table_and_its_units(command, done):
    code, out, error = command("evaluate", "finished", "--samples", 2, "--images", 4)
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == KEYS | {"nll_standard_error"}
    assert "nats per image" in error


def test_evaluate_has_no_nll_where_there_is_no_likelihood(command, store):
    run = store.create(tiny(likelihood={"kind": "bernoulli", "binarise": "never"}), "grey")
    assert finish(run) == 0
    numbers = json.loads(command("evaluate", "grey", "--json")[1])
    assert (numbers["nll"], numbers["nll_standard_error"]) == (None, None)


def test_evaluate_without_weights_is_refused(refused, store):
    store.create(tiny(), "fresh")
    refused("evaluate", "fresh", says="no weights to load")


def test_export_to_csv_reads_back(command, done, tmp_path):
    code, out, _ = command("export", "finished", "--to", "csv", "--out", tmp_path / "out.csv")
    assert (code, out.strip()) == (0, str(tmp_path / "out.csv"))
    with open(tmp_path / "out.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(done.rows())


def test_export_to_a_place_that_cannot_be_written_is_refused(refused, done):
    refused("export", "finished", "--to", "csv", "--out", "/dev/null/x", says="could not be written")
    refused("export", "finished", "--to", "csv", "--out", "/", says="could not be written")


def test_add_takes_a_directory_and_a_zip(command, store, done, tmp_path):
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        for path in done.path.rglob("*"):
            archive.write(path, path.relative_to(done.path.parent))
    for source, name in ((done.path, "finished-2"), (tmp_path / "zipped.zip", "zipped")):
        code, out, error = command("add", source)
        assert (code, error) == (0, "")
        assert Path(out.strip()) == store.root / name
        assert same(store[name], done)


def test_an_engine_trains_the_queue_and_ends(command, store):
    run = store.create(tiny())
    assert command("engine", "--once", "--slots", 2) == (0, "", "")
    assert run.state == "done"


def test_a_second_engine_of_a_host_exits_75(refused, store):
    store.root.mkdir()
    with engine_lock(store).acquire():
        refused("engine", says="another engine", code=75)


def test_help_is_quick_and_names_every_command(command):
    code, out, _ = command("--help")
    assert code == 0
    for name in ("train", "resume", "stop", "list", "add", "engine", "evaluate", "export", "fetch", "serve"):
        assert name in out
    for name in ("train", "evaluate", "export"):
        assert command(name, "--help")[0] == 0


# In processes of their own


def test_ctrl_c_interrupts_and_resume_ends_with_the_same_bytes(store, done):
    process = launch("train", *TINY, "--name", "mine", VAE_RUNS=str(store.root))
    run = Run(store.root / "mine")
    wait_for(lambda: run.path.exists())
    run.post(Pace(seconds=20))
    wait_for_step(run, 3)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=20)
    assert (process.returncode, run.state) == (130, "interrupted")
    assert Path(out.strip()) == run.path
    assert error.startswith("vae_core: mine was interrupted after step")
    assert error.count("\n") == 1
    run.post(Pace(seconds=0))
    ended = call("resume", "mine", VAE_RUNS=str(store.root))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert last_words(run) == last_words(done)


def test_a_reader_that_has_enough_of_our_output_is_no_error(done):
    command = [sys.executable, "-m", "vae_core", "list", "--json", "--runs", str(done.path.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
