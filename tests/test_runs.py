"""The store: names, states and faults of runs on a disk that others share."""

import errno
import json
import os
import shutil
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import Timeout

from tests.run_helpers import finish, hold_lock, start, tiny, wait_for
from vae_core.checkpoints import BadCheckpoint
from vae_core.commands import Pause, SetBeta, Stop, collect
from vae_core.config import RunConfig
from vae_core.nets import Mlp
from vae_core.runs import Run, RunStore, Status, find, held_lock, load, requeue, write_status
from vae_core.spec import InputError

BAD_NAMES = ["../x", "a/b", "", "run-1\n", "a\0", "a" * 65, "Uppercase", "-a", "_a", ".", "..", "a b", "ä", "a.b"]
GOOD_NAMES = ["a", "0", "a-b_c", "a" * 64, "run-1"]
pytestmark = pytest.mark.usefixtures("assets")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def shipped(assets: Path) -> RunStore:
    """Runs `digits` and `old` are shipped."""
    for name in ("digits", "old"):
        RunStore(assets).create(tiny(), name)
    return RunStore(assets)


# Names


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_a_bad_name_is_refused_and_makes_nothing(store, name):
    with pytest.raises(InputError, match="is not a name"):
        store.create(tiny(), name)
    with pytest.raises(InputError, match="is not a name"):
        store[name]
    with pytest.raises(InputError):
        find(name, store)
    assert not store.root.exists()


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_good_name_is_the_directory(store, name):
    run = store.create(tiny(), name)
    assert run.path == store.root / name
    assert store[name] == run == find(name, store) == find(str(run.path), store)


def test_runs_without_a_name_are_called_after_their_data_and_counted(store):
    assert [store.create(tiny()).name for _ in range(3)] == ["digits", "digits-2", "digits-3"]
    assert store.create(tiny(), stem="digits-z2").name == "digits-z2"


@pytest.mark.parametrize("length", [56, 62, 63, 64])
def test_a_counted_name_is_never_too_long(store, length):
    names = [store.create(tiny(), stem="a" * length).name for _ in range(11)]
    assert len(set(names)) == 11
    assert {run.name for run in store.own()} == set(names)


def test_a_name_that_is_taken_is_refused(store):
    store.create(tiny(), "mine")
    (store.root / "folder").mkdir()
    for name in ("mine", "folder"):
        with pytest.raises(InputError, match="exists"):
            store.create(tiny(), name)
    assert sorted(os.listdir(store.root)) == ["folder", "mine"]


def test_a_name_taken_at_the_last_moment_is_refused_or_counted_on(store, monkeypatch):
    original = os.rename

    def faster(source, target):
        if not Path(target).exists():
            shutil.copytree(source, target)
        original(source, target)

    monkeypatch.setattr(os, "rename", faster)
    with pytest.raises(InputError, match="exists"):
        store.create(tiny(), "mine")
    assert os.listdir(store.root) == ["mine"]


def create_many(root: str, count: int) -> None:
    """A process that creates runs without a name."""
    for _ in range(count):
        RunStore(Path(root)).create(tiny())


def test_runs_created_at_the_same_time_get_different_names(store):
    processes = [start(create_many, str(store.root), 20) for _ in range(2)]
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    assert len(store.own()) == 40
    assert sorted(os.listdir(store.root)) == sorted(["digits", *(f"digits-{i}" for i in range(2, 41))])


# The shipped runs, and the order


def test_an_own_run_hides_the_shipped_one_of_its_name(store, shipped):
    assert [(run.name, run.shipped) for run in store] == [("digits", True), ("old", True)]
    own = store.create(tiny(), "digits")
    assert [(run.name, run.shipped) for run in store] == [("digits", False), ("old", True)]
    assert store["digits"] == own
    assert store["old"].shipped


def test_a_counted_name_avoids_the_shipped_ones(store, shipped):
    assert store.create(tiny()).name == "digits-2"


