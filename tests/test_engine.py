"""The engine: what is queued gets trained, whoever dies on the way."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from concurrent import futures
from pathlib import Path

import pytest
from filelock import Timeout

from tests.run_helpers import (
    call,
    command_line,
    finish,
    last_words,
    launch,
    remove,
    same,
    start,
    start_training,
    tiny,
    wait_for,
    wait_for_step,
)
from vae_core import engine
from vae_core.branching import branch
from vae_core.commands import Pace, Pause, Stop
from vae_core.engine import FINAL, end_lease, engine_lock, renew_lease, serve_store, supervise
from vae_core.imports import add
from vae_core.runs import Run, RunStore, Status, requeue, write_status


class Inline(futures.Executor):
    """Runs at once what it is given, in this process: the tests' executor, and a stand-in for a cluster's."""

    def __init__(self, function=None) -> None:
        self.seen: list[str] = []
        self.function = function

    def submit(self, fn, /, *args, **kwargs):
        self.seen.append(Path(args[0]).name)
        future = futures.Future()
        try:
            future.set_result((self.function or fn)(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def trained_here(path: str) -> int:
    """`supervise` without a process."""
    return finish(Run(Path(path)))


@pytest.fixture
def engines():
    """Starts engines as processes; none outlives the test."""
    started = []

    def begin(store: RunStore, *options: object):
        started.append(launch("engine", "--runs", store.root, *options))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def test_queued_runs_are_taken_oldest_first(store):
    names = [store.create(tiny(steps=3), name).name for name in ("c", "a", "b")]
    executor = Inline(trained_here)
    serve_store(store, once=True, executor=executor)
    assert executor.seen == names
    assert {run.state for run in store.own()} == {"done"}


def test_an_executor_of_ones_own_is_given_supervise_and_left_open(store):
    run = store.create(tiny())
    with futures.ThreadPoolExecutor(1) as executor:
        serve_store(store, once=True, executor=executor)
        assert run.state == "done"
        assert executor.submit(int).result() == 0


def test_an_engine_serves_twice_in_one_process_and_from_any_thread(store):
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    for _ in range(2):
        run = store.create(tiny(steps=3))
        serve_store(store, once=True, executor=Inline(trained_here))
        assert run.state == "done"
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    run = store.create(tiny(steps=3))
    thread = threading.Thread(
        target=serve_store, args=(store,), kwargs={"once": True, "executor": Inline(trained_here)}
    )
    thread.start()
    thread.join(20)
    assert run.state == "done"


@pytest.mark.parametrize("state", ["queued", "interrupted", "running", "paused"])
def test_what_a_death_left_unfinished_is_taken(store, state):
    run = store.create(tiny(steps=3))
    write_status(run, Status(state, 1))
    serve_store(store, once=True, executor=Inline(trained_here))
    assert run.state == "done"


@pytest.mark.parametrize("state", ["done", "stopped", "failed"])
def test_what_has_ended_is_left_alone(store, state):
    write_status(store.create(tiny()), Status(state, 1))
    executor = Inline(trained_here)
    serve_store(store, once=True, executor=executor)
    assert executor.seen == []


def test_a_run_that_ends_unfinished_is_not_tried_again_until_somebody_asks(store):
    run = store.create(tiny())
    executor = Inline(
        lambda path: write_status(Run(Path(path)), Status("interrupted", 5, heartbeat=time.time())) or 143
    )
    serve_store(store, once=True, executor=executor)
    assert executor.seen == ["digits"]
    worker = engine.Engine(store, 1, Inline(trained_here), once=True)
    worker._given_up = {run.path: run.status().heartbeat}
    assert not worker._scan()
    requeue(run)
    while worker._scan():
        pass
    assert run.state == "done"


def test_a_run_asked_for_again_at_once_is_not_given_up(store):
    run = store.create(tiny())
    attempts = []

    def stop_and_ask_again(path):
        attempts.append(path)
        if len(attempts) == 1:
            write_status(run, Status("stopped", 5))
            requeue(run)
            return 0
        return trained_here(path)

    serve_store(store, once=True, executor=Inline(stop_and_ask_again))
    assert (len(attempts), run.state) == (2, "done")


def test_a_run_whose_process_cannot_start_is_told_and_given_up(store, capsys):
    store.create(tiny())

    def fail(_):
        raise OSError("no more processes")

    executor = Inline(fail)
    serve_store(store, once=True, executor=executor)
    assert executor.seen == ["digits"]
    assert "digits could not be started (no more processes)" in capsys.readouterr().err


def test_a_broken_run_fails_and_the_others_are_trained(store):
    broken, good = store.create(tiny(), "broken"), store.create(tiny(), "good")
    (broken.path / "config.json").write_text("{}")
    serve_store(store, once=True)
    assert (broken.state, good.state) == ("failed", "done")
    assert "config.json" in broken.message


def test_never_more_runs_at_once_than_slots(store):
    for _ in range(4):
        store.create(tiny(steps=60), pace=0.6)
    held = []
    done = threading.Event()

    def count():
        while not done.wait(0.02):
            held.append(sum(run.locked() for run in store.own()))

    thread = threading.Thread(target=count)
    thread.start()
    serve_store(store, 2, once=True)
    done.set()
    thread.join()
    assert {run.state for run in store.own()} == {"done"}
    assert max(held) == 2


@pytest.mark.parametrize("state", ["running", "paused", "stalled"])
def test_a_run_that_others_train_on_this_host_takes_a_slot(store, monkeypatch, state):
    store.create(tiny(), "waiting")
    taken = store.create(tiny(), "taken", lock=True)
    heartbeat = 0.0 if state == "stalled" else time.time()
    said = "running" if state == "stalled" else state
    executor = Inline(trained_here)
    worker = engine.Engine(store, 1, executor, once=False)
    for host, seen in ((engine.platform.node(), []), ("elsewhere", ["waiting"])):
        write_status(taken, Status(said, 1, heartbeat=heartbeat, host=host))
        assert taken.state == state
        worker._scan()
        assert executor.seen == seen
    taken.lock()


def test_a_killed_process_is_replaced_and_the_numbers_are_the_same(store):
    run = store.create(tiny(), pace=2.0)
    with futures.ThreadPoolExecutor(1) as executor:
        future = executor.submit(supervise, str(run.path))
        for step in (20, 40):
            wait_for(lambda: run.state == "running")
            wait_for_step(run, step)
            os.kill(run.status().pid, signal.SIGKILL)
            wait_for(lambda: run.state == "crashed")
        wait_for(lambda: run.state == "running")
        run.post(Pace(seconds=0))
        assert future.result(20) == 0
    undisturbed = store.create(tiny(), "straight")
    finish(undisturbed)
    assert (run.state, run.status().attempts) == ("done", 3)
    assert same(run, undisturbed)


def test_a_process_that_dies_each_time_ends_as_a_failure(store, monkeypatch):
    run = store.create(tiny())
    monkeypatch.setattr(engine, "_child", die)
    assert supervise(str(run.path)) == -signal.SIGKILL
    assert (run.state, run.status().code) == ("failed", -9)
    assert "died 3 times (probably out of memory)" in run.message


def die(_: str) -> None:
    """What the kernel does to a process that wants too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("code", [1, 2, 65, 66, 70, 71, 73, 74, 75, 130, 143, -15, -2])
