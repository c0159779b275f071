"""One program for every operating system: what differs is in one module, and nobody holds a run's files open."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors

from tests.run_helpers import finish, tiny
from vae_core import records, system
from vae_core.branching import branch
from vae_core.checkpoints import load_checkpoint, load_snapshot, newest_state, read_tensors
from vae_core.commands import Pause
from vae_core.exports import to_csv
from vae_core.imports import add
from vae_core.runs import Run, RunStore, requeue, write_status
from vae_core.spec import InputError, atomic_write
from vae_core.system import atomic_replace, cores, detached, flush_folder, move_directory, read_bytes, remove_file
from vae_core.training.course import Course

ROOT = Path(__file__).resolve().parents[1]
OURS = [ROOT / "app.py", *(path for name in ("vae_core", "ui", "pages") for path in (ROOT / name).rglob("*.py"))]
SYSTEM = ROOT / "vae_core" / "system.py"
OF_ONE_SYSTEM = {
    "os": {"name", "uname", "fork", "forkpty", "setsid", "setpgid", "getpgid", "getsid", "killpg", "nice", "getuid",
           "mkfifo", "chown", "startfile", "O_BINARY"},
    "sys": {"platform", "getwindowsversion"},
    "platform": {"system", "uname", "release", "win32_ver"},
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGBREAK", "alarm", "pause"},
    "shutil": {"chown"},
}  # fmt: skip
MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "msvcrt", "winreg", "_winapi", "ctypes"}
OPTIONS = {"start_new_session", "creationflags", "preexec_fn", "process_group", "startupinfo"}


def of_one_system(source: str) -> list[str]:
    """What in a module only one operating system has, or asks which one it is."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                wanted = OF_ONE_SYSTEM.get(module, set())
                found += [f"{module}.{name}"] if name in wanted or name.startswith("sched_") else []
            case ast.ImportFrom(module=str(module), names=names):
                wanted = OF_ONE_SYSTEM.get(module, set())
                found += [f"{module}.{alias.name}" for alias in names if alias.name in wanted]
                found += [module] if module in MODULES else []
            case ast.Import(names=names):
                found += [alias.name for alias in names if alias.name.partition(".")[0] in MODULES]
            case ast.keyword(arg=str(name)) if name in OPTIONS:
                found.append(name)
            case ast.Constant(value=str(name)) if name in OPTIONS:
                found.append(name)
    return found


def renames(source: str) -> list[int]:
    """The lines where something is put in the place of a file or folder: by `os`, `shutil`, or a method of a path."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="replace" | "rename" | "renames" | "link"):
                found.append(node.lineno)
            case ast.Attribute(value=ast.Name(id="shutil"), attr="move"):
                found.append(node.lineno)
            case ast.ImportFrom(module="os" | "shutil", names=names):
                found += [node.lineno for alias in names if alias.name in ("replace", "rename", "renames", "move")]
            # A string's `replace` takes two arguments, a dataclass's takes keywords; a path's takes its target.
            case ast.Call(func=ast.Attribute(attr="replace" | "rename"), args=[_], keywords=[]):
                found.append(node.lineno)
    return sorted(found)


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_one_module_knows_the_operating_system_and_renames(path: Path) -> None:
    source = path.read_text("utf-8")
    if path == SYSTEM:
        assert {"sys.platform", "os.name", "ctypes"} <= set(of_one_system(source))
        assert len(renames(source)) == 2
    else:
        assert (of_one_system(source), renames(source)) == ([], [])


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.name == 'nt'", "import sys\nif sys.platform == 'win32': pass", "os.killpg(os.getpgid(1), 9)",
        "import fcntl", "from resource import getrlimit", "Popen(x, start_new_session=True)",
        "Popen(x, **{'creationflags': 8})", "os.kill(1, signal.SIGKILL)", "from os import fork", "os.sched_setaffinity",
        "import os.path, ctypes.util",
    ],
)  # fmt: skip
def test_the_scan_sees_what_one_system_alone_has(code: str) -> None:
    assert of_one_system(code)


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("os.replace(a, b)", True), ("move = os.rename", True), ("shutil.move(a, b)", True), ("path.rename(b)", True),
        ("(folder / 'x').replace(target)", True), ("from os import replace", True), ("text.replace('a', 'b')", False),
        ("dataclasses.replace(status, state='done')", False), ("replace(status, step=3)", False),
    ],
)  # fmt: skip
def test_the_scan_tells_a_rename_from_a_string(code: str, seen: bool) -> None:
    assert bool(renames(code)) == seen


# Patience


def refusing(real: Callable[..., Any], times: float | int, error: Callable[[], OSError]) -> Callable[..., Any]:
    """A function that refuses so many times, as those of `os` do on Windows while a reader holds the file open."""
    left = times

    def function(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error()
        return real(*arguments, **options)

    return function


def access_denied() -> OSError:
    """What Python makes of Windows' error 5, and of 32."""
    return PermissionError(errno.EACCES, "Permission denied")


