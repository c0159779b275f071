"""The worker: whatever happens to it, a run ends with the numbers of one that nothing happened to."""

import errno
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from tests.run_helpers import (
    finish,
    last_words,
    numbers,
    remove,
    same,
    start,
    start_training,
    tiny,
    wait_for,
    wait_for_step,
    worker,
)
from vae_core import commands, records
from vae_core.branching import branch
from vae_core.checkpoints import load_checkpoint
from vae_core.commands import Checkpoint, Pace, Pause, Resume, SetBeta, Stop
from vae_core.config import RunConfig
from vae_core.objectives import Iwae
from vae_core.runs import Run, RunStore
from vae_core.schedules import Constant
from vae_core.spec import InputError
from vae_core.training import Halted, Step, train
from vae_core.training.course import Course
from vae_core.training.recorder import Recorder
from vae_core.training.worker import Worker
from vae_core.vae import VAE

SHORT = tiny(steps=60)
ODD = Constant(value=0.123456789)  # more digits than a record keeps
ASKED, OWNED, BAD_NUMBERS, BAD_CHECKPOINT, REMOVED, FULL = 128 + signal.SIGTERM, 75, 65, 66, 73, 74


def straight(store: RunStore, config: RunConfig | None = None, journal_of: Run | None = None, **options) -> Run:
    """The same run, undisturbed, in this process; with the journal of another from its start."""
    history = None
    if journal_of:
        history = store.root.parent / "journal"
        history.mkdir()
        shutil.copyfile(journal_of.path / "journal.jsonl", history / "journal.jsonl")
    run = store.create(config or tiny(), "straight", history=history, **options)
    assert finish(run) == 0
    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny run to which nothing happened."""
    return straight(RunStore(tmp_path_factory.mktemp("undisturbed") / "runs"))


@pytest.fixture(scope="module")
def undisturbed_short(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same, of half the length."""
    return straight(RunStore(tmp_path_factory.mktemp("undisturbed") / "runs"), SHORT)


def slow(store: RunStore, config: RunConfig | None = None, seconds: float = 3.0) -> Run:
    """A run slow enough to be disturbed."""
    return store.create(config or tiny(), pace=seconds)


def end(process, run: Run, signal_number: int, step: int) -> int:
    """Send a signal once this process has reached a step; the exit code."""
    wait_for(lambda: run.status().pid == process.pid)
    wait_for_step(run, step)
    os.kill(process.pid, signal_number)
    process.join(20)
    return process.exitcode


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_random_steps_ends_with_the_same_bytes(store, undisturbed, seed):
    steps = sorted(random.Random(seed).sample(range(2, 110), 3))
    print("seed", seed, "killed at", steps)
    run = slow(store)
    for step in steps:
        assert end(start_training(run), run, signal.SIGKILL, step) == -signal.SIGKILL
        assert run.state == "crashed"
    run.post(Pace(seconds=0))
    assert finish(run) == 0
    assert run.status().attempts == 4
    assert same(run, undisturbed)


def test_a_killed_run_of_another_bound_ends_with_the_same_bytes(store):
    config = tiny(objective=Iwae(samples=3, sticking_the_landing=True))
    run = slow(store, config)
    assert end(start_training(run), run, signal.SIGKILL, 50) == -signal.SIGKILL
    run.post(Pace(seconds=0))
    assert finish(run) == 0
    assert same(run, straight(store, config))


def test_a_change_of_beta_survives_kills_before_and_after_it(store):
    run = slow(store)
    process = start_training(run)
    wait_for_step(run, 30)
    run.post(SetBeta(schedule=ODD))
    wait_for(run.journal)
    assert end(process, run, signal.SIGKILL, 45) == -signal.SIGKILL
    assert end(start_training(run), run, signal.SIGKILL, 70) == -signal.SIGKILL
    run.post(Pace(seconds=0))
    assert finish(run) == 0
    (entry,) = run.journal()
    assert {row["beta"] for row in run.rows("train") if row["step"] >= entry["step"]} == {0.123457}
    assert {row["beta"] for row in run.rows("train") if row["step"] < entry["step"]} == {1.0}
    assert same(run, straight(store, journal_of=run))


def test_a_change_of_beta_that_arrived_while_nobody_trained_is_obeyed_once(store):
    run = store.create(tiny())
    run.post(SetBeta(schedule=ODD))
    assert finish(run) == 0
    assert [entry["step"] for entry in run.journal()] == [0]
    assert {row["beta"] for row in run.rows("train")} == {0.123457}
    assert [row["beta"] for row in run.rows("test")][:2] == [1.0, 0.123457]
    assert same(run, straight(store, journal_of=run))


