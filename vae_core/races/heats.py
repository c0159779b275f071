"""Heats: races that were started in a store. A heat is a file that names its runs, and the lane of each.

`STORE/.races/NAME.json` has the race's name, when it began, and the runs in order of their lanes. The runs are the
store's own, each with `{"race": NAME, "lane": LANE}` as its origin.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_core.commands import Command, Pace, Pause, Resume, Stop
from vae_core.races.members import together
from vae_core.races.running import Lane
from vae_core.runs import LIVE, Run, RunStore
from vae_core.runs.asking import requeue
from vae_core.runs.label import changed
from vae_core.runs.run import NAME
from vae_core.spec import InputError, atomic_write

FOLDER = ".races"


@dataclass(frozen=True)
class Heat:
    """A started race; holds no state, every read reads the disk."""

    store: RunStore
    name: str

    @property
    def path(self) -> Path:
        """Its file."""
        return self.store.root / FOLDER / f"{self.name}.json"

    @property
    def race(self) -> str:
        """The name of the race that was chosen."""
        return str(self._card()["race"])

    @property
    def created(self) -> float:
        """Seconds since the epoch."""
        return float(self._card()["created"])

    @property
    def title(self) -> str:
        """What its users call it: never trusted, and empty if they call it nothing."""
        return str(self._card().get("title", ""))

    def entries(self) -> list[tuple[str, Run]]:
        """Lane and run of each member that is still there, lane by lane."""
        return [(lane, run) for lane, run in self.members() if run.path.is_dir()]

    def gone(self) -> list[tuple[str, Run]]:
        """Lane and run of each member that was thrown away; taken out of the trash they are entries again."""
        return [(lane, run) for lane, run in self.members() if not run.path.is_dir()]

    def members(self) -> list[tuple[str, Run]]:
        """Lane and run of each member, of those that were thrown away too."""
        return [(lane, Run(self.store.root / name)) for lane, name in self._card()["entries"]]

    def _card(self) -> dict[str, Any]:
        try:
            card = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"there is no race called {self.name!r}", fix="start one") from None
        except (OSError, ValueError, RecursionError):
            card = {}
        match card:
            case {"race": str(), "created": int() | float(), "entries": [*entries]} if all(map(_is_entry, entries)):
                return card
        raise InputError("its file cannot be read", f"{FOLDER}/{self.name}.json", fix="start the race again")

    def write(self, race: str, created: float, entries: Sequence[tuple[str, str]], title: str = "") -> None:
        """Replace the file whole; InputError for a title of more than 80 characters."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        card = {"race": race, "created": created, "entries": list(entries), **changed({}, title, None, None)}
        atomic_write(self.path, json.dumps(card).encode())

    def rename(self, title: str) -> None:
        """Give it a title, or take it away; its name, and so its links, stay what they are."""
        self.write(self.race, self.created, [(lane, run.name) for lane, run in self.members()], title)


def heats(store: RunStore) -> list[Heat]:
    """All heats of a store, the newest first."""
    paths = sorted((store.root / FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [Heat(store, path.stem) for path in paths if NAME.match(path.stem)]


def heat(store: RunStore, name: str) -> Heat:
    """The heat of that name; InputError where there is none."""
    if not NAME.match(name) or not Heat(store, name).path.is_file():
        raise InputError(f"there is no race called {name[:80]!r}", str(store.root), fix="start one on the Race page")
    return Heat(store, name)


def start(store: RunStore, race: str, members: Sequence[Lane], pace: float = 0.0) -> Heat:
    """Create a heat with a run for each member, and ask an engine for them; `race` names it, and is its stem."""
    taken = {one.name for one in heats(store)}
    name = next(free for free in (race, *(f"{race}-{n}" for n in range(2, 10_000))) if free not in taken)
    begun = Heat(store, name)
    begun.write(race, time.time(), [])
    enter(begun, members, pace)
    return begun


def enter(begun: Heat, members: Sequence[Lane], pace: float = 0.0) -> list[Run]:
    """More runs for a heat. None is taken by an engine before all are there and the heat knows them."""
    entered = []
    for member in members:
        origin = {"race": begun.name, "lane": member.name}
        stem = f"{begun.name}-{_plain(member.name)}-s{member.config.seed}"
        entered.append(
            (member.name, begun.store.create(member.config, stem=stem, origin=origin, pace=pace, state="stopped"))
        )
    named = {run.name: lane for lane, run in [*begun.members(), *entered]}  # a name may be free again
    begun.write(begun.race, begun.created, [(lane, name) for name, lane in named.items()], begun.title)
    for _, run in entered:
        with contextlib.suppress(InputError):  # its team was faster
            requeue(run)
    return [run for _, run in entered]


def post(run: Run, command: Command) -> None:
    """Put a command into a run's mailbox, and what is to hold up, speed up or end it into its mates' too.

    Those of its heat that train, or soon will, and can be one model with it: they are, in one process or in several.
    """
    run.post(command)
    if isinstance(command, Pause | Resume | Stop | Pace):
        for mate in mates(run):
            with contextlib.suppress(InputError):  # it was removed
                if mate.state in LIVE and together(run.config, mate.config):
                    mate.post(command)


def race_of(run: Run) -> str | None:
    """The name of the heat that a run is in; None for a run that is in no race, or cannot be read."""
    with contextlib.suppress(InputError):
        match run.origin:
            case {"race": str(name)} if NAME.match(name):
                return name
    return None


def mates(run: Run) -> list[Run]:
    """The other runs of the same heat; none for a run that is in no race."""
    if name := race_of(run):
        with contextlib.suppress(InputError):
            entries = Heat(RunStore(run.path.parent), name).entries()
            return [other for _, other in entries if other.path != run.path]
    return []


def _is_entry(entry: object) -> bool:
    """Whether it is a lane's name and a run's."""
    match entry:
        case [str(), str(name)]:
            return NAME.match(name) is not None
    return False


def _plain(lane: str) -> str:
    """A lane's name as a part of a run's name."""
    return "-".join(
        "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in lane.lower()).split()
    )