def held_by_another() -> OSError:
    """The same where Python knew no better than the number of Windows."""
    error = OSError(0, "The process cannot access the file")
    error.winerror = 32  # type: ignore[attr-defined]
    return error


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which lasted."""
    made: list[float] = []
    monkeypatch.setattr(system.time, "sleep", made.append)
    return made


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a function of `os` refuse from now on."""

    def begin(name: str, times: float | int = float("inf"), error: Callable[[], OSError] = access_denied) -> None:
        monkeypatch.setattr(os, name, refusing(getattr(os, name), times, error))

    return begin


@pytest.mark.parametrize("error", [access_denied, held_by_another])
@pytest.mark.parametrize("times", [1, 3, 7])
def test_a_file_that_a_reader_holds_for_a_moment_is_replaced(tmp_path, refuse, pauses, times, error):
    path = tmp_path / "status.json"
    path.write_bytes(b"old")
    refuse("replace", times, error)
    atomic_write(path, b"new")
    assert (path.read_bytes(), os.listdir(tmp_path), len(pauses)) == (b"new", ["status.json"], times)


@pytest.mark.parametrize("error", [access_denied, held_by_another])
def test_a_file_that_is_held_for_ever_stays_as_it_was(tmp_path, refuse, pauses, error):
    path = tmp_path / "status.json"
    path.write_bytes(b"old")
    refuse("replace", error=error)
    with pytest.raises(OSError, match=error().strerror):
        atomic_write(path, b"new")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["status.json"])
    assert 0.9 <= sum(pauses) <= 1.2
    assert pauses == sorted(pauses)
    assert pauses[0] <= 0.02, "a reader is done in a moment"


def test_a_refusal_that_will_not_pass_is_told_at_once(tmp_path, refuse, pauses):
    for number in (errno.ENOSPC, errno.EROFS, errno.ENOENT, errno.EXDEV):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", refusing(os.replace, 1, lambda n=number: OSError(n, os.strerror(n))))
            with pytest.raises(OSError, match=os.strerror(number)):
                atomic_write(tmp_path / "x", b"")
    assert (pauses, os.listdir(tmp_path)) == ([], [])


def test_a_folder_and_a_deletion_are_patient_too(tmp_path, refuse, pauses):
    (tmp_path / "draft").mkdir()
    refuse("rename", 3)
    move_directory(tmp_path / "draft", tmp_path / "run")
    refuse("unlink", 2)
    (tmp_path / "file").touch()
    remove_file(tmp_path / "file")
    assert (os.listdir(tmp_path), len(pauses)) == (["run"], 5)
    remove_file(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        atomic_replace(tmp_path / "none", tmp_path / "run")


def test_two_threads_that_write_one_file_leave_one_whole_file(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    texts = [letter * 100_000 for letter in (b"a", b"b", b"c", b"d")]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda text: [atomic_write(tmp_path / "x", text, durable=False) for _ in range(50)], texts))
    assert (tmp_path / "x").read_bytes() in texts
    assert os.listdir(tmp_path) == ["x"]


def test_what_is_interrupted_while_it_writes_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "x", b"new")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda run: RunStore(run.path.parent).create(tiny()),
        lambda run: run.post(Pause()),
        lambda run: run.relabel(title="Mine"),
        requeue,
        lambda run: to_csv(run, run.path.parent / "rows.csv"),
    ],
    ids=["create", "post", "relabel", "requeue", "export"],
)
def test_a_store_that_refuses_for_ever_is_told_in_a_sentence(store, refuse, pauses, change):
    run = store.create(tiny())
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    refuse("replace")
    with pytest.raises(InputError, match="Permission denied") as error:
        change(run)
    assert "\n" not in str(error.value)
    after = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file() and path.stat().st_size}
    assert after == before


def test_a_checkpoint_that_a_reader_holds_is_dropped_the_next_time(store, refuse, pauses):
    run = store.create(tiny())
    refuse("unlink", 1)
    assert finish(run) == 0
    assert [int(path.stem[5:]) for path in run.checkpoints()] == [100, 120]
    assert len(os.listdir(run.path / "checkpoints")) == 4


def test_a_command_that_is_out_of_reach_for_a_moment_is_not_lost(store, monkeypatch):
    run = store.create(tiny())
    run.post(Pause())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refusing(Path.read_bytes, 1, access_denied))
        assert not commands_of(run)
    assert commands_of(run) == ["pause"]


def commands_of(run: Run) -> list[str]:
    """The kinds of the waiting commands."""
    from vae_core.commands import collect

    return [command.kind for _, command in collect(run.path / "commands")]


