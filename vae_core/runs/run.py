"""One run: a handle on its directory."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from vae_core import commands, records
from vae_core.checkpoints import (
    BadCheckpoint,
    checkpoints,
    load_checkpoint,
    load_snapshot,
    load_weights,
    step_of,
)
from vae_core.commands import Command
from vae_core.config import OpenedConfig, RunConfig, parse_config
from vae_core.elsewhere import NOT_HERE, TRAIN_THERE
from vae_core.runs.label import changed
from vae_core.runs.lock import RunLock, is_held, present
from vae_core.spec import InputError, atomic_write
from vae_core.system import read_bytes
from vae_core.vae import VAE

FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
ASSETS = Path(__file__).resolve().parents[2] / "assets" / "runs"
OPENED = "opened"  # the folder of a model that was trained elsewhere
STALLED_AFTER = 30.0
STATES = ("queued", "running", "paused", "done", "stopped", "failed", "interrupted")
HELD = ("running", "paused", "stalled")  # by a process
LIVE = ("queued", *HELD)


@dataclass(frozen=True)
class Status:
    """What the worker last said of itself. `state` is a stored one; `Run.state` adds what only the lock can tell."""

    state: str = "queued"
    step: int = 0
    message: str = ""
    code: int = 0
    heartbeat: float = 0.0
    seconds: float = 0.0
    pace: float = 0.0
    attempts: int = 0
    device: str = ""
    host: str = ""
    pid: int = 0

    @classmethod
    def read(cls, path: Path) -> Status:
        """The status in a file; what is missing there, or is of another type, keeps its default."""
        said = _json(path)
        kinds = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        fitting = {key: value for key, value in said.items() if key in kinds and _fits(value, kinds[key])}
        return cls(**fitting) if fitting.get("state", "queued") in STATES else cls()


@dataclass(frozen=True)
class Run:
    """A handle on a run's directory; it holds no state."""

    path: Path

    @property
    def name(self) -> str:
        """The directory's name, which is the run's."""
        return self.path.name

    @property
    def shipped(self) -> bool:
        """Whether the run came with the program: it can be read and branched, never changed."""
        return self.path.parent == ASSETS

    @property
    def config(self) -> RunConfig:
        """What was asked for."""
        return parse_config(json.dumps(self._card()["config"]), f"{self.name}/config.json")

    @property
    def origin(self) -> dict[str, Any] | None:
        """Of a branch the run and step it started from, and whether the optimiser came along; of a run of a race that
        race and its lane; of a cure the run that it is to cure. None for others.
        """
        origin = self._card().get("origin")
        return origin if isinstance(origin, dict) else None

    @property
    def created(self) -> float:
        """Seconds since the epoch."""
        return float(self._card()["created"])

    @property
    def label(self) -> dict[str, Any]:
        """Free text of the users (title, note, star): never trusted, never part of the name."""
        return _json(self.path / "label.json")

    def status(self) -> Status:
        """The worker's last word; the default (queued) before its first."""
        return Status.read(self.path / "status.json")

    @property
    def state(self) -> str:
        """The state to show: the stored one, and `stalled`, `crashed` or `removed` as lock and disk tell."""
        if not present(self.path):
            return "removed"
        status = self.status()
        if status.state not in ("running", "paused"):
            return status.state
        if not self.locked():
            # Between the worker's last word and its letting go of the lock, the word may have changed.
            return "crashed" if (again := self.status().state) == status.state else again
        return "stalled" if time.time() - status.heartbeat > STALLED_AFTER else status.state

    @property
    def message(self) -> str:
        """Why the run is in this state, where there is more to say."""
        if self.state != "crashed":
            return self.status().message
        try:
            full = shutil.disk_usage(self.path).free < 2**20
        except OSError:
            full = False
        return "The disk is full." if full else "The training process ended without a word; it can resume."

    @property
    def version(self) -> tuple[int, ...]:
        """Changes whenever anything a page shows of this run may have changed: the key of cached reads."""
        stamp: list[int] = []
        for name in ("metrics.jsonl", "status.json", "label.json"):
            try:
                info = (self.path / name).stat()
            except OSError:
                continue
            stamp += [info.st_mtime_ns, info.st_size]
        return tuple(stamp)

    def rows(self, split: str | None = None) -> list[records.Record]:
        """The metric rows, in order; of one split ("train", "test") or both."""
        rows = records.read(self.path / "metrics.jsonl")
        return [row for row in rows if "step" in row and row.get("split") in ((split,) if split else ("train", "test"))]

    def journal(self) -> list[records.Record]:
        """The commands that changed the course, with the step at which each took effect."""
        return records.read(self.path / "journal.jsonl")

    def checkpoints(self) -> list[Path]:
        """Oldest first."""
        return checkpoints(self.path / "checkpoints")

    def snapshots(self) -> dict[int, Path]:
        """The weights kept along the way, by step."""
        return {int(path.stem): path for path in sorted((self.path / "snapshots").glob("????????.safetensors"))}

    def post(self, command: Command) -> None:
        """Put a command into the run's mailbox."""
        self.refuse_shipped()
        commands.post(self.path / "commands", command)

    def relabel(self, *, title: str | None = None, note: str | None = None, star: bool | None = None) -> None:
        """Change the label, None keeping what is there; an empty title or note takes it away.

        InputError for a title of more than 80 characters (white space counts once), a note of more than 2,000, a
        shipped run, and a disk that does not take it.
        """
        self.refuse_shipped()
        if not present(self.path):
            raise InputError(f"there is no run at {self.path}", fix="see `list` for the runs there are")
        label = changed(self.label, title, note, star)
        try:
            atomic_write(self.path / "label.json", json.dumps(label).encode())
        except OSError as error:
            raise InputError(f"{self.name} cannot be written ({error.strerror})", fix=remedy(error)) from None

    def refuse_shipped(self) -> None:
        """Raise InputError for a run that came with the program."""
        if self.shipped:
            raise InputError("a shipped run cannot be changed", self.name, fix="branch a run of your own from it")

    def refuse_opened(self) -> None:
        """Raise InputError for a model that was opened, which has nothing to train it on or with."""
        if isinstance(self.config, OpenedConfig):
            raise InputError(NOT_HERE, self.name, fix=TRAIN_THERE)

    def lock(self) -> FileLock:
        """The lock whose holder trains this run; FileNotFoundError when it is acquired and there is no run."""
        return RunLock(self.path / "run.lock", thread_local=False)

    def locked(self) -> bool:
        """Whether a living process trains this run: the only thing that means *running*."""
        return is_held(self.path / "run.lock")

    def model(self, step: int | None = None) -> tuple[int, VAE]:
        """The model after `step` updates, or the newest before it, in evaluation mode; and the step it is from."""
        config = self.config
        if isinstance(config, OpenedConfig):
            return 0, config.model(self.path / OPENED).eval()
        at, weights = self.weights(step)
        vae = config.build()
        load_weights(vae, weights, self.name)
        return at, vae.eval()

    def weights(self, step: int | None = None) -> tuple[int, dict[str, Any]]:
        """The newest weights at or before `step`, from a checkpoint or a snapshot, and the step they are from."""
        sources = {path: (step_of(path), load_checkpoint) for path in self.checkpoints()}
        sources |= {path: (at, load_snapshot) for at, path in self.snapshots().items()}
        usable = sorted((at, read is load_checkpoint, path) for path, (at, read) in sources.items())
        for at, _, path in reversed(usable):
            if step is None or at <= step:
                try:
                    return at, sources[path][1](path).model
                except BadCheckpoint:
                    continue
        raise BadCheckpoint("there are no weights to load", self.name, fix="let the run reach its first checkpoint")

    def _card(self) -> dict[str, Any]:
        try:
            card = json.loads(read_bytes(self.path / "config.json"))
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(f"there is no run at {self.path}", fix="see `list` for the runs there are") from None
        except OSError as error:
            raise InputError(f"its config.json cannot be read ({error.strerror})", self.name) from None
        except (ValueError, RecursionError):
            raise InputError("its config.json is not JSON", self.name, fix="restore it, or remove the run") from None
        if not isinstance(card, dict) or card.get("format") != FORMAT or not isinstance(card.get("config"), dict):
            raise InputError("its config.json is not of this format", self.name, limit=f"format {FORMAT} is read")
        if not _fits(card.get("created"), float):
            raise InputError("its config.json does not say when the run was created", self.name)
        return card


def load(path: str | Path) -> VAE:
    """The newest model of the run in this directory, in evaluation mode on the CPU."""
    return Run(Path(path)).model()[1]


def write_status(run: Run, status: Status, *, durable: bool = True) -> None:
    """Replace status.json whole; only the holder of the lock may call this."""
    atomic_write(run.path / "status.json", json.dumps(dataclasses.asdict(status)).encode(), durable=durable)


def remedy(error: OSError) -> str:
    """What to do about a store that cannot be written."""
    return {28: "free some space", 30: "choose a store that can be written with VAE_RUNS"}.get(
        error.errno or 0, "check the folder's permissions, or choose another with VAE_RUNS"
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_bytes(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _fits(value: object, kind: type) -> bool:
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
