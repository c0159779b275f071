"""Heats and teams: runs of a race trained as one model in one process, each a run like any other."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable
from concurrent import futures
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.page_helpers import button, html, open_page, said
from tests.race_helpers import without_engine
from tests.run_helpers import finish, start, tiny, wait_for, wait_for_step
from vae_core.checkpoints import load_checkpoint
from vae_core.commands import Checkpoint, Pace, Pause, Resume, SetBeta, Stop, collect
from vae_core.engine import Engine, serve_store
from vae_core.races import Lane, heats, race
from vae_core.races.heats import Heat, enter, heat, mates, post
from vae_core.races.members import Stacked
from vae_core.races.results import evaluation, missing, neglected, results
from vae_core.races.team import _kindred, _shares, common_states, train_with_mates
from vae_core.runs import Run, RunStore, Status, requeue, write_status
from vae_core.schedules import Constant, Warmup
from vae_core.spec import InputError
from vae_core.training.process import Halted, leave

LANES = [
    Lane(name, tiny(beta=beta, seed=seed))
    for name, beta in (("β = 1", Constant()), ("warm-up", Warmup(steps=60)))
    for seed in (0, 1)
]


@pytest.fixture
def begun(store: RunStore) -> Heat:
    """A heat of four tiny runs that wait."""
    return heats.start(store, "headline", LANES)


def runs(begun: Heat) -> list[Run]:
    """Its runs."""
    return [run for _, run in begun.entries()]


def worker(path: str) -> None:
    """The body of a process that trains a team, or two, whatever machine this is."""
    os.environ["OMP_NUM_THREADS"] = "2"
    leave(train_with_mates, path)


def test_a_heat_names_its_runs_and_each_run_its_heat(begun: Heat, store: RunStore) -> None:
    names = [run.name for run in runs(begun)]
    assert names == ["headline-1-s0", "headline-1-s1", "headline-warm-up-s0", "headline-warm-up-s1"]
    assert [lane for lane, _ in begun.entries()] == [lane.name for lane in LANES]
    assert {run.state for run in runs(begun)} == {"queued"}
    assert [run.name for run in mates(runs(begun)[1])] == [names[0], *names[2:]]
    assert mates(store.create(tiny(), "alone")) == []
    other = heats.start(store, "headline", LANES[:1])
    assert (other.name, other.race, heats.heats(store)[0].name) == (
        "headline-2",
        "headline",
        "headline-2",
    )
    enter(begun, [Lane("late", tiny(seed=5))])
    assert [lane for lane, _ in heat(store, "headline").entries()][-1] == "late"
    store.trash(names[0])
    assert runs(begun)[0].name == names[1]


@pytest.mark.parametrize("name", ["nobody", "../x", "a b", ""])
def test_a_heat_that_is_not_there_is_one_sentence(store: RunStore, name: str) -> None:
    with pytest.raises(InputError, match="there is no race called"):
        heat(store, name)


def test_a_broken_file_of_a_heat_is_one_sentence_and_leaves_its_runs_alone(begun: Heat) -> None:
    first = runs(begun)[0]
    begun.path.write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        begun.entries()
    assert mates(first) == []


def test_a_team_writes_what_each_run_would_have_written_alone(begun: Heat, store: RunStore) -> None:
    train_with_mates(str(runs(begun)[0].path))
    for lane, run in zip(LANES, runs(begun), strict=True):
        alone = store.create(lane.config, f"alone-{run.name}")
        assert finish(alone) == 0
        assert (run.state, run.status().step) == ("done", 120)
        assert [(row["step"], row["split"]) for row in run.rows()] == [
            (row["step"], row["split"]) for row in alone.rows()
        ]
        for mine, other in zip(run.rows(), alone.rows(), strict=True):
            assert mine.keys() == other.keys()
            assert mine["elbo"] == pytest.approx(other["elbo"], abs=2e-3)
            assert mine["kl_per_dimension"] == pytest.approx(other["kl_per_dimension"], abs=2e-3)
        norms = [[row["gradient_norm_encoder"] for row in one.rows("train")] for one in (run, alone)]
        assert norms[0] == pytest.approx(norms[1], rel=1e-2)
        mine, other = (load_checkpoint(one.checkpoints()[-1]) for one in (run, alone))
        assert mine.model.keys() == other.model.keys()
        assert mine.optimiser.keys() == other.optimiser.keys()
        for name, tensor in mine.model.items():
            torch.testing.assert_close(tensor, other.model[name], atol=1e-3, rtol=1e-3)
        assert sorted(run.snapshots()) == sorted(alone.snapshots())
        assert evaluation(run)["elbo"] == pytest.approx(run.rows("test")[-1]["elbo"], abs=0.05)
    assert [result.lane for result in results(begun)] == [lane.name for lane in LANES]


def test_a_killed_team_goes_on_from_its_last_common_step(begun: Heat, store: RunStore) -> None:
    first = runs(begun)[0]
    process = start(worker, str(first.path))
    wait_for_step(first, 60)
    process.kill()
    process.join()
    assert {run.state for run in runs(begun)} == {"crashed"}
    wanted = common_states(runs(begun))
    assert {state.step for state in wanted} == {wanted[0].step}
    assert wanted[0].step >= 20
    train_with_mates(str(runs(begun)[2].path))
    alone = store.create(LANES[0].config, "alone")
    finish(alone)
    assert {run.state for run in runs(begun)} == {"done"}
    steps = [row["step"] for row in first.rows("train")]
    assert steps == sorted(set(steps)) == [row["step"] for row in alone.rows("train")]
    assert first.rows("test")[-1]["elbo"] == pytest.approx(alone.rows("test")[-1]["elbo"], abs=5e-3)


def test_what_one_is_asked_all_do_but_beta_is_its_own(store: RunStore) -> None:
    begun = heats.start(store, "headline", LANES, pace=20.0)
    first, *others = runs(begun)
    process = start(worker, str(first.path))
    wait_for_step(first, 2)
    others[1].post(Pause())
    wait_for(lambda: {run.state for run in runs(begun)} == {"paused"})
    others[0].post(SetBeta(schedule=Constant(value=0.25)))
    others[2].post(Resume())
    wait_for(lambda: {run.state for run in runs(begun)} == {"running"})
    wait_for(lambda: others[0].journal())
    wait_for(lambda: others[0].rows("train")[-1]["beta"] == 0.25)
    assert first.rows("train")[-1]["beta"] == 1.0
    others[0].post(Stop())
    process.join(20)
    assert process.exitcode == 0
    assert {run.state for run in runs(begun)} == {"stopped"}
    assert len({run.checkpoints()[-1].name for run in runs(begun)}) == 1


def test_a_run_that_breaks_or_is_thrown_away_leaves_the_others_alone(
    begun: Heat, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = runs(begun)[2]
    fit = Stacked.fit

    def spoiled(self, *arguments, **options):
        for steps in fit(self, *arguments, **options):
            loss = torch.where(torch.arange(4) == 2, torch.nan, steps.loss) if steps.index == 70 else steps.loss
            yield replace(steps, loss=loss)

    monkeypatch.setattr(Stacked, "fit", spoiled)
    train_with_mates(str(runs(begun)[0].path))
    assert [run.state for run in runs(begun)] == ["done", "done", "failed", "done"]
    assert "not finite" in broken.message
    assert evaluation(broken) == {}


def test_runs_that_cannot_be_one_model_train_apart(store: RunStore) -> None:
    begun = heats.start(store, "headline", [LANES[0], Lane("slower", tiny(learning_rate=1e-3, steps=20)), LANES[1]])
    train_with_mates(str(runs(begun)[0].path))
    assert [run.state for run in runs(begun)] == ["done", "queued", "done"]
    train_with_mates(str(runs(begun)[1].path))
    assert all(evaluation(run) for run in runs(begun))


def test_the_engine_trains_a_heat_as_a_team(begun: Heat, store: RunStore) -> None:
    begun_at = time.monotonic()
    serve_store(store, once=True)
    assert {run.state for run in runs(begun)} == {"done"}
    assert len({run.status().pid for run in runs(begun)}) == 1
    assert all(evaluation(run) for run in runs(begun))
    assert time.monotonic() - begun_at < 60


# More runs than one process should train


MANY = [Lane("many", tiny(seed=seed)) for seed in range(6)]


@pytest.fixture
def large(store: RunStore) -> Heat:
    """A heat that two processes share, at a pace of 20 seconds."""
    return heats.start(store, "headline", MANY, pace=20.0)


def begin(large: Heat) -> Any:
    """The process that trains a share of it, and has started the other, when all are under way."""
    process = start(worker, str(runs(large)[0].path))
    wait_for(lambda: all(run.state == "running" and run.rows("train") for run in runs(large)))
    return process


def full_speed(some: Iterable[Run]) -> None:
    """Ask each by itself."""
    for run in some:
        run.post(Pace(seconds=0.0))


def pids(begun: Heat) -> set[int]:
    """The processes that train it."""
    return {run.status().pid for run in runs(begun)}


def test_the_cores_share_a_heat_by_its_seeds(large: Heat, monkeypatch: pytest.MonkeyPatch) -> None:
    third = runs(large)[2]
    for cores, sizes in ((1, [6]), (2, [3, 3]), (64, [3, 3])):
        monkeypatch.setattr("vae_core.races.team.cores", lambda cores=cores: cores)
        own, *others = _shares(third, mates(third))
        assert [len(part) for part in (own, *others)] == sizes
        assert own[0] == third
        assert sorted(run.name for part in (own, *others) for run in part) == [run.name for run in runs(large)]
    assert {run.config.seed for run in own} == {0, 1, 2}
    assert _shares(third, []) == [[third]]


def test_two_processes_train_a_heat_to_the_same_numbers(large: Heat, store: RunStore) -> None:
    full_speed(runs(large))
    start(worker, str(runs(large)[0].path)).join(60)
    assert {run.state for run in runs(large)} == {"done"}
    assert all(evaluation(run) for run in runs(large))
    assert len(pids(large)) == 2
    for lane, run in zip(MANY, runs(large), strict=True):
        alone = store.create(lane.config, f"alone-{run.name}")
        finish(alone)
        assert run.rows("test")[-1]["elbo"] == pytest.approx(alone.rows("test")[-1]["elbo"], abs=2e-3)


def test_what_one_is_asked_both_teams_do(large: Heat) -> None:
    first, *_, last = runs(large)
    process = begin(large)
    assert len(pids(large)) == 2
    post(last, Pause())
    wait_for(lambda: {run.state for run in runs(large)} == {"paused"})
    post(first, SetBeta(schedule=Constant(value=0.25)))
    post(first, Resume())
    wait_for(lambda: {run.state for run in runs(large)} == {"running"})
    wait_for(lambda: first.journal())
    post(first, Pace(seconds=60.0))
    wait_for(lambda: {run.status().pace for run in runs(large)} == {60.0})
    post(last, Stop())
    process.join(20)
    assert process.exitcode == 0
    assert {run.state for run in runs(large)} == {"stopped"}
    assert not any(run.journal() for run in runs(large)[1:])


def test_a_command_reaches_those_that_train_with_the_run_or_soon_will(begun: Heat) -> None:
    (slower,) = enter(begun, [Lane("slower", tiny(learning_rate=1e-3))])
    first, second, queued, ended = (run for run in runs(begun) if run != slower)
    with contextlib.ExitStack() as locks:
        for run in (first, second, slower):
            locks.enter_context(run.lock().acquire(timeout=1))
            write_status(run, Status("running", heartbeat=time.time()))
        write_status(ended, Status("stopped", 20, attempts=1))
        post(first, Pause())
        post(first, Checkpoint())
    kinds = {run.name: [command.kind for _, command in collect(run.path / "commands")] for run in runs(begun)}
    assert kinds == {
        first.name: ["pause", "checkpoint"], second.name: ["pause"], queued.name: ["pause"],
        ended.name: [], slower.name: [],
    }  # fmt: skip


def test_a_signal_ends_both_teams_and_they_go_on_from_there(large: Heat) -> None:
    process = begin(large)
    wait_for(lambda: all(run.checkpoints() for run in runs(large)), 40)
    process.terminate()
    process.join(20)
    assert process.exitcode == 128 + signal.SIGTERM
    assert {run.state for run in runs(large)} == {"interrupted"}
    begun = {run: (run.path / "snapshots" / "00000000.safetensors").stat().st_mtime_ns for run in runs(large)}
    full_speed(runs(large))
    while waiting := [run for run in runs(large) if run.state == "interrupted"]:  # one process for each step
        start(worker, str(waiting[0].path)).join(60)
    assert {run.state for run in runs(large)} == {"done"}
    assert all(steps(run) == steps(runs(large)[0]) for run in runs(large))
    for run, before in begun.items():
        assert (run.path / "snapshots" / "00000000.safetensors").stat().st_mtime_ns == before


def test_a_signal_ends_the_other_team_when_the_first_has_ended(large: Heat) -> None:
    process = begin(large)
    own = [run for run in runs(large) if run.status().pid == process.pid]
    full_speed(own)
    wait_for(lambda: {run.state for run in own} == {"done"})
    process.terminate()
    process.join(20)
    assert process.exitcode == 128 + signal.SIGTERM
    assert sorted(run.state for run in runs(large)) == ["done"] * 3 + ["interrupted"] * 3


def test_the_other_team_ends_with_the_process_that_shared_it_out(large: Heat) -> None:
    process = begin(large)
    process.kill()
    process.join(20)
    wait_for(lambda: sorted(run.state for run in runs(large)) == ["crashed"] * 3 + ["interrupted"] * 3)


def test_runs_of_different_steps_are_not_one_model(large: Heat) -> None:
    steps = {0: (20, 40), 1: (20, 40), 2: (40, 60), 3: (60, 80), 5: (100, 120)}
    for place, own in steps.items():
        for step in own:
            file = runs(large)[place].path / "checkpoints" / f"ckpt-{step:08d}.safetensors"
            file.parent.mkdir(exist_ok=True)
            file.touch()
    found = [[runs(large).index(mate) for mate in _kindred(run)] for run in runs(large)]
    assert found[:5] == [[1, 2], [0, 2], [0, 1], [2], []]


def test_a_run_that_was_trained_is_only_measured_though_others_wait(begun: Heat) -> None:
    first, *others = runs(begun)
    with contextlib.suppress(InputError):
        finish(first)
    requeue(first)
    checkpoints = {path: path.stat().st_mtime_ns for path in first.checkpoints()}
    first.post(Stop())
    train_with_mates(str(first.path))
    assert first.state == "done"
    assert evaluation(first)
    assert {path: path.stat().st_mtime_ns for path in first.checkpoints()} == checkpoints
    assert {run.state for run in others} == {"queued"}


def test_a_device_that_is_not_there_fails_a_heat_in_a_sentence(large: Heat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAE_DEVICE", "tpu")
    with pytest.raises(Halted):
        train_with_mates(str(runs(large)[0].path))
    assert {run.state for run in runs(large)} == {"failed"}
    assert all("no device 'tpu'" in run.message for run in runs(large))


def steps(run: Run) -> list[int]:
    """The steps of its rows, each once."""
    found = [row["step"] for row in run.rows("train")]
    assert found == sorted(set(found))
    return found


def test_a_team_outlives_the_other_that_is_killed(large: Heat) -> None:
    process = begin(large)
    (other,) = pids(large) - {process.pid}
    os.kill(other, signal.SIGKILL)
    wait_for(lambda: sorted(run.state for run in runs(large)) == ["crashed"] * 3 + ["running"] * 3)
    full_speed(runs(large))
    process.join(30)
    assert process.exitcode == 0
    assert sorted(run.state for run in runs(large)) == ["crashed"] * 3 + ["done"] * 3
    train_with_mates(str(next(run for run in runs(large) if run.state == "crashed").path))
    assert {run.state for run in runs(large)} == {"done"}
    assert all(evaluation(run) for run in runs(large))


def test_an_engine_counts_processes_not_runs(large: Heat, store: RunStore) -> None:
    process = begin(large)
    taken: list[str] = []
    later = store.create(tiny(), "later")
    for slots, wanted in ((2, []), (3, [str(later.path)])):
        Engine(store, slots, Recording(taken), once=True)._scan()
        assert taken == wanted
    process.terminate()
    process.join(20)


def test_who_joins_a_race_does_not_wait_for_those_that_run_slowly(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr("vae_core.engine.SETTLING", 1.0)
    begun = heats.start(store, "headline", LANES[:2], pace=60.0)
    first, second = runs(begun)
    engine = threading.Thread(target=serve_store, args=(store,), kwargs={"once": True})
    engine.start()
    wait_for(lambda: {run.state for run in runs(begun)} == {"running"})
    ordinary = store.create(tiny(), "ordinary")
    entered = enter(begun, [*LANES[2:], Lane("slower", tiny(learning_rate=1e-3))])
    wait_for(lambda: {run.state for run in entered} == {"done"}, 40)
    assert {first.state, second.state} == {"running"}
    assert ordinary.state == "queued"
    post(first, Pace(seconds=0.0))
    engine.join(20)
    assert {run.state for run in (*runs(begun), ordinary)} == {"done"}
    assert len({run.status().pid for run in entered}) == 2


class Recording(futures.Executor):
    """Writes down what it is given, and never does it."""

    def __init__(self, taken: list[str]) -> None:
        self.taken = taken

    def submit(self, fn, /, *args, **kwargs):
        self.taken.append(args[0])
        return futures.Future()


def test_what_was_trained_and_not_measured_is_asked_for_again(begun: Heat) -> None:
    train_with_mates(str(runs(begun)[0].path))
    first, second, *_ = runs(begun)
    for run in (first, second):
        (run.path / "evaluation.json").unlink()
    assert neglected(begun) == []  # somebody may be at it
    for run in runs(begun):
        write_status(run, replace(run.status(), heartbeat=time.time() - 61, attempts=9))
    assert neglected(begun) == [first, second]
    rows = first.rows()
    requeue(first)
    requeue(second)
    train_with_mates(str(first.path))
    train_with_mates(str(second.path))
    assert neglected(begun) == []
    assert evaluation(first)
    assert evaluation(second)
    assert first.rows() == rows


def test_what_cannot_be_measured_is_not_asked_for_without_end(begun: Heat, monkeypatch: pytest.MonkeyPatch) -> None:
    train_with_mates(str(runs(begun)[0].path))
    first, *_ = runs(begun)
    (first.path / "evaluation.json").unlink()

    def fail(*_: object) -> dict[str, Any]:
        raise InputError("it cannot be measured")

    monkeypatch.setattr("vae_core.races.results.evaluate", fail)
    for _ in range(3):
        write_status(first, replace(first.status(), heartbeat=time.time() - 61))
        assert neglected(begun) == [first]
        requeue(first)
        train_with_mates(str(first.path))
        assert first.state == "done"
    write_status(first, replace(first.status(), heartbeat=time.time() - 61))
    assert neglected(begun) == []


# The page


@pytest.fixture
def pages(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The store of the pages; no engine is started."""
    monkeypatch.setenv("VAE_RUNS", str(store.root))
    without_engine(monkeypatch)
    return store


