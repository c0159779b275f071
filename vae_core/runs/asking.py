"""Asking an engine to go on with a run."""

from __future__ import annotations

import dataclasses
import time

from filelock import Timeout

from vae_core import commands
from vae_core.runs.run import Run, remedy, write_status
from vae_core.spec import InputError


def requeue(run: Run) -> None:
    """Ask an engine to go on with a run that has ended before its last step."""
    run.refuse_shipped()
    run.refuse_opened()
    try:
        with run.lock().acquire(timeout=1.0):
            forgive(run)
            write_status(run, dataclasses.replace(run.status(), state="queued", message="", heartbeat=time.time()))
    except Timeout:
        raise InputError(f"{run.name} is being trained already") from None
    except OSError as error:
        raise InputError(f"{run.name} cannot be written ({error.strerror})", fix=remedy(error)) from None


def forgive(run: Run) -> None:
    """Take stops and pauses that came too late for the last attempt out of the mailbox: the next is wanted."""
    folder = run.path / "commands"
    for identity, command in commands.collect(folder):
        if command.kind in ("stop", "pause"):
            commands.discard(folder, identity)