def test_the_journal_is_written_before_beta_changes(store, monkeypatch):
    run = store.create(tiny())
    course = Course(run)

    def refuse(*_):
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="full"):
        course.change(10, Constant(value=0.5), "one")
    assert course(10) == 1.0


def test_a_replayed_course_is_the_one_that_ran(store):
    run = store.create(tiny())
    course = Course(run)
    course.change(10, ODD, "one")
    course.change(30, Constant(value=0.7), "two")
    assert [Course(run)(step) for step in (0, 9, 10, 29, 30, 99)] == [course(step) for step in (0, 9, 10, 29, 30, 99)]
    assert (course(9), course(30)) == (1.0, 0.7)


def test_killed_before_the_first_checkpoint_it_starts_again_from_zero(store):
    config = tiny(checkpoint_every=100)
    run = slow(store, config)
    assert end(start_training(run), run, signal.SIGKILL, 20) == -signal.SIGKILL
    assert not run.checkpoints()
    run.post(Pace(seconds=0))
    assert finish(run) == 0
    assert same(run, straight(store, config))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_a_checkpoint_of_that_step(store, undisturbed, number):
    run = slow(store)
    assert end(start_training(run), run, number, 33) == 128 + number
    status = run.status()
    assert (run.state, status.code) == ("interrupted", 128 + number)
    assert status.step > 33
    assert run.checkpoints()[-1].stem == f"ckpt-{status.step:08d}"
    assert run.rows("train")[-1]["step"] == status.step - 1
    run.post(Pace(seconds=0))
    assert finish(run) == 0
    assert last_words(run) == last_words(undisturbed)


def test_pause_keeps_lock_and_resume_goes_on(store, undisturbed):
    run = slow(store)
    process = start_training(run)
    wait_for_step(run, 10)
    run.post(Pause())
    wait_for(lambda: run.state == "paused")
    rows = len(run.rows())
    time.sleep(0.3)
    assert run.locked()
    assert len(run.rows()) == rows
    run.post(Resume())
    wait_for(lambda: run.state == "running")
    run.post(Pace(seconds=0))
    process.join(20)
    assert (process.exitcode, run.state) == (0, "done")
    assert same(run, undisturbed)


def test_a_paused_run_can_be_stopped_and_resumed(store, undisturbed):
    run = slow(store)
    process = start_training(run)
    wait_for_step(run, 10)
    run.post(Pause())
    run.post(Stop())
    process.join(20)
    status = run.status()
    assert (process.exitcode, run.state, status.code) == (0, "stopped", 0)
    assert run.checkpoints()[-1].stem == f"ckpt-{status.step:08d}"
    assert not commands.collect(run.path / "commands")
    run.post(Pace(seconds=0))
    assert finish(run) == 0
    assert last_words(run) == last_words(undisturbed)


def test_a_stop_after_the_last_step_does_not_undo_the_end(store, monkeypatch):
    run = store.create(tiny(steps=3))
    original = Recorder.boundary

    def last_word(self, step):
        original(self, step)
        if step == 3:
            run.post(Stop())

    monkeypatch.setattr(Recorder, "boundary", last_word)
    monkeypatch.setattr("vae_core.training.worker.LOOK_EVERY", 0.0)
    assert finish(run) == 0
    assert run.state == "done"


def test_a_checkpoint_that_was_asked_for_is_never_pruned(store):
    run = slow(store)
    process = start_training(run)
    wait_for_step(run, 10)
    run.post(Checkpoint())
    (asked,) = wait_for(lambda: list((run.path / "checkpoints").glob("*.asked")))
    run.post(Pace(seconds=0))
    process.join(20)
    kept = [path.name for path in run.checkpoints()]
    assert asked.name.removesuffix(".asked") in kept
    assert kept[-2:] == ["ckpt-00000100.safetensors", "ckpt-00000120.safetensors"]
    assert len(kept) == 3
    assert load_checkpoint(run.checkpoints()[0]).step > 0


def test_pace_slows_and_changes_no_number(store, undisturbed):
    paced = store.create(tiny(), pace=1.5)
    began = time.monotonic()
    assert finish(paced) == 0
    assert 1.2 < time.monotonic() - began < 4.0
    assert same(paced, undisturbed)
    assert time.monotonic() - began < 5.0


def test_a_command_that_nobody_can_read_is_set_aside(store):
    run = store.create(tiny())
    (run.path / "commands").mkdir()
    (run.path / "commands" / "0001.json").write_text('{"kind": "explode"}')
    (run.path / "commands" / "0002.json").write_bytes(b"\xff")
    assert finish(run) == 0
    assert os.listdir(run.path / "commands") == []