def test_the_page_predicts_before_it_runs_and_starts_two_lanes(pages: RunStore) -> None:
    app = open_page("race")
    assert not app.exception
    assert race("headline").prediction in html(app)
    button(app, "Start the race").click().run()
    (begun,) = heats.heats(pages)
    assert [(lane, run.config.seed) for lane, run in begun.entries()] == [("constant 1", 0), ("warm-up 750", 0)]
    assert app.query_params["race"] in ("headline", ["headline"])
    assert "Stop the race" in [one.label for one in app.button]


def test_more_lanes_join_and_the_prediction_waits_for_them(pages: RunStore) -> None:
    begun = heats.start(pages, "headline", race("headline").members(1)[:2])
    app = open_page("race", race=begun.name)
    assert missing(begun, race("headline")) == ["warm-up 300", "warm-up 750", "delayed", "cyclical"]
    app.slider(key="race-steps").set_value(500).run()
    button(app, "Add this warm-up").click().run()
    assert [lane for lane, _ in begun.entries()][-1] == "warm-up 500"
    assert begun.entries()[-1][1].config.beta == Warmup(steps=500)


def test_a_finished_heat_has_its_table_and_says_what_is_missing(pages: RunStore, begun: Heat) -> None:
    train_with_mates(str(runs(begun)[0].path))
    app = open_page("race", race="headline")
    assert not app.exception
    assert "warm-up × 2" in html(app)
    mean = sum(evaluation(run)["elbo"] for run in runs(begun)[:2]) / 2
    assert f"{abs(mean):.2f} ±" in html(app)
    never = "; ".join(lane.name for lane in race("headline").lanes)
    assert f"These lanes have no run here: {never}. “Add a schedule” runs them." in said(app)


