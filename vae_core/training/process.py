"""What a process that trains sets once, before its first parallel operation."""

from __future__ import annotations

import contextlib
import ctypes
import sys

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def set_up(threads: int) -> None:
    """Threads, denormals and memory, for this process as a whole.

    Denormal numbers are flushed to zero, which Adam's moments of dark pixels otherwise become; each thread takes the
    mode it is born with. On Linux freed memory is kept: a step frees and takes the same large blocks over and over
    (a convolutional step takes about a seventh less time for it).
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
            libc = ctypes.CDLL(None)
            libc.mallopt(M_MMAP_THRESHOLD, 2**30)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