def test_a_shipped_run_cannot_be_changed(store, shipped):
    for change in (requeue, lambda run: run.post(Stop())):
        with pytest.raises(InputError, match="shipped"):
            change(store["old"])
    assert sorted(os.listdir(store["old"].path)) == ["config.json", "status.json"]


def test_runs_come_newest_first(store):
    names = [store.create(tiny(), name).name for name in ("b", "c", "a")]
    assert [run.name for run in store] == names[::-1]


def test_two_stores_know_nothing_of_each_other(store, tmp_path):
    other = RunStore(tmp_path / "other")
    run = store.create(tiny(), "one")
    other.create(tiny(), "two")
    assert [run.name for run in store] == ["one"]
    with pytest.raises(InputError, match="no run called 'one'"):
        other["one"]
    assert find(str(run.path), other) == run


def test_a_path_that_is_no_run_is_refused(store, tmp_path, monkeypatch):
    store.create(tiny(), "one")
    for text in (str(tmp_path), "../x", "a/b", "./one", "a/\0"):
        with pytest.raises(InputError, match="no run at"):
            find(text, store)
    monkeypatch.chdir(store.root)
    assert find("./one", RunStore(tmp_path / "other")).name == "one"


def test_the_default_store_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_RUNS", str(tmp_path))
    assert RunStore.default().root == tmp_path
    monkeypatch.setenv("VAE_RUNS", "")
    assert RunStore.default().root == Path("runs")


# What a run tells of itself


def test_a_new_run_is_queued_and_holds_its_config(store):
    config = tiny(seed=7)
    run = store.create(config, pace=2.5)
    assert (run.state, run.config, run.origin, run.label, run.rows(), run.journal()) == (
        "queued",
        config,
        None,
        {},
        [],
        [],
    )
    assert abs(run.created - time.time()) < 60
    assert run.status().pace == 2.5
    assert [path.name for path in store.root.iterdir()] == [run.name]


def test_others_may_read_a_run_as_far_as_the_umask_lets_them(store):
    run = store.create(tiny())
    before = os.umask(0)
    os.umask(before)
    assert run.path.stat().st_mode & 0o777 == 0o777 & ~before


def test_a_run_created_locked_never_looks_free(store):
    run = store.create(tiny(), state="running", lock=True)
    assert (run.locked(), run.state) == (True, "running")
    with pytest.raises(Timeout):
        run.lock().acquire(timeout=0)
    lock = held_lock(run)
    assert lock.is_locked
    lock.release()
    assert (run.locked(), run.state) == (False, "crashed")


def test_a_finished_run_gives_its_model(store):
    run = store.create(tiny())
    with pytest.raises(BadCheckpoint, match="no weights"):
        run.model()
    assert finish(run) == 0
    assert not load(run.path).training
    steps = [run.model(step)[0] for step in (0, 59, 120, 10**6, None)]
    assert steps[0] == 0
    assert steps[1] <= 59
    assert steps[2:] == [120, 120, 120]
    newest = run.checkpoints()[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    at, vae = run.model()
    assert at == 120, "the snapshot of the last step stands in"
    assert all(torch.isfinite(parameter).all() for parameter in vae.parameters())


@pytest.mark.parametrize(
    "written", ["", "{", "[]", "null", '{"state": 3}', '{"state": "<b>"}', '{"heartbeat": null}', "[" * 9999]
)
def test_a_broken_status_or_label_reads_as_none(store, written):
    run = store.create(tiny())
    for name in ("status.json", "label.json"):
        (run.path / name).write_text(written)
    assert run.status() == Status()
    assert run.state == "queued"
    assert isinstance(run.label, dict)


def test_a_status_of_another_version_keeps_what_is_known(store):
    run = store.create(tiny())
    (run.path / "status.json").write_text('{"state": "done", "step": "seven", "code": 3, "mood": "fine"}')
    assert run.status() == Status(state="done", code=3)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "{",
        "[]",
        '{"format": 99}',
        '{"format": 1, "config": {}}',
        '{"format": 1, "created": 0, "config": 3}',
        "[" * 9999,
    ],
)
def test_a_run_with_a_broken_config_spoils_only_itself(store, written):
    store.create(tiny(), "good")
    broken = store.create(tiny(), "broken")
    (broken.path / "config.json").write_text(written)
    assert [run.name for run in store] == ["good", "broken"]
    with pytest.raises(InputError, match=r"config\.json"):
        _ = broken.config
    with pytest.raises(InputError, match=r"config\.json"):
        _ = broken.created