def test_an_end_that_would_come_again_is_final(code):
    assert code in FINAL


def test_a_removed_run_is_not_made_again(store):
    run = store.create(tiny())
    shutil.rmtree(run.path)
    assert supervise(str(run.path)) == 73
    assert os.listdir(store.root) == []


def test_sigterm_ends_the_engine_soon_and_the_next_one_goes_on(store, engines):
    runs = [store.create(tiny(), pace=20.0) for _ in range(3)]
    first = engines(store, "--slots", 2)
    for run in runs[:2]:
        wait_for_step(run, 3)
    began = time.monotonic()
    first.terminate()
    assert first.wait(10) == 0
    assert time.monotonic() - began < 3
    assert [run.state for run in runs] == ["interrupted", "interrupted", "queued"]
    assert not any(run.locked() for run in runs)
    for run in runs:
        run.post(Pace(seconds=0))
    serve_store(store, 2, once=True)
    assert [run.state for run in runs] == ["done"] * 3
    undisturbed = store.create(tiny(), "straight")
    finish(undisturbed)
    assert last_words(runs[0]) == last_words(undisturbed)


def test_a_run_outlives_its_killed_engine_and_the_next_one_adopts_it(store, engines):
    run = store.create(tiny(), pace=30.0)
    first = engines(store)
    wait_for_step(run, 3)
    first.kill()
    first.wait()
    rows, pid = len(run.rows()), run.status().pid
    waiting = store.create(tiny())
    second = threading.Thread(target=serve_store, args=(store,), kwargs={"once": True})
    second.start()
    wait_for(lambda: len(run.rows()) > rows)
    time.sleep(0.3)
    assert (run.state, waiting.state) == ("running", "queued")
    assert (run.status().pid, run.status().attempts) == (pid, 1)
    run.post(Pace(seconds=0))
    second.join(20)
    assert (run.state, waiting.state, run.status().attempts) == ("done", "done", 1)