def test_a_loss_that_is_not_finite_stops_the_run_and_spares_its_checkpoints(store, undisturbed, monkeypatch):
    run = store.create(tiny())
    original = VAE.prepare
    calls = 0

    def prepare(self, images, generator=None):
        nonlocal calls
        training = len(images) == run.config.batch
        calls += training
        return original(self, images, generator) * (torch.nan if training and calls == 57 else 1)

    monkeypatch.setattr(VAE, "prepare", prepare)
    assert finish(run) == BAD_NUMBERS
    assert (run.state, run.status().code) == ("failed", BAD_NUMBERS)
    assert "step 56" in run.message
    assert "last good checkpoint is step 40" in run.message
    last = run.rows()[-1]
    assert (last["step"], last["split"], last["loss"]) == (56, "train", "nan")
    assert load_checkpoint(run.checkpoints()[-1]).step == 40
    monkeypatch.undo()
    assert finish(run) == 0
    assert same(run, undisturbed)


@pytest.mark.parametrize("step", [7, 20])
def test_weights_that_are_not_finite_are_bad_numbers_and_never_saved(store, monkeypatch, step):
    run = store.create(tiny(evaluate_every=20))
    original = Recorder.boundary

    def poison(self, at):
        if at == step:
            next(self.vae.parameters()).data[0] = torch.nan
            if step == 7:
                run.post(Stop())
        original(self, at)

    monkeypatch.setattr(Recorder, "boundary", poison)
    monkeypatch.setattr("vae_core.training.worker.LOOK_EVERY", 0.0)
    assert finish(run) == BAD_NUMBERS
    assert "not finite" in run.message
    assert "no checkpoint exists yet" in run.message
    assert step not in run.snapshots()
    assert not run.checkpoints()


def test_the_newest_checkpoint_being_corrupt_the_one_before_is_used(store, undisturbed):
    run = slow(store)
    assert end(start_training(run), run, signal.SIGKILL, 65) == -signal.SIGKILL
    newest = run.checkpoints()[-1]
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    run.post(Pace(seconds=0))
    assert finish(run) == 0
    assert newest.with_suffix(".corrupt").exists()
    assert last_words(run) == last_words(undisturbed)


def test_with_all_checkpoints_bad_the_run_fails_and_never_starts_again_by_itself(store):
    run = store.create(tiny())
    assert finish(run) == 0
    rows = run.rows()
    for path in run.checkpoints():
        os.truncate(path, 100)
    for _ in range(2):
        assert finish(run) == BAD_CHECKPOINT
        assert run.state == "failed"
        assert "no checkpoint can be read" in run.message
        assert run.rows() == rows


def test_a_second_trainer_is_turned_away(store):
    run = slow(store)
    process = start_training(run)
    wait_for(run.locked)
    with pytest.raises(Halted, match="trained by another process") as halted:
        train(str(run.path))
    assert halted.value.code == OWNED
    run.post(Stop())
    process.join(20)
    assert run.state == "stopped"


