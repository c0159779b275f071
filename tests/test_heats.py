"""Started races as files: which runs are theirs, and what becomes of them when runs go and come."""

from __future__ import annotations

import pytest

from tests.race_helpers import HEADLINE, recorded_race
from vae_core.races.heats import enter, resume
from vae_core.runs import RunStore, Status, write_status
from vae_core.spec import InputError


def test_more_lanes_do_not_make_a_race_forget_what_was_thrown_away(store: RunStore) -> None:
    begun = recorded_race(store)
    (_, first), (lane, second) = begun.entries()
    path = store.trash(second.name)
    enter(begun, [one for one in HEADLINE.members(1) if one.name == "delayed"])
    assert [(name, run.name) for name, run in begun.gone()] == [(lane, second.name)]
    store.restore(path)
    assert [run.name for _, run in begun.entries()][:2] == [first.name, second.name]


def test_all_runs_of_a_race_are_thrown_away_or_none(store: RunStore) -> None:
    begun = recorded_race(store)
    with begun.entries()[1][1].lock(), pytest.raises(InputError, match="stop it first"):
        begun.trash()
    assert len(begun.entries()) == 2
    assert not store.trashed()


def test_a_title_that_the_disk_does_not_take_is_one_sentence(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = recorded_race(store)

    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vae_core.races.heats.atomic_write", full)
    with pytest.raises(InputError, match="the race headline cannot be written"):
        begun.retitle("Ours")


def test_a_run_that_goes_on_takes_its_stopped_mates_along(store: RunStore) -> None:
    begun = recorded_race(store)
    wanted = [lane for lane in HEADLINE.members(1) if lane.name in ("delayed", "cyclical", "warm-up 100")]
    first, second, third = enter(begun, wanted)
    for run in (first, second):
        write_status(run, Status("stopped", 10))
    resume(first)
    assert [run.state for run in (first, second, third)] == ["queued"] * 3
    assert {run.state for _, run in begun.entries()[:2]} == {"done"}
    with first.lock(), pytest.raises(InputError, match="being trained already"):
        resume(first)
