"""The mailbox of a run: one small file for each command, renamed in whole, obeyed in order."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationError

from vae_core.schedules import Constant, Schedule
from vae_core.spec import InputError, Variant, atomic_write
from vae_core.system import remove_file


class Pause(Variant):
    """Hold still, and keep the slot."""

    title: ClassVar[str] = "Pause"
    kind: Literal["pause"] = "pause"


class Resume(Variant):
    """Go on after a pause."""

    title: ClassVar[str] = "Resume"
    kind: Literal["resume"] = "resume"


class Stop(Variant):
    """Write a checkpoint and end; the run can be resumed."""

    title: ClassVar[str] = "Stop"
    kind: Literal["stop"] = "stop"


class Checkpoint(Variant):
    """Write a checkpoint that is never pruned."""

    title: ClassVar[str] = "Checkpoint"
    kind: Literal["checkpoint"] = "checkpoint"


class SetBeta(Variant):
    """From now on β follows this schedule (of the run's own step count); it goes through the journal."""

    title: ClassVar[str] = "Set β"
    kind: Literal["beta"] = "beta"
    schedule: Schedule = Constant()


class Pace(Variant):
    """Spread the rows of the whole run over so many seconds; 0 is full speed. Changes no number."""

    title: ClassVar[str] = "Pace"
    kind: Literal["pace"] = "pace"
    seconds: float = Field(default=0.0, ge=0, le=3600)


Command = Annotated[Pause | Resume | Stop | Checkpoint | SetBeta | Pace, Field(discriminator="kind")]
COMMAND: TypeAdapter[Command] = TypeAdapter(Command)


def post(folder: Path, command: Command) -> None:
    """Put a command into a mailbox. Its name sorts by the time of posting."""
    try:
        folder.mkdir(exist_ok=True)
        atomic_write(folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json", command.model_dump_json().encode())
    except OSError as error:
        raise InputError(
            f"the command could not be written ({os.strerror(error.errno or 0)})", folder.parent.name
        ) from None


def collect(folder: Path) -> list[tuple[str, Command]]:
    """The waiting commands in order, each with its id; what is none is thrown away."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith("."))
    except OSError:
        return []
    waiting = []
    for name in names:
        try:
            waiting.append((name.removesuffix(".json"), COMMAND.validate_json((folder / name).read_bytes())))
        except ValidationError:
            discard(folder, name.removesuffix(".json"))
        except OSError:  # taken by somebody else, or out of reach for a moment: it is there at the next look, or gone
            continue
    return waiting


def discard(folder: Path, identity: str) -> None:
    """Take one command out of the mailbox."""
    with contextlib.suppress(OSError):
        remove_file(folder / f"{identity}.json")