# Windows, as far as it can be tried elsewhere


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program does when it takes the system for Windows."""
    monkeypatch.setattr(system, "WINDOWS", True)


def test_on_windows_folders_are_not_flushed_and_readers_are_patient(windows, tmp_path, monkeypatch, pauses):
    flush_folder(tmp_path / "none")
    (tmp_path / "status.json").write_bytes(b"new")
    monkeypatch.setattr(Path, "read_bytes", refusing(Path.read_bytes, 2, access_denied))
    assert read_bytes(tmp_path / "status.json") == b"new"
    assert len(pauses) == 2
    monkeypatch.setattr(Path, "read_bytes", refusing(Path.read_bytes, 99, access_denied))
    with pytest.raises(PermissionError):
        read_bytes(tmp_path / "status.json")
    assert sum(pauses) < 0.5


def test_elsewhere_folders_are_flushed_and_readers_hear_at_once(tmp_path, monkeypatch, pauses):
    with pytest.raises(FileNotFoundError):
        flush_folder(tmp_path / "none")
    flush_folder(tmp_path)
    monkeypatch.setattr(Path, "read_bytes", refusing(Path.read_bytes, 2, access_denied))
    with pytest.raises(PermissionError):
        read_bytes(tmp_path / "status.json")
    assert pauses == []


def test_on_windows_a_process_is_left_alone_without_a_window(windows):
    # CREATE_NEW_PROCESS_GROUP and CREATE_NO_WINDOW, which subprocess itself knows on Windows alone.
    assert detached() == {"creationflags": 0x08000000 | 0x00000200}


def test_a_detached_process_is_no_part_of_our_session():
    code = "import os; print(os.getsid(0) == os.getpid())"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **detached())
    assert process.stdout.strip() == "True"


def test_the_signals_that_end_a_process():
    assert {signal.SIGTERM, signal.SIGINT} <= set(system.ENDING_SIGNALS)
    assert len(system.ENDING_SIGNALS) == (3 if hasattr(signal, "SIGBREAK") else 2)


def test_lines_end_as_they_were_written(tmp_path):
    assert getattr(os, "O_BINARY", 0) == system.BINARY
    log = records.Log(tmp_path / "rows")
    log.append({"step": 1})
    log.close()
    assert (tmp_path / "rows").read_bytes() == b'{"step":1}\n'


# Nobody holds a run's files open: where one did, Windows would refuse to replace, trash and remove them


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A finished run, with everything a run can have."""
    run = RunStore(tmp_path_factory.mktemp("open") / "runs").create(tiny())
    run.post(Pause())
    requeue(run)
    assert finish(run) == 0
    run.relabel(title="Mine")
    run.post(Pause())
    return run


def held_open(run: Run) -> list[str]:
    """The files of a run that this process has open, or mapped into its memory."""
    descriptors = []
    for number in os.listdir("/proc/self/fd"):
        try:
            descriptors.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue  # of the listing itself
    mapped = Path("/proc/self/maps").read_text("utf-8").splitlines()
    return [line for line in (*descriptors, *mapped) if str(run.path) in line]


READS: dict[str, Callable[[Run], Any]] = {
    "config": lambda run: (run.config, run.created, run.origin, run.label),
    "status": lambda run: (run.status(), run.state, run.message, run.version, run.locked()),
    "rows": lambda run: (run.rows(), run.journal()),
    "tail": lambda run: (tail := records.Tail(run.path / "metrics.jsonl"), tail.read(), tail.read()),
    "course": Course,
    "mailbox": commands_of,
    "checkpoint": lambda run: load_checkpoint(run.checkpoints()[-1]),
    "newest checkpoint": lambda run: newest_state(run.path / "checkpoints"),
    "snapshots": lambda run: [load_snapshot(path) for path in run.snapshots().values()],
    "tensors": lambda run: [read_tensors(path) for path in (*run.snapshots().values(), *run.checkpoints())],
    "weights": lambda run: [run.weights(step) for step in (0, 60, 120, None)],
    "model": lambda run: [run.model(step) for step in (0, 120)],
    "store": lambda run: [(one.state, one.created) for one in RunStore(run.path.parent)],
    "branch": lambda run: branch(run, 120, RunStore(run.path.parent / "x"), config=tiny(steps=130)),
    "add": lambda run: add(run.path, RunStore(run.path.parent / "y")),
    "export": lambda run: to_csv(run, run.path.parent / "rows.csv"),
    "write": lambda run: write_status(run, run.status()),
}

proc = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="only Linux tells what a process has open")


@proc
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_nothing_of_a_run_stays_open_after_a_look_at_it(trained: Run, read: Callable[[Run], Any]) -> None:
    kept = read(trained)
    assert held_open(trained) == []
    del kept


@proc
def test_what_stays_open_is_seen(trained: Run) -> None:
    with safetensors.safe_open(trained.checkpoints()[-1], "pt") as file:
        tensor = file.get_tensor(next(iter(file.keys())))
    assert held_open(trained), "a tensor of safetensors is a window on its file"
    del tensor
    with open(trained.path / "status.json"):
        assert held_open(trained)
    assert held_open(trained) == []


@pytest.mark.parametrize(("wish", "wanted"), [("3", 3), ("1", 1), ("0", 5), ("", 5), ("two", 5), ("-2", 5)])
def test_the_cores_are_those_allowed_unless_the_user_says_fewer(
    monkeypatch: pytest.MonkeyPatch, wish: str, wanted: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(5)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", wish)
    assert cores() == wanted
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == (wanted if wanted != 5 else 1)
