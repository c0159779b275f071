"""What differs between operating systems, in one place; nothing else in the program asks on which one it runs.

Windows refuses to replace, move or remove what somebody has open. Readers here open, read and close, so a refusal
passes in a moment: what could meet one is tried again for about a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

WINDOWS = os.name == "nt"
# How a process may be started, the best first: a fork server has torch loaded, where there can be one.
START_METHODS = ("spawn",) if WINDOWS else ("forkserver", "spawn")
FORKS = sys.platform == "linux"  # safely: macOS has libraries that do not survive it
# The last is Ctrl-Break, which only Windows knows.
ENDING_SIGNALS: tuple[int, ...] = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)
)
# Without it Windows writes each line's end as two bytes.
BINARY: int = getattr(os, "O_BINARY", 0)
PAUSES = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.4)
HELD_OPEN = (5, 32, 33)  # Windows' numbers for: access denied, shared with another process, locked by one
CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW = 0x200, 0x8000000
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

T = TypeVar("T")


def atomic_replace(source: Path, target: Path) -> None:
    """Put a file in the place of another (or of none) in one step. OSError if that cannot be; then both are as before.

    The only place where the program replaces a file.
    """
    _patiently(lambda: os.replace(source, target))


def move_directory(source: Path, target: Path) -> None:
    """Move a directory, whole or not at all, to a place on the same disk where nothing is yet, else OSError.

    How runs are published, put into the trash and taken out again.
    """
    _patiently(lambda: os.rename(source, target))


def remove_file(path: Path) -> None:
    """Delete a file, if it is there; OSError if it stays."""
    _patiently(lambda: path.unlink(missing_ok=True))


def read_bytes(path: Path) -> bytes:
    """The bytes of a file that others replace: on Windows it is out of reach while they do."""
    return _patiently(path.read_bytes, PAUSES[:5]) if WINDOWS else path.read_bytes()


def _patiently(action: Callable[[], T], pauses: tuple[float, ...] = PAUSES) -> T:
    for pause in pauses:
        try:
            return action()
        except OSError as error:
            if not (isinstance(error, PermissionError) or getattr(error, "winerror", None) in HELD_OPEN):
                raise
            time.sleep(pause)
    return action()


def flush_folder(folder: Path) -> None:
    """Make a rename itself survive a power cut, where the system can."""
    if WINDOWS:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def detached() -> dict[str, Any]:
    """Options of `subprocess.Popen` for a process that outlives its parent, and its parent's terminal.

    On Windows it gets a hidden console of its own. With none at all (DETACHED_PROCESS) each of its own children
    would open a window.
    """
    if WINDOWS:
        return {"creationflags": CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def keep_freed_memory() -> None:
    """On Linux, keep freed memory: a training step frees and takes the same large blocks over and over."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def cores() -> int:
    """How many cores this process may use: what `OMP_NUM_THREADS` says, else those it is allowed."""
    wish = os.environ.get("OMP_NUM_THREADS", "")
    if wish.isdecimal() and int(wish):
        return int(wish)
    allowed: Any = getattr(os, "sched_getaffinity", None)  # which only Linux has
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def limit_memory(size: int) -> bool:
    """Let this process have at most so many bytes of address space; False where the system knows no such limit."""
    try:
        import resource  # which Windows does not have
    except ImportError:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    except (ValueError, OSError):  # less is allowed already, or macOS, which has the call and refuses it
        return False
    return True
