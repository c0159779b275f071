"""Runs and their store: a run is a directory, and everything known of it is read from there each time."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vae_core import commands, records
from vae_core.checkpoints import BadCheckpoint, checkpoints, load_checkpoint, load_snapshot, load_weights
from vae_core.commands import Command
from vae_core.config import RunConfig, parse_config
from vae_core.spec import InputError, atomic_write
from vae_core.vae import VAE

FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
ASSETS = Path(__file__).resolve().parent.parent / "assets" / "runs"
STALLED_AFTER = 30.0
LIVE = ("queued", "running", "paused", "stalled")


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


@dataclass(frozen=True)
class Run:
    """A handle on a run's directory; it holds no state."""

    path: Path

    @property
    def name(self) -> str:
        """The directory's name, which is the run's."""
        return self.path.name

    @property
    def config(self) -> RunConfig:
        """What was asked for."""
        return parse_config(json.dumps(self._card()["config"]), f"{self.name}/config.json")

    @property
    def origin(self) -> dict[str, Any] | None:
        """For a branch: the run and step it started from, and whether the optimiser came along."""
        return self._card().get("origin")

    @property
    def created(self) -> float:
        """Seconds since the epoch."""
        return float(self._card()["created"])

    @property
    def label(self) -> dict[str, Any]:
        """Free text of the users (title, note, star): never trusted, never part of the name."""
        try:
            label = json.loads((self.path / "label.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return label if isinstance(label, dict) else {}

    def status(self) -> Status:
        """The worker's last word; the default (queued) before its first."""
        try:
            data = json.loads((self.path / "status.json").read_bytes())
            known = {field.name for field in dataclasses.fields(Status)}
            return Status(**{key: value for key, value in data.items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return Status()

    @property
    def state(self) -> str:
        """The state to show: the stored one, and `stalled`, `crashed` or `removed` as lock and disk tell."""
        if not (self.path / "config.json").exists():
            return "removed"
        status = self.status()
        if status.state not in ("running", "paused"):
            return status.state
        if not self.locked():
            # Between the worker's last word and its letting go of the lock, the word may have changed.
            return "crashed" if (again := self.status().state) == status.state else again
        silent = time.time() - status.heartbeat
        return "stalled" if silent > STALLED_AFTER and status.state == "running" else status.state

    @property
    def message(self) -> str:
        """Why the run is in this state, where there is more to say."""
        if self.state == "crashed":
            free = shutil.disk_usage(self.path).free
            return "The disk is full." if free < 2**20 else "The training process ended without a word; it can resume."
        return self.status().message

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
        return [row for row in rows if split in (None, row.get("split"))]

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
        if self.path.parent == ASSETS:
            raise InputError("a shipped run cannot be changed", self.name, fix="branch a run of your own from it")
        commands.post(self.path / "commands", command)

    def lock(self) -> FileLock:
        """The lock whose holder trains this run."""
        return FileLock(self.path / "run.lock")

    def locked(self) -> bool:
        """Whether a living process trains this run: the only thing that means *running*."""
        if not (self.path / "run.lock").exists():
            return False
        lock = self.lock()
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # a read-only store holds no trainer of ours
            return False
        lock.release()
        return False

    def model(self, step: int | None = None) -> tuple[int, VAE]:
        """The model after `step` updates, or the newest before it, in evaluation mode; and the step it is from."""
        at, weights = self.weights(step)
        vae = self.config.build()
        load_weights(vae, weights, self.name)
        return at, vae.eval()

    def weights(self, step: int | None = None) -> tuple[int, dict[str, Any]]:
        """The newest weights at or before `step`, from a checkpoint or a snapshot, and the step they are from."""
        sources = {path: (int(path.stem.removeprefix("ckpt-")), load_checkpoint) for path in self.checkpoints()}
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
            card = json.loads((self.path / "config.json").read_bytes())
        except OSError:
            raise InputError(f"there is no run at {self.path}", fix="see `list` for the runs there are") from None
        except ValueError:
            raise InputError("config.json is not JSON", self.name, fix="restore it, or remove the run") from None
        if not isinstance(card, dict) or card.get("format") != FORMAT or not isinstance(card.get("config"), dict):
            raise InputError("config.json is not of this format", self.name, limit=f"format {FORMAT} is read")
        return card


@dataclass(frozen=True)
class RunStore:
    """A folder of runs; the shipped ones are seen through it, read-only, where it has none of that name."""

    root: Path

    @classmethod
    def default(cls) -> RunStore:
        """The store of `VAE_RUNS`, or `runs/` here."""
        return cls(Path(os.environ.get("VAE_RUNS") or "runs"))

    def __iter__(self) -> Iterator[Run]:
        """The store's runs, newest first, then the shipped ones."""
        own = sorted(self._folders(self.root), key=_age)
        names = {run.name for run in own}
        yield from own
        yield from (run for run in sorted(self._folders(ASSETS), key=lambda run: run.name) if run.name not in names)

    def __getitem__(self, name: str) -> Run:
        """The run of that name; names with path parts are refused."""
        check_name(name)
        for root in (self.root, ASSETS):
            if (root / name / "config.json").exists():
                return Run(root / name)
        raise InputError(f"there is no run called {name!r}", str(self.root), fix="see `list` for the runs there are")

    def create(
        self,
        config: RunConfig,
        name: str | None = None,
        *,
        stem: str | None = None,
        pace: float = 0.0,
        origin: dict[str, Any] | None = None,
        history: Path | None = None,
        state: str = "queued",
        step: int = 0,
        lock: bool = False,
    ) -> Run:
        """A new run, complete the moment it appears. `stem` names it after a preset; `history` is moved in with it.

        With `lock`, it appears already locked by this process, so that no engine takes it.
        """
        config.check()
        if name is not None and (self.root / check_name(name)).exists():
            raise InputError(f"a run called {name!r} exists", str(self.root), fix="choose another name")
        self._check_disk(config)
        try:
            draft = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder()))
            if history:
                shutil.copytree(history, draft, dirs_exist_ok=True)
            card = {
                "format": FORMAT,
                "created": time.time(),
                "config": config.model_dump(mode="json"),
                "origin": origin,
            }
            (draft / "config.json").write_text(json.dumps(card, indent=1))
            (draft / "status.json").write_text(
                json.dumps(dataclasses.asdict(Status(state, step, heartbeat=time.time())))
            )
            if pace:
                commands.post(draft / "commands", commands.Pace(seconds=pace))
            if lock:
                _hold(draft)
            return Run(self._publish(draft, name, stem or config.dataset.kind))
        except OSError as error:
            raise InputError(
                f"the run could not be written ({error.strerror})", str(self.root), fix=_remedy(error)
            ) from None

    def _folder(self) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        return self.root

    def _publish(self, draft: Path, name: str | None, stem: str) -> Path:
        for number in range(1, 10_000):
            candidate = self.root / (name or (stem if number == 1 else f"{stem}-{number}"))
            if (candidate.exists() or (ASSETS / candidate.name).exists()) and name is None:
                continue
            try:
                os.rename(draft, candidate)
                _HELD.update({candidate: _HELD.pop(draft)} if draft in _HELD else {})
                return candidate
            except OSError:
                if name is not None or not candidate.exists():
                    shutil.rmtree(draft, ignore_errors=True)
                    raise
        raise InputError(f"too many runs are called {stem}", str(self.root), fix="give this one a name")

    def _check_disk(self, config: RunConfig) -> None:
        weights = 4 * config.parameters()
        need = 3 * 3 * weights + len(config.snapshots()) * weights // 2 + 2**21
        free = shutil.disk_usage(self.root if self.root.exists() else ".").free
        if free < 2 * need:
            raise InputError(
                f"the disk has {free / 2**20:,.0f} MiB free", str(self.root),
                limit=f"this run may need {need / 2**20:,.0f} MiB, and as much again is kept free",
                fix="free some space, or train a smaller model",
            )  # fmt: skip

    def _folders(self, root: Path) -> list[Run]:
        try:
            names = os.listdir(root)
        except OSError:
            return []
        return [Run(root / name) for name in names if NAME.match(name) and (root / name / "config.json").exists()]


_HELD: dict[Path, FileLock] = {}


def held_lock(run: Run) -> FileLock:
    """The lock this process already holds on a run it created with `lock=True`, else a new, open one."""
    return _HELD.pop(run.path, None) or run.lock()


def check_name(name: str) -> str:
    """The name, if it is one: never a path."""
    if not NAME.match(name):
        raise InputError(
            f"{name[:80]!r} is not a name of a run",
            limit="1 to 64 of a–z, 0–9, - and _, not starting with - or _",
            fix="choose another name",
        )
    return name


def find(text: str, store: RunStore) -> Run:
    """A run by its name in the store, or by its path."""
    path = Path(text)
    if len(path.parts) > 1 and (path / "config.json").exists():
        return Run(path.resolve())
    if len(path.parts) > 1:
        raise InputError(f"there is no run at {text}", fix="give a name from `list`, or the path of a run's directory")
    return store[text]


def load(path: str | Path) -> VAE:
    """The newest model of the run in this directory, in evaluation mode on the CPU."""
    return Run(Path(path)).model()[1]


def write_status(run: Run, status: Status, *, durable: bool = True) -> None:
    """Replace status.json whole; only the holder of the lock may call this."""
    atomic_write(run.path / "status.json", json.dumps(dataclasses.asdict(status)).encode(), durable=durable)


def requeue(run: Run) -> None:
    """Ask an engine to go on with a run that has ended before its last step."""
    try:
        with run.lock().acquire(timeout=1.0):
            write_status(run, dataclasses.replace(run.status(), state="queued", message="", heartbeat=time.time()))
    except Timeout:
        raise InputError(f"{run.name} is being trained already") from None
    except OSError as error:
        raise InputError(f"{run.name} cannot be written ({error.strerror})", fix=_remedy(error)) from None


def _hold(folder: Path) -> None:
    _HELD[folder] = Run(folder).lock()
    _HELD[folder].acquire(timeout=0)


def _age(run: Run) -> float:
    try:
        return -run.created
    except InputError:
        return 0.0


def _remedy(error: OSError) -> str:
    return {28: "free some space", 30: "choose a store that can be written with VAE_RUNS"}.get(
        error.errno or 0, "check the folder's permissions, or choose another with VAE_RUNS"
    )
