"""What a process that trains sets once, before its first parallel operation."""

from __future__ import annotations

import torch

from vae_core.system import keep_freed_memory


def set_up(threads: int) -> None:
    """Threads, denormals and memory, for this process as a whole.

    Denormal numbers are flushed to zero, which Adam's moments of dark pixels otherwise become; each thread takes the
    mode it is born with. On Linux freed memory is kept: a step frees and takes the same large blocks over and over
    (a convolutional step takes about a seventh less time for it).
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    keep_freed_memory()
