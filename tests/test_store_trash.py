"""The trash, the labels, and what the dead left behind: nothing is lost by a click, and nothing lies about for ever."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.run_helpers import finish, hold_lock, numbers, start, tiny, wait_for, wait_for_step
from vae_core.commands import Stop
from vae_core.engine import serve_store
from vae_core.runs import Run, RunStore, Status, Trashed, held_lock, write_status
from vae_core.runs import trash as trash_module
from vae_core.spec import InputError

pytestmark = pytest.mark.usefixtures("assets")
HOSTILE = ["<img src=x onerror=alert(1)>", "a\u202eb", "𝄞" * 80, "**bold**", "../../etc", "'; DROP TABLE"]


@pytest.fixture
def shipped(assets: Path) -> RunStore:
    """A run `old` is shipped."""
    RunStore(assets).create(tiny(), "old")
    return RunStore(assets)


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for locks."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# There and back


def test_a_run_comes_back_from_the_trash_as_it_was(store):
    run = store.create(tiny(), "mine")
    assert finish(run) == 0
    run.relabel(title="Mine", star=True)
    before, config, size = everything(run.path), run.config, sum(map(len, everything(run.path).values()))
    began = time.time()
    place = store.trash("mine")
    assert not run.path.exists()
    assert list(store) == []
    (trashed,) = store.trashed()
    assert (trashed.name, trashed.path, trashed.bytes) == ("mine", place, size)
    assert began - 1 <= trashed.when <= time.time() + 1
    again = store.restore(trashed)
    assert again == run
    assert (everything(again.path), again.config, again.state) == (before, config, "done")
    assert store.trashed() == []


def test_it_comes_back_by_its_place_too_and_only_once(store):
    store.create(tiny(), "mine")
    place = store.trash("mine")
    assert store.restore(place).name == "mine"
    for gone in (place, Trashed("mine", 0.0, 0, place)):
        with pytest.raises(InputError, match="not in the trash any more"):
            store.restore(gone)


def test_the_trash_is_never_listed_nor_found_and_its_names_are_free(store):
    store.create(tiny(), "mine")
    place = store.trash("mine")
    assert (list(store), store.own()) == ([], [])
    for name in ("mine", ".trash", f".trash/{place.name}", place.name):
        with pytest.raises(InputError):
            store[name]
    assert store.create(tiny(), "mine").name == "mine"


def test_a_name_taken_in_the_meantime_is_counted_on(store):
    first = store.create(tiny(seed=1), "mine").config
    places = [store.trash("mine")]
    store.create(tiny(seed=2), "mine")
    places.append(store.trash("mine"))
    store.create(tiny(seed=3), "mine")
    assert [store.restore(place).name for place in places] == ["mine-2", "mine-3"]
    assert store["mine-2"].config == first
    assert {store[name].config.seed for name in ("mine", "mine-2", "mine-3")} == {1, 2, 3}


def test_an_own_run_that_hid_a_shipped_one_gets_its_name_back(store, shipped):
    store.create(tiny(seed=5), "old")
    place = store.trash("old")
    assert store["old"].shipped
    assert store.restore(place).name == "old"
    assert store["old"].config.seed == 5
    place = store.trash("old")
    (store.root / "old").mkdir()
    assert store.restore(place).name == "old-2"


def test_the_newest_comes_first_and_one_name_may_be_there_twice(store):
    for name in ("a", "b", "a"):
        store.create(tiny(), name)
        store.trash(name)
        time.sleep(0.002)
    trashed = store.trashed()
    assert [one.name for one in trashed] == ["a", "b", "a"]
    assert [one.when for one in trashed] == sorted((one.when for one in trashed), reverse=True)
    assert len({one.path for one in trashed}) == 3


def test_a_store_without_a_trash_has_an_empty_one(store):
    assert store.trashed() == []
    store.empty_trash()
    assert not store.root.exists()


def test_what_else_lies_in_the_trash_is_left_alone(store):
    store.create(tiny(), "mine")
    place = store.trash("mine")
    for name in ("notes.txt", "mine", "Mine.5", "mine.x", "mine.5.6"):
        (place.parent / name).write_text("mine")
    assert [one.name for one in store.trashed()] == ["mine"]
    for name in ("notes.txt", "mine", "../mine", "mine.5.6"):
        with pytest.raises(InputError, match="not in the trash"):
            store.restore(place.parent / name)
    store.empty_trash()
    assert sorted(os.listdir(place.parent)) == ["Mine.5", "mine", "mine.5.6", "mine.x", "notes.txt"]


def test_only_what_is_in_this_trash_is_taken_out(store, tmp_path):
    other = RunStore(tmp_path / "other")
    other.create(tiny(), "mine")
    place = other.trash("mine")
    with pytest.raises(InputError, match="not in the trash"):
        store.restore(place)
    assert [one.path for one in other.trashed()] == [place]


# What may not be thrown away


def test_a_shipped_run_stays(store, shipped):
    with pytest.raises(InputError, match="shipped"):
        store.trash("old")
    assert store["old"].state == "queued"


@pytest.mark.parametrize("name", ["none", "../x", ".trash", ""])
def test_what_is_no_run_cannot_be_thrown_away(store, name):
    store.create(tiny(), "mine")
    with pytest.raises(InputError):
        store.trash(name)
    assert os.listdir(store.root) == ["mine"]


@pytest.mark.parametrize("state", ["running", "paused", "queued", "done"])
def test_a_run_that_somebody_trains_stays(store, state):
    run = store.create(tiny(), "mine")
    write_status(run, Status(state, 3, heartbeat=time.time()))
    process = start(hold_lock, str(run.path), 60.0)
    wait_for((run.path / "held").exists)
    with pytest.raises(InputError, match="being trained; stop it first"):
        store.trash("mine")
    assert run.config == tiny()
    assert store.trashed() == []
    process.kill()
    process.join()
    store.trash("mine")
    assert [one.name for one in store.trashed()] == ["mine"]


def test_a_run_that_this_process_has_just_created_locked_stays(store):
    run = store.create(tiny(), "mine", state="running", lock=True)
    with pytest.raises(InputError, match="stop it first"):
        store.trash("mine")
    held_lock(run).release()
    store.trash("mine")


@pytest.mark.parametrize("state", ["queued", "running", "paused", "stopped", "failed", "interrupted", "done"])
def test_a_run_that_nobody_trains_goes_in_whatever_state(store, state):
    run = store.create(tiny(), "mine")
    write_status(run, Status(state, 3))
    shown = run.state
    store.trash("mine")
    assert run.state == "removed"
    assert store.restore(store.trashed()[0]).state == shown


def test_a_broken_run_can_be_thrown_away(store):
    run = store.create(tiny(), "mine")
    (run.path / "config.json").write_text("{")
    store.trash("mine")
    assert [one.name for one in store.trashed()] == ["mine"]


@pytest.mark.parametrize(("number", "remedy"), [(errno.EROFS, "VAE_RUNS"), (errno.EIO, "permissions")])
@pytest.mark.parametrize("function", ["mkdir", "rename"])
def test_a_disk_that_refuses_is_told_in_a_sentence_and_the_run_stays(store, monkeypatch, function, number, remedy):
    run = store.create(tiny(), "mine")

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, function, refuse)
        with pytest.raises(InputError, match=remedy) as error:
            store.trash("mine")
        assert os.strerror(number) in str(error.value)
    assert (run.state, store.trashed()) == ("queued", [])
    place = store.trash("mine")
    if function == "rename":
        monkeypatch.setattr(os, function, refuse)
        with pytest.raises(InputError, match=remedy):
            store.restore(place)
        monkeypatch.undo()
    assert store.restore(place).state == "queued"


def test_on_windows_the_lock_is_let_go_before_the_folder_moves(store, monkeypatch):
    run = store.create(tiny(), "mine")
    move, locked = trash_module.move_directory, []
    monkeypatch.setattr(trash_module, "move_directory", lambda *paths: locked.append(run.locked()) or move(*paths))
    for windows in (False, True):
        monkeypatch.setattr(trash_module, "WINDOWS", windows)
        store.restore(store.trash("mine"))
    assert locked == [True, False]


# With an engine that takes what is queued


def test_a_queued_run_in_the_trash_is_not_trained_and_is_queued_when_it_is_back(store):
    run = store.create(tiny(), "mine")
    store.trash("mine")
    serve_store(store, once=True)
    assert sorted(path.name for path in store.root.iterdir() if not path.name.endswith(".lock")) == [".trash"]
    assert store.restore(store.trashed()[0]).state == "queued"
    serve_store(store, once=True)
    assert run.state == "done"


def test_a_trained_run_is_thrown_away_after_its_stop(store):
    run = store.create(tiny(), "mine", pace=30.0)
    thread = threading.Thread(target=serve_store, args=(store,), kwargs={"once": True})
    thread.start()
    wait_for_step(run, 3)
    with pytest.raises(InputError, match="stop it first"):
        store.trash("mine")
    run.post(Stop())
    thread.join(20)
    place = store.trash("mine")
    assert Status.read(place / "status.json").state == "stopped"


def test_runs_thrown_away_while_an_engine_takes_them_are_whole_wherever_they_end(store):
    """Whoever is faster: a run is trained to its end, or lies whole in the trash, and nothing else is left."""
    chance = random.Random(0)
    runs = [store.create(tiny(steps=20), f"run-{number}") for number in range(24)]
    thread = threading.Thread(target=serve_store, args=(store, 2), kwargs={"once": True})
    thread.start()
    wait_for(lambda: runs[0].state == "done")
    refused = []
    while waiting := [run for run in runs if run.state == "queued"]:
        time.sleep(chance.uniform(0, 0.1))
        try:
            store.trash(waiting[0].name)  # the very one that is taken next, or this moment
        except InputError as error:
            refused.append(str(error))
    thread.join(60)
    assert not thread.is_alive()
    assert all("stop it first" in sentence for sentence in refused)
    trashed = store.trashed()
    assert {one.name for one in trashed} | {run.name for run in store.own()} == {run.name for run in runs}
    assert {run.state for run in store.own()} <= {"done"}
    assert {Status.read(one.path / "status.json").state for one in trashed} <= {"queued", "done"}
    left = {path.name for path in store.root.iterdir() if path.is_dir()}
    assert left == {run.name for run in store.own()} | {".trash"}
    for one in trashed:
        store.restore(one)
    serve_store(store, 2, once=True)
    assert {run.state for run in store.own()} == {"done"}
    assert len({tuple(sorted(numbers(run).items())) for run in store.own()}) == 1


# For good


def test_an_emptied_trash_is_empty_and_the_runs_are_untouched(store):
    kept = store.create(tiny(), "kept")
    for name in ("a", "b"):
        store.create(tiny(), name)
        store.trash(name)
    before = everything(kept.path)
    store.empty_trash()
    assert store.trashed() == []
    assert os.listdir(store.root / ".trash") == []
    assert everything(kept.path) == before


def test_what_is_half_deleted_never_comes_back_and_is_deleted_the_next_time(store, monkeypatch):
    store.create(tiny(), "mine")
    place = store.trash("mine")

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        with pytest.raises(InputError, match="could not be emptied"):
            store.empty_trash()
    assert store.trashed() == []
    with pytest.raises(InputError, match="not in the trash"):
        store.restore(place)
    assert len(os.listdir(place.parent)) == 1
    store.sweep()
    assert os.listdir(place.parent) == []


def test_a_link_to_a_run_elsewhere_goes_and_the_run_stays(store, tmp_path):
    there = RunStore(tmp_path / "other").create(tiny(), "there")
    store.root.mkdir()
    (store.root / "link").symlink_to(there.path)
    assert store["link"].config == there.config
    assert store.restore(store.trash("link")).config == there.config
    store.trash("link")
    store.empty_trash()
    assert there.state == "queued"
    assert os.listdir(store.root / ".trash") == []


def test_two_hundred_runs_in_the_trash_are_all_told(store):
    template = store.create(tiny(), "mine")
    assert finish(template) == 0
    place = store.trash("mine")
    for number in range(200):
        shutil.copytree(place, place.with_name(f"mine-{number}.{number}"))
    assert len(store.trashed()) == 201


# Labels


def test_a_label_changes_only_what_is_given(store):
    run = store.create(tiny())
    run.relabel(title="  A \n title\t of  mine ", note="one\r\ntwo\n", star=True)
    assert run.label == {"title": "A title of mine", "note": "one\ntwo", "star": True}
    run.relabel(note="three")
    assert run.label == {"title": "A title of mine", "note": "three", "star": True}
    run.relabel()
    run.relabel(title=" ", star=False)
    assert run.label == {"note": "three"}
    run.relabel(note="")
    assert run.label == {}


@pytest.mark.parametrize(
    ("change", "limit"), [({"title": "x" * 81}, "80"), ({"note": "x" * 2001}, "2,000"), ({"title": "a b" * 27}, "80")]
)
def test_a_label_that_is_too_long_is_refused_whole(store, change, limit):
    run = store.create(tiny())
    run.relabel(title="x" * 80, note="y" * 2000)
    with pytest.raises(InputError, match=f"; {limit} are possible"):
        run.relabel(**{"star": True, **change})
    assert run.label == {"title": "x" * 80, "note": "y" * 2000}


def test_white_space_counts_once(store):
    run = store.create(tiny())
    run.relabel(title="a" + " " * 500 + "b")
    assert run.label["title"] == "a b"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_title_is_kept_as_text(store, text):
    run = store.create(tiny())
    run.relabel(title=text, note=text)
    assert run.label == {"title": text, "note": text}
    assert os.listdir(store.root) == [run.name]


def test_what_no_page_could_show_becomes_a_space(store):
    run = store.create(tiny())
    run.relabel(title="a\0b\x1b[31mc\ud800d", note="a\0b\n\tc\ud800")
    assert run.label == {"title": "a b [31mc d", "note": "a b\n\tc"}
    json.dumps(run.label).encode()


def test_a_broken_or_foreign_label_is_mended_or_kept(store):
    run = store.create(tiny())
    for written, after in (("{", {"star": True}), ('{"mood": "fine", "title": 3}', {"mood": "fine", "title": 3})):
        (run.path / "label.json").write_text(written)
        run.relabel(star=True)
        assert run.label == after | {"star": True}


def test_a_shipped_or_removed_run_is_not_labelled(store, shipped):
    with pytest.raises(InputError, match="shipped"):
        store["old"].relabel(star=True)
    run = store.create(tiny())
    shutil.rmtree(run.path)
    with pytest.raises(InputError, match="no run at"):
        run.relabel(title="x")
    assert os.listdir(store.root) == []


def test_a_disk_that_takes_no_label_is_told_and_the_old_one_stays(store, monkeypatch):
    run = store.create(tiny())
    run.relabel(title="old")

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InputError, match="free some space"):
        run.relabel(title="new")
    assert run.label == {"title": "old"}
    assert ".tmp" not in " ".join(os.listdir(run.path))


# Drafts of creators that died


def draft_of(store: RunStore, name: str, hours: float | int) -> Path:
    """What a creator leaves that was killed so long ago."""
    draft = store.root / f".new-{name}"
    shutil.copytree(store.create(tiny()).path, draft)
    os.utime(draft, (time.time() - 3600 * hours,) * 2)
    return draft


@pytest.fixture
def young(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the time of a folder's last change for its age: when its inode changed cannot be set."""
    real = os.stat

    def stat(path, **options):
        result = real(path, **options)
        if ".new-" not in str(path):
            return result
        return os.stat_result((*result[:9], min(result.st_ctime, result.st_mtime)))

    monkeypatch.setattr(os, "stat", stat)