def test_a_race_that_is_held_up_says_so_and_can_be_resumed(pages: RunStore, begun: Heat) -> None:
    first, second, third, last = runs(begun)
    write_status(second, Status("stopped", 60, attempts=1))
    write_status(third, Status("done", 120, attempts=1, heartbeat=time.time()))
    write_status(last, Status("failed", 30, attempts=1))
    with first.lock().acquire(timeout=1):
        write_status(first, Status("paused", 12, heartbeat=time.time(), attempts=1))
        app = open_page("race", race="headline")
        assert "1 of 4 runs are done, 1 paused, 1 stopped, 1 failed; 46% of all updates." in said(app)
        button(app, "Resume the race").click().run()
    assert not app.exception
    assert [command.kind for _, command in collect(first.path / "commands")] == ["resume"]
    assert (second.state, third.state, last.state) == ("queued", "done", "failed")
    write_status(first, Status("stopped", 12, attempts=1))
    assert "Resume the race" in [one.label for one in open_page("race", race="headline").button]
    write_status(first, Status("queued", 12, attempts=1))
    assert "Resume the race" not in [one.label for one in open_page("race", race="headline").button]


def test_the_page_asks_for_what_was_not_measured(pages: RunStore, begun: Heat) -> None:
    train_with_mates(str(runs(begun)[0].path))
    lost = runs(begun)[1]
    (lost.path / "evaluation.json").unlink()
    write_status(lost, replace(lost.status(), heartbeat=time.time() - 61))
    assert not open_page("race", race="headline").exception
    assert {run.name for run in runs(begun) if run.state == "queued"} == {lost.name}


def test_asked_first_the_reader_answers_before_the_outcome_is_told(pages: RunStore, begun: Heat) -> None:
    train_with_mates(str(runs(begun)[0].path))
    app = open_page("race", race="headline", ask="1")
    assert "warm-up × 2" not in html(app)
    app.button_group[0].select("both").run()
    button(app, "Show what came of it").click().run()
    assert "You said: both." in said(app)
    assert "warm-up × 2" in html(app)


def test_a_wrong_name_of_a_race_is_said_and_the_choice_is_offered(pages: RunStore) -> None:
    app = open_page("race", race="nobody")
    assert "There is no race called" in app.error[0].value
    assert "Start the race" in [one.label for one in app.button]


def test_the_runs_of_a_race_do_not_fill_the_list_on_home(pages: RunStore, begun: Heat) -> None:
    pages.create(tiny(), "mine")
    app = open_page("home")
    links = {link.proto.label for link in app.get("page_link")}
    assert "mine" in links
    assert not any("headline-1" in label for label in links)
    assert "Who escapes \\(headline\\)" in links