def test_a_run_that_may_not_be_read_spoils_only_itself(store, monkeypatch):
    store.create(tiny(), "good")
    secret = store.create(tiny(), "secret")

    def denied(original):
        def function(path, *arguments, **options):
            if str(path).startswith(str(secret.path)):
                raise PermissionError(errno.EACCES, "Permission denied")
            return original(path, *arguments, **options)

        return function

    for owner, name in ((os, "stat"), (os, "open"), (Path, "read_bytes")):
        monkeypatch.setattr(owner, name, denied(getattr(owner, name)))
    assert [run.name for run in store] == ["good", "secret"]
    with pytest.raises(InputError, match="Permission denied"):
        _ = secret.config
    assert secret.rows() == []


def test_a_row_that_is_none_is_left_out(store):
    run = store.create(tiny())
    (run.path / "metrics.jsonl").write_text(
        '{"step":1,"split":"train"}\n{"a":1}\nnot json\n[]\n{"step":2,"split":"test"}\n{"st'
    )
    assert [row["step"] for row in run.rows()] == [1, 2]
    assert [row["step"] for row in run.rows("test")] == [2]


def test_the_version_changes_with_all_that_is_shown(store):
    run = store.create(tiny())
    seen = {run.version}
    for name in ("metrics.jsonl", "status.json", "label.json"):
        with open(run.path / name, "a") as file:
            file.write("\n")
        seen.add(run.version)
    assert len(seen) == 4


# States that only the lock can tell


def test_running_without_the_lock_is_crashed(store):
    run = store.create(tiny())
    for state in ("running", "paused"):
        write_status(run, Status(state, 3, heartbeat=time.time()))
        assert run.state == "crashed"
        assert "can resume" in run.message


def test_crashed_on_a_full_disk_says_so(store, monkeypatch):
    run = store.create(tiny())
    write_status(run, Status("running", 3))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 0))
    assert run.message == "The disk is full."


@pytest.mark.parametrize("stored", ["running", "paused"])
def test_a_lock_held_in_silence_is_stalled(store, stored):
    run = store.create(tiny())
    now = time.time()
    write_status(run, Status(stored, 3, heartbeat=now))
    process = start(hold_lock, str(run.path), 60.0)
    wait_for((run.path / "held").exists)
    states = {}
    for silent in (-7200, 0, 29, 31, 7200):
        write_status(run, Status(stored, 3, heartbeat=now - silent))
        states[silent] = run.state
    process.kill()
    process.join()
    assert states == {-7200: stored, 0: stored, 29: stored, 31: "stalled", 7200: "stalled"}
    assert run.state == "crashed"


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_wrong_clock_brings_no_run_to_life_and_kills_none(store, hours):
    run = store.create(tiny())
    write_status(run, Status("running", 3, heartbeat=time.time() + 3600 * hours))
    wrong = time.time() + 3600 * hours
    os.utime(run.path / "status.json", (wrong, wrong))
    assert run.state == "crashed"
    process = start(hold_lock, str(run.path), 60.0)
    wait_for((run.path / "held").exists)
    locked, state = run.locked(), run.state
    process.kill()
    process.join()
    assert locked
    assert state in ("running", "stalled")
    assert run.state == "crashed"


def test_a_run_that_is_gone_is_removed(store):
    run = store.create(tiny())
    shutil.rmtree(run.path)
    assert run.state == "removed"
    assert (run.locked(), run.rows(), run.version) == (False, [], ())
    with pytest.raises(InputError, match="no run at"):
        _ = run.config
    for change in (requeue, lambda run: run.post(Stop())):
        with pytest.raises(InputError):
            change(run)
    assert os.listdir(store.root) == []


