"""Branches: what is shared with the parent is shared to the last bit."""

import pytest

from tests.run_helpers import finish, numbers, same, tiny
from vae_core.branching import branch, points
from vae_core.checkpoints import BadCheckpoint
from vae_core.commands import Checkpoint, SetBeta
from vae_core.datasets import LinearGaussian
from vae_core.likelihoods import Gaussian
from vae_core.nets import Mlp
from vae_core.runs import Run, RunStore
from vae_core.schedules import Constant
from vae_core.spec import InputError
from vae_core.training import recorder
from vae_core.training.course import Course

PAIR = ("step", "split")


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run whose β was changed at step 0, with a checkpoint kept at step 40."""
    store = RunStore(tmp_path_factory.mktemp("branching") / "runs")
    run = store.create(tiny(), "parent")
    run.post(SetBeta(schedule=Constant(value=0.5)))
    with pytest.MonkeyPatch.context() as patch:
        original = recorder.Recorder.boundary

        def keep(self, step):
            original(self, step)
            if step == 40:
                self.checkpoint(step, asked=True)

        patch.setattr(recorder.Recorder, "boundary", keep)
        assert finish(run) == 0
    return run


def store_of(run: Run) -> RunStore:
    """Where a run lies."""
    return RunStore(run.path.parent)


def rows(run: Run, until: int) -> list:
    """The rows of what happened before `until` updates were done, and of the weights then."""
    return [row for row in run.rows() if row["step"] < until or (row["step"], row["split"]) == (until, "test")]


def test_points_are_the_checkpoints_and_the_snapshots(parent):
    kept = points(parent)
    assert list(kept) == sorted(kept)
    assert [step for step, exact in kept.items() if exact] == [40, 100, 120]
    assert set(kept) - {40, 100, 120} == set(parent.snapshots()) - {40, 100, 120}


@pytest.mark.parametrize("step", [40, 100])
def test_a_branch_from_a_checkpoint_goes_on_as_its_parent_did(parent, step):
    child = branch(parent, step, store_of(parent))
    assert (child.state, child.status().step) == ("queued", step)
    assert child.origin == {"run": "parent", "step": step, "optimiser": "kept"}
    assert child.name.startswith("parent-branch")
    assert child.rows() == rows(parent, step)
    assert child.journal() == parent.journal()
    assert finish(child) == 0
    mine, theirs = numbers(child), numbers(parent)
    kept_by_parent = "checkpoints/ckpt-00000040.safetensors"
    assert {name: mine.get(name) for name in theirs.keys() - {kept_by_parent}} == {
        name: theirs[name] for name in theirs.keys() - {kept_by_parent}
    }


def test_a_branch_with_another_beta_differs_only_afterwards(parent):
    child = branch(parent, 40, store_of(parent), beta=Constant(value=2.0))
    assert [entry["step"] for entry in child.journal()] == [0, 40]
    assert finish(child) == 0
    assert rows(child, 40) == rows(parent, 40)
    later = {row["beta"] for row in child.rows("train") if row["step"] >= 40}
    assert later == {2.0}
    last, last_of_parent = child.rows()[-1], parent.rows()[-1]
    assert {key: last[key] for key in PAIR} == {key: last_of_parent[key] for key in PAIR}
    assert last["elbo"] != last_of_parent["elbo"]


def test_a_change_at_the_very_step_of_the_branch_is_inherited(store):
    run = store.create(tiny(steps=80, checkpoint_every=40))
    Course(run).change(40, Constant(value=0.2), "late")
    assert finish(run) == 0
    child = branch(run, 40, store)
    assert finish(child) == 0
    assert same(run, child)


def test_a_branch_from_a_snapshot_starts_a_fresh_optimiser(parent):
    step = next(step for step, exact in points(parent).items() if not exact and step > 10)
    child = branch(parent, step, store_of(parent))
    assert child.origin == {"run": "parent", "step": step, "optimiser": "fresh"}
    assert finish(child) == 0
    assert child.state == "done"
    assert rows(child, step) == rows(parent, step)
    assert rows(child, 120) != rows(parent, 120)
    assert abs(child.rows("test")[-1]["elbo"] - parent.rows("test")[-1]["elbo"]) < 5


def test_a_branch_from_step_zero_is_possible(parent):
    child = branch(parent, 0, store_of(parent), config=tiny(steps=10))
    assert finish(child) == 0
    assert child.rows()[0] == parent.rows()[0]


def test_a_branch_may_go_further_and_a_branch_of_a_branch_too(parent):
    store = store_of(parent)
    child = branch(parent, 120, store, config=tiny(steps=140), beta=Constant(value=0.1))
    assert finish(child) == 0
    grandchild = branch(child, 140, store, config=tiny(steps=160), name="grandchild")
    assert finish(grandchild) == 0
    assert [row["step"] for row in grandchild.rows("train")][-1] == 159
    assert [entry["step"] for entry in grandchild.journal()] == [0, 120]
    assert grandchild.rows("train")[-1]["beta"] == 0.1


def test_two_branches_from_one_step_are_equal(parent):
    store = store_of(parent)
    one, two = (branch(parent, 100, store, beta=Constant(value=0.3)) for _ in range(2))
    assert finish(one) == finish(two) == 0
    assert same(one, two)


@pytest.mark.parametrize("step", [-1, 41, 99, 121, 10**9])
def test_a_step_of_which_nothing_is_kept_is_refused_and_the_choice_named(parent, step):
    before = len(store_of(parent).own())
    with pytest.raises(InputError, match="neither checkpoint nor snapshot in parent; branch from one of: 0, "):
        branch(parent, step, store_of(parent))
    assert len(store_of(parent).own()) == before


@pytest.mark.parametrize("steps", [1, 99, 100])
def test_a_branch_that_would_end_before_it_begins_is_refused(parent, steps):
    with pytest.raises(InputError, match="give more than 100 steps"):
        branch(parent, 100, store_of(parent), config=tiny(steps=steps))


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"latent": 3}, "latent"), ({"net": Mlp(widths=(9,))}, "net"), ({"likelihood": Gaussian()}, "likelihood"),
     ({"dataset": LinearGaussian()}, "dataset")],
)  # fmt: skip
def test_a_branch_keeps_its_parents_model_and_data(parent, changes, field):
    config = parent.config.model_copy(update=changes)
    with pytest.raises(InputError, match=f"another {field}"):
        branch(parent, 100, store_of(parent), config=config)


def test_a_run_that_wrote_nothing_has_no_points(store):
    run = store.create(tiny())
    assert points(run) == {}
    with pytest.raises(InputError, match="branch from one of: none"):
        branch(run, 0, store)


def test_a_corrupt_checkpoint_is_refused_when_the_branch_is_made(store):
    run = store.create(tiny(steps=20))
    run.post(Checkpoint())
    assert finish(run) == 0
    path = run.checkpoints()[-1]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BadCheckpoint, match="checksum"):
        branch(run, 20, store, config=tiny(steps=40))
    assert len(store.own()) == 1


def test_a_checkpoint_pruned_in_the_meantime_is_told(parent, monkeypatch):
    monkeypatch.setattr("vae_core.branching.points", lambda _: {50: True})
    with pytest.raises(InputError, match="step 50 is gone"):
        branch(parent, 50, store_of(parent))


def test_the_name_of_a_branch_is_never_too_long(store):
    run = store.create(tiny(steps=3), "a" * 64)
    assert finish(run) == 0
    names = [branch(run, 0, store).name for _ in range(3)]
    assert len({run.name for run in store.own()} & set(names)) == 3


def test_others_may_read_a_branch_as_they_may_its_parent(parent):
    child = branch(parent, 100, store_of(parent))
    assert child.path.stat().st_mode == parent.path.stat().st_mode