def test_a_second_engine_of_this_host_is_turned_away(store):
    store.root.mkdir()
    with engine_lock(store).acquire(), pytest.raises(Timeout):
        serve_store(store)


def test_a_store_that_is_removed_ends_its_runs_and_its_engine(store, monkeypatch):
    run = store.create(tiny(), pace=30.0)
    killer = threading.Thread(target=lambda: (wait_for_step(run, 3), remove(store.root)))
    killer.start()
    serve_store(store)
    killer.join()
    assert not store.root.exists()
    assert not engine._CHILDREN


def test_an_engine_that_nobody_needs_ends_and_a_lease_keeps_it(store, monkeypatch):
    monkeypatch.setattr(engine, "ALONE_FOR", 0.4)
    began = time.monotonic()
    serve_store(store, executor=Inline())
    alone = time.monotonic() - began
    stop = threading.Event()

    def server():
        while not stop.wait(0.05):
            renew_lease(store)
        end_lease(store)

    renew_lease(store)
    thread = threading.Thread(target=server)
    thread.start()
    threading.Timer(1.5, stop.set).start()
    began = time.monotonic()
    serve_store(store, executor=Inline())
    thread.join()
    leased = time.monotonic() - began
    assert 0.4 <= alone < 1.5 < leased < 3.5
    assert not list(store.root.glob("*.lease"))


def test_a_run_that_others_train_keeps_an_engine_that_could_take_it_over(store, monkeypatch):
    monkeypatch.setattr(engine, "ALONE_FOR", 0.2)
    run = store.create(tiny(), pace=1.2)
    process = start_training(run)
    wait_for_step(run, 3)
    serve_store(store)
    assert run.state == "done"
    process.join(20)


def test_stop_and_pause_reach_a_run_of_the_engine(store):
    run = store.create(tiny(), pace=30.0)

    def user():
        wait_for_step(run, 3)
        run.post(Pause())
        wait_for(lambda: run.state == "paused")
        run.post(Stop())

    thread = threading.Thread(target=user)
    thread.start()
    serve_store(store, once=True)
    thread.join()
    assert run.state == "stopped"


def test_a_stop_posted_to_a_queued_run_ends_it_before_its_first_step(store):
    run = store.create(tiny())
    run.post(Stop())
    serve_store(store, once=True)
    assert (run.state, run.status().step) == ("stopped", 0)


def test_a_child_that_comes_too_late_is_ended_too(store, monkeypatch):
    run = store.create(tiny(), pace=30.0)
    monkeypatch.setattr(engine._ENDING, "asked", True)
    began = time.monotonic()
    assert supervise(str(run.path)) in (143, -15)
    assert time.monotonic() - began < 10