def test_asking_for_the_lock_never_brings_a_removed_run_back(store, monkeypatch):
    run = store.create(tiny())
    run.lock().acquire().lock.release()
    monkeypatch.setattr(os.path, "exists", lambda _: True)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    shutil.rmtree(run.path)
    run.path.mkdir()
    assert not run.locked()
    assert os.listdir(run.path) == []


# Asking again


def test_a_run_asked_for_again_forgets_late_stops_and_pauses_but_nothing_else(store):
    run = store.create(tiny(), pace=1.0)
    write_status(run, Status("failed", 30, message="x", code=65))
    for command in (Stop(), Pause(), SetBeta()):
        run.post(command)
    requeue(run)
    assert (run.state, run.status().step, run.status().message) == ("queued", 30, "")
    assert [command.kind for _, command in collect(run.path / "commands")] == ["beta"]


def test_a_run_being_trained_cannot_be_asked_for_again(store):
    run = store.create(tiny(), lock=True, state="running")
    with pytest.raises(InputError, match="trained already"):
        requeue(run)
    held_lock(run).release()


# Faults of the disk


@pytest.mark.parametrize("place", ["a file", "/dev/null/runs"])
def test_a_store_that_cannot_be_is_refused_in_a_sentence(tmp_path, place):
    if place == "a file":
        place = str(tmp_path / "file")
        Path(place).write_text("")
    with pytest.raises(InputError, match="could not be written") as error:
        RunStore(Path(place)).create(tiny())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("function", ["mkdir", "rename", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EROFS, "VAE_RUNS"), (errno.EACCES, "permissions"), (errno.ENOSPC, "free some space")]
)
def test_a_disk_that_takes_nothing_is_told_in_a_sentence_and_left_clean(store, monkeypatch, function, number, remedy):
    store.root.mkdir()

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, function, refuse)
    for options in ({}, {"lock": True}, {"pace": 3.0}):
        with pytest.raises(InputError, match=remedy) as error:
            store.create(tiny(), **options)
        assert os.strerror(number) in str(error.value)
    monkeypatch.undo()
    assert os.listdir(store.root) == []


def test_viewing_works_on_a_disk_that_takes_nothing(store, monkeypatch):
    run = store.create(tiny())
    assert finish(run) == 0
    write_status(run, replace(run.status(), state="running"))
    original = os.open

    def reading_only(path, flags, *arguments, **options):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return original(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", reading_only)
    assert [run.name for run in store] == ["digits"]
    assert run.state == "crashed"
    assert run.model()[0] == 120
    with pytest.raises(InputError, match="Read-only"):
        requeue(run)


def test_too_little_room_for_a_run_is_refused_before_it_begins(store, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(InputError, match="MiB free") as error:
        store.create(tiny())
    assert "free some space" in str(error.value)
    assert not store.root.exists()


def test_the_room_is_measured_where_the_store_will_be(store, monkeypatch):
    asked = []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or Usage(10**12, 0, 10**12))
    RunStore(store.root / "deep" / "down").create(tiny())
    assert asked == [store.root.parent]


def test_a_model_beyond_the_budget_is_refused_without_being_built(store):
    config = RunConfig(net=Mlp(widths=(4096,) * 8), latent=4096)
    with pytest.raises(InputError, match="parameters"):
        store.create(config)
    assert not store.root.exists()


def test_three_hundred_runs_are_listed_within_a_second(store):
    template = store.create(tiny(), "run-0")
    for number in range(1, 300):
        shutil.copytree(template.path, store.root / f"run-{number}")
    began = time.perf_counter()
    states = {run.state for run in store}
    assert states == {"queued"}
    assert time.perf_counter() - began < 1.0


def test_config_json_says_its_format(store):
    card = json.loads((store.create(tiny()).path / "config.json").read_bytes())
    assert card.keys() == {"format", "created", "config", "origin"}
    assert card["format"] == 1


def test_runs_are_values(store):
    run = store.create(tiny())
    assert Run(run.path) == run
    assert {run, store[run.name]} == {run}