def test_an_engine_sweeps_old_drafts_and_nothing_else(store, young):
    old, fresh, held = (draft_of(store, name, hours) for name, hours in (("old", 1.1), ("fresh", 0.9), ("held", 5)))
    lock = Run(held).lock()
    lock.acquire()
    os.utime(held, (time.time() - 5 * 3600,) * 2)
    (store.root / "folder").mkdir()
    os.utime(store.root / "folder", (0, 0))
    serve_store(store, once=True)
    lock.release()
    assert [path.exists() for path in (old, fresh, held, store.root / "folder")] == [False, True, True, True]
    assert {run.state for run in store.own()} == {"done"}
    store.sweep()
    assert [path.exists() for path in (old, fresh, held)] == [False, True, False]


def test_a_draft_just_made_by_copying_old_files_is_not_old(store):
    draft = draft_of(store, "copied", 100)
    store.sweep()
    assert draft.exists()


def test_a_draft_that_cannot_be_swept_hinders_nobody(store, young, monkeypatch):
    drafts = [draft_of(store, name, 2) for name in ("a", "b")]
    real = shutil.rmtree

    def refuse(path, *arguments, **options):
        if path == drafts[0]:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    store.sweep()
    assert [draft.exists() for draft in drafts] == [True, False]


def test_a_creator_killed_on_the_way_leaves_a_draft_and_no_run(store):
    process = start(create_and_die, str(store.root))
    process.join(20)
    assert process.exitcode == 9
    (draft,) = store.root.iterdir()
    assert draft.name.startswith(".new-")
    assert list(store.own()) == []


def create_and_die(root: str) -> None:
    """A process that dies between writing a run and publishing it."""
    os.rename = lambda *_: os._exit(9)
    RunStore(Path(root)).create(tiny())


def test_a_run_created_locked_is_never_an_engines_to_take(store, monkeypatch):
    """Its folder appears before it is locked, as Windows moves no folder with an open file in it."""
    seen = []
    real = Run.lock

    def lock(run):
        seen.append(run.status().state)
        return real(run)

    monkeypatch.setattr(Run, "lock", lock)
    run = store.create(tiny(), state="running", lock=True)
    assert (seen, run.state) == (["stopped"], "running")
    held_lock(run).release()


def test_a_run_that_cannot_be_locked_leaves_nothing(store, monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Run, "lock", refuse)
    with pytest.raises(InputError, match="free some space"):
        store.create(tiny(), lock=True)
    assert os.listdir(store.root) == []