def test_looking_at_many_runs_costs_little(store):
    template = store.create(tiny(), "run-0")
    write_status(template, Status("done", 120))
    for number in range(1, 300):
        shutil.copytree(template.path, store.root / f"run-{number}")
    worker = engine.Engine(store, 1, Inline(), once=True)
    costs = []
    for _ in range(5):  # the best of them, for other work makes a look dearer
        began = time.process_time()
        assert not worker._scan()
        costs.append(time.process_time() - began)
    assert min(costs) < 0.1


def test_children_are_started_from_a_server_that_has_torch(store):
    process = start(int)
    process.join(30)
    began = time.monotonic()
    process = start(int)
    process.join(30)
    assert time.monotonic() - began < 1.0


# Processes that load torch anew, as on Windows


def test_an_engine_that_spawns_trains_a_run_and_says_that_it_takes_a_while(store):
    run = store.create(tiny())
    engine_process = launch("engine", "--runs", store.root, "--once", VAE_START_METHOD="spawn")
    wait_for(lambda: run.message == engine.STARTING or run.state != "queued", 60)
    assert (run.state, run.message) == ("queued", "Starting Python…")
    _, complaints = engine_process.communicate(timeout=60)
    assert (engine_process.returncode, complaints) == (0, "")
    assert (run.state, run.message, run.status().attempts) == ("done", "", 1)
    undisturbed = store.create(tiny(), "straight")
    finish(undisturbed)
    assert same(run, undisturbed)


def test_a_spawned_process_that_is_killed_is_replaced(store, monkeypatch):
    monkeypatch.setenv("VAE_START_METHOD", "spawn")
    run = store.create(tiny(), pace=2.0)
    with futures.ThreadPoolExecutor(1) as executor:
        future = executor.submit(supervise, str(run.path))
        wait_for_step(run, 20)
        os.kill(run.status().pid, signal.SIGKILL)
        wait_for(lambda: run.status().attempts == 2, 60)
        run.post(Pace(seconds=0))
        assert future.result(60) == 0
    assert (run.state, run.status().attempts) == ("done", 2)


def test_a_process_that_cannot_be_spawned_says_nothing_of_starting_and_is_given_up(store, monkeypatch, capsys):
    monkeypatch.setenv("VAE_START_METHOD", "spawn")
    run = store.create(tiny())
    said = []

    def fail(_):
        said.append(run.message)
        raise OSError("no more processes")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", fail)
    serve_store(store, once=True)
    assert said == [engine.STARTING]
    assert (run.state, run.message) == ("queued", "")
    assert capsys.readouterr().err.count("could not be started") == 1


def test_a_start_method_that_is_none_is_refused_in_a_sentence(store):
    store.create(tiny())
    done = call("engine", "--runs", store.root, "--once", VAE_START_METHOD="fork")
    assert done.returncode == 2
    assert done.stderr == "vae_core: 'fork' is no way to start a process in VAE_START_METHOD; use forkserver or spawn\n"


# Paths as people have them


def test_a_store_below_spaces_and_umlauts_does_all(tmp_path):
    root = tmp_path / "Jörg's OneDrive – Uni" / "läufe 1"
    store = RunStore(root)
    run = store.create(tiny(), "mine")

    def cli(*arguments):
        # As a terminal of Windows in Western Europe has it.
        command, options = command_line(*arguments, "--runs", root, PYTHONIOENCODING="cp1252:strict")
        done = subprocess.run(command, capture_output=True, timeout=60, check=False, encoding="cp1252", **options)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    cli("engine", "--once")
    assert run.state == "done"
    mine = cli("list").splitlines()[0]
    assert (mine.split()[:2], mine.endswith(f"  {run.path}")) == (["mine", "done"], True)
    assert json.loads(cli("evaluate", "mine", "--samples", "2", "--images", "10", "--json"))["step"] == 120
    table = tmp_path / "Jörg's OneDrive – Uni" / "Übung 1.csv"
    assert cli("export", "mine", "--to", "csv", "--out", table) == f"{table}\n"
    assert len(table.read_text("utf-8").splitlines()) == 1 + len(run.rows())
    assert add(run.path, store).name == "mine-2"
    assert store.restore(store.trash("mine")) == run
    assert branch(run, 120, store, config=tiny(steps=130)).state == "queued"