def test_a_directory_deleted_while_it_trains_is_not_made_again(store):
    run = slow(store)
    process = start_training(run)
    wait_for_step(run, 10)
    remove(run.path)
    process.join(20)
    assert process.exitcode == REMOVED
    assert run.state == "removed"
    assert os.listdir(store.root) == []


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run at"):
        train(str(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lasting", [True, False], ids=["the disk stays full", "the disk is full once"])
@pytest.mark.parametrize(
    ("function", "call"), [("write", 1), ("write", 40), ("write", 60), ("fsync", 5), ("fsync", 9), ("replace", 30)]
)
def test_a_full_disk_ends_the_run_and_spares_what_is_on_it(
    store, undisturbed_short, monkeypatch, function, call, lasting
):
    run = store.create(SHORT)
    original = getattr(os, function)
    calls = 0

    def full(*arguments):
        nonlocal calls
        calls += 1
        if calls == call or (lasting and calls > call):
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*arguments)

    monkeypatch.setattr(os, function, full)
    assert finish(run) == FULL
    monkeypatch.undo()
    assert not list(run.path.rglob("*.tmp"))
    assert run.state in ("failed", "crashed")
    if run.state == "failed":
        assert run.message.startswith("The disk is full")
    for path in run.checkpoints():
        load_checkpoint(path)
    assert finish(run) == 0
    assert same(run, undisturbed_short)


def test_a_torn_write_counts_as_a_full_disk(store, undisturbed_short, monkeypatch):
    run = store.create(SHORT)
    original = os.write
    monkeypatch.setattr(os, "write", lambda file, data: original(file, data[: len(data) // 2]))
    assert finish(run) == FULL
    monkeypatch.undo()
    assert finish(run) == 0
    assert same(run, undisturbed_short)


def crash_at(path: str, call: int, count_file: str = "") -> None:
    """Train, and die without a word at the given call of a function that writes; half a line may be out."""
    calls = 0

    def dying(name):
        original = getattr(os, name)

        def function(*arguments):
            nonlocal calls
            calls += 1
            if calls == call:
                if name == "write":
                    original(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os._exit(9)
            return original(*arguments)

        return function

    for name in ("write", "replace", "fsync"):
        setattr(os, name, dying(name))
    code = finish(Run(Path(path)))
    if count_file:
        Path(count_file).write_text(str(calls))
    os._exit(code)


def test_a_crash_at_any_write_leaves_a_run_that_ends_the_same(store, tmp_path):
    config = tiny(steps=40, checkpoint_every=10, evaluate_every=20)
    counted = store.create(config)
    process = start(crash_at, str(counted.path), 0, str(tmp_path / "calls"))
    process.join(20)
    calls = int((tmp_path / "calls").read_text())
    undisturbed = straight(store, config)
    assert same(counted, undisturbed)
    for call in sorted({1, 2, 3, calls, *random.Random(3).sample(range(4, calls), 12)}):
        run = store.create(config)
        process = start(crash_at, str(run.path), call)
        process.join(20)
        assert process.exitcode == 9, call
        assert run.state in ("queued", "crashed", "done"), call
        assert records.read(run.path / "metrics.jsonl") == [*run.rows()], call
        for path in run.checkpoints():
            load_checkpoint(path)
        assert finish(run) == 0, call
        assert same(run, undisturbed), call


def test_a_run_that_is_done_can_be_trained_again_without_effect(store):
    run = store.create(tiny())
    assert finish(run) == 0
    before = numbers(run)
    assert finish(run) == 0
    assert numbers(run) == before
    assert run.state == "done"


def test_a_stopped_run_of_no_step_goes_on_from_zero(store, undisturbed):
    run = store.create(tiny())
    run.post(Stop())
    assert finish(run) == 0
    assert (run.state, run.status().step) == ("stopped", 0)
    assert finish(run) == 0
    assert last_words(run) == last_words(undisturbed)


def test_a_broken_config_ends_as_a_failure_that_names_it(store):
    run = store.create(tiny())
    (run.path / "config.json").write_text("{")
    assert finish(run) == 2
    assert run.state == "failed"
    assert "config.json is not JSON" in run.message


def test_an_error_of_the_program_is_told_in_a_sentence(store, monkeypatch):
    run = store.create(tiny())

    def fail(*_):
        raise TypeError("no such thing")

    monkeypatch.setattr(Recorder, "step", fail)
    assert finish(run) == 1
    assert "TypeError: no such thing" in run.message


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (torch.OutOfMemoryError("x"), 71, "smaller batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 71, "Out of memory"),
        (RuntimeError("CUDA error: device-side assert triggered"), 70, "GPU was lost"),
        (OSError(errno.EROFS, "Read-only file system"), 74, "cannot be written"),
    ],
)
def test_each_failure_has_its_code_and_its_hint(store, monkeypatch, error, code, says):
    run = store.create(tiny())

    def fail(*_):
        raise error

    monkeypatch.setattr(Recorder, "step", fail)
    assert finish(run) == code
    assert (run.state, run.status().code) == ("failed", code)
    assert says in run.message


def test_a_failed_attempt_leaks_no_open_file(store, monkeypatch):
    run = store.create(tiny())
    monkeypatch.setattr(Recorder, "boundary", lambda *_: 1 / 0)
    finish(run)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert finish(run) == 1
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("device", ["cuda", "mps", "auto"])
def test_a_missing_gpu_means_the_cpu(store, monkeypatch, device):
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("there is a GPU here")
    monkeypatch.delenv("VAE_DEVICE")
    run = store.create(tiny(device=device, steps=5))
    assert finish(run) == 0
    assert run.status().device == "cpu"


def test_a_device_that_nobody_makes_is_a_bad_request(store, monkeypatch):
    monkeypatch.setenv("VAE_DEVICE", "abacus")
    run = store.create(tiny())
    assert finish(run) == 2
    assert "no device 'abacus'" in run.message


def test_a_worker_is_what_a_branch_starts_too(store):
    run = straight(store)
    child = branch(run, 100, store, name="child")
    process = start(worker, str(child.path))
    process.join(20)
    assert process.exitcode == 0
    assert same(child, run)


def test_a_signal_that_comes_with_the_last_update_still_ends_the_process(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create(tiny())
    record = Worker.record

    def interrupted(self: Worker, step: Step) -> None:
        record(self, step)
        if step.index == run.config.steps - 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Worker, "record", interrupted)
    with pytest.raises(Halted) as halted:
        train(str(run.path))
    assert halted.value.signalled
    assert run.state == "done"
