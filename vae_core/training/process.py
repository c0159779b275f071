"""What every process that trains has in common: how it starts, what ends it, how its end is told, its settings."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch

from vae_core.spec import InputError
from vae_core.system import ENDING_SIGNALS, FORKS, START_METHODS, keep_freed_memory

OK, REFUSED, BAD_NUMBERS, BAD_CHECKPOINT, DEVICE, MEMORY, REMOVED, DISK, OWNED = 0, 2, 65, 66, 70, 71, 73, 74, 75
# Codes after which another attempt would end the same way, or was not wanted; a killed child has a negative one.
FINAL = {
    OK, 1, REFUSED, BAD_NUMBERS, BAD_CHECKPOINT, DEVICE, MEMORY, REMOVED, DISK, OWNED,
    *(128 + number for number in ENDING_SIGNALS), *(-number for number in ENDING_SIGNALS),
}  # fmt: skip
# Adam loads torch._dynamo at its first use, which takes most of a second.
PRELOAD = ["torch._dynamo", "vae_core.races.team"]


class Halted(Exception):
    """Training ended before its last step; `code` says why, the message says it in a sentence."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)

    @property
    def signalled(self) -> bool:
        """Whether a signal asked the process to end."""
        return self.code > 128


def context() -> Any:
    """Processes start from a server that has torch loaded; where there is none, each loads it again.

    `VAE_START_METHOD` chooses (forkserver, spawn) where there is a choice.
    """
    method = os.environ.get("VAE_START_METHOD") or START_METHODS[0]
    if method not in START_METHODS:
        raise InputError(
            f"{method[:40]!r} is no way to start a process", "VAE_START_METHOD", f"use {' or '.join(START_METHODS)}"
        )
    own: Any = mp.get_context(method)
    if method == "forkserver":
        own.set_forkserver_preload(PRELOAD)
    return own


def beside() -> Any:
    """For processes that help this one: forked from it where that is safe, for a server would load torch once more.

    They compute on one thread, or this process has not computed yet.
    """
    own = context()
    return mp.get_context("fork") if FORKS and own.get_start_method() == "forkserver" else own


def when_parent_ends(act: Callable[[], object]) -> None:
    """In a thread, as soon as the process that started this one is gone, however it went."""
    if parent := mp.parent_process():
        threading.Thread(target=lambda: (parent.join(), act()), daemon=True).start()


def leave(work: Callable[..., None], *arguments: Any) -> None:
    """The body of a training process: what `work` raises becomes the exit code; why is in the status of its runs."""
    try:
        work(*arguments)
    except Halted as halted:
        if halted.code == 1:
            traceback.print_exc()
        sys.exit(halted.code)
    except InputError:  # the run is gone
        sys.exit(REMOVED)


@contextlib.contextmanager
def listening(obey: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Meanwhile SIGTERM, Ctrl-C and their like call `obey`; Python lets only the main thread ask for signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, obey) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def set_up(threads: int) -> None:
    """Threads, denormals and memory, for this process as a whole, before its first parallel operation.

    Denormal numbers are flushed to zero, which Adam's moments of dark pixels otherwise become; each thread takes the
    mode it is born with. On Linux freed memory is kept: a step frees and takes the same large blocks over and over
    (a convolutional step takes about a seventh less time for it).
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    keep_freed_memory()
