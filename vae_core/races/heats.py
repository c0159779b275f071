"""Heats: races that were started in a store. A heat is a file that names its runs, and the lane of each.

`STORE/.races/NAME.json` has the race's name, when it began, the runs in order of their lanes, and a title. The runs are
the store's own, each with `{"race": NAME, "lane": LANE}` as its origin.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vae_core.commands import Command, Pace, Pause, Resume, Stop
from vae_core.races.members import together
from vae_core.races.running import Lane
from vae_core.runs import LIVE, Run, RunStore
from vae_core.runs.asking import requeue
from vae_core.runs.label import LONGEST_TITLE, changed
from vae_core.runs.run import NAME, remedy
from vae_core.spec import InputError, atomic_write

FOLDER = ".races"
REMEDY = "start the race again"


class Card(NamedTuple):
    """What a heat's file says: the race, when it began (seconds since the epoch), (lane, run) of each member, a title.

    The title is free text of the users: never trusted, never part of the name.
    """

    race: str
    created: float
    entries: tuple[tuple[str, str], ...]
    title: str = ""

    @classmethod
    def read(cls, text: bytes) -> Card:
        """The card in a file; ValueError if it is none. A title that is none is left out."""
        match json.loads(text):
            case {"race": str(race), "created": float() | int() as created, "entries": [*entries], **rest}:
                lanes = {name: lane for lane, name in map(_entry, entries)}
                if not math.isfinite(created):
                    raise ValueError("no time")
                title = rest.get("title", "")
                return cls(race, float(created), tuple((lane, name) for name, lane in lanes.items()), _cut(title))
        raise ValueError("no card")


def _entry(entry: object) -> tuple[str, str]:
    match entry:
        case [str(lane), str(name)] if NAME.match(name):
            return lane, name
    raise ValueError("no member")


def _cut(title: object) -> str:
    return title[:LONGEST_TITLE] if isinstance(title, str) else ""


@dataclass(frozen=True)
class Heat:
    """A started race; holds no state, every read reads the disk."""

    store: RunStore
    name: str

    @property
    def path(self) -> Path:
        """Its file."""
        return self.store.root / FOLDER / f"{self.name}.json"

    def card(self) -> Card:
        """What its file says; InputError if there is none, or it cannot be read."""
        try:
            return Card.read(self.path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"there is no race called {self.name!r}", fix="start one") from None
        except (OSError, ValueError, OverflowError, RecursionError):
            where = f"{FOLDER}/{self.name}.json"
            raise InputError("its file cannot be read", where, fix=REMEDY) from None

    @property
    def race(self) -> str:
        """The name of the race that was chosen."""
        return self.card().race

    def entries(self) -> list[tuple[str, Run]]:
        """Lane and run of each member that is still there and can be read, lane by lane."""
        return [(lane, run) for lane, run in self.members() if self._has(run)]

    def gone(self) -> list[tuple[str, Run]]:
        """Lane and run of the other members: thrown away, unreadable, or of a name that another run has now."""
        return [(lane, run) for lane, run in self.members() if not self._has(run)]

    def members(self) -> list[tuple[str, Run]]:
        """Lane and run of all members."""
        return [(lane, Run(self.store.root / name)) for lane, name in self.card().entries]

    def _has(self, run: Run) -> bool:
        with contextlib.suppress(InputError):
            return race_of(run) == self.name and bool(run.config)
        return False

    def write(self, card: Card) -> None:
        """Replace the file whole; InputError where the disk does not take it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self.path, json.dumps(card._asdict()).encode())
        except OSError as error:
            raise InputError(f"the race {self.name} cannot be written ({error.strerror})", fix=remedy(error)) from None

    def retitle(self, title: str) -> None:
        """Give it a title, or take it away; its name, and so its links, stay what they are.

        InputError for a title of more than 80 characters.
        """
        self.write(self.card()._replace(title=changed({}, title=title, note=None, star=None).get("title", "")))

    def trash(self) -> list[Path]:
        """Throw all of its runs away, or none; returns where they lie. InputError if one of them is being trained."""
        moved: list[Path] = []
        try:
            for _, run in self.entries():
                moved.append(self.store.trash(run.name))
        except InputError:
            for path in moved:
                self.store.restore(path)
            raise
        return moved


def heats(store: RunStore) -> list[Heat]:
    """All heats of a store whose files can be read, the newest first."""
    found = []
    for path in (store.root / FOLDER).glob("*.json"):
        if NAME.match(path.stem):
            with contextlib.suppress(InputError):
                found.append((Heat(store, path.stem).card().created, path.stem))
    return [Heat(store, name) for _, name in sorted(found, reverse=True)]


def heat(store: RunStore, name: str) -> Heat:
    """The heat of that name; InputError where there is none."""
    if not NAME.match(name) or not Heat(store, name).path.is_file():
        raise InputError(f"there is no race called {name[:80]!r}", str(store.root), fix="start one on the Race page")
    return Heat(store, name)


def start(store: RunStore, race: str, members: Sequence[Lane], pace: float = 0.0) -> Heat:
    """Create a heat with a run for each member, and ask an engine for them; `race` names it, and is its stem."""
    taken = {path.stem for path in (store.root / FOLDER).glob("*.json")}
    name = next(free for free in (race, *(f"{race}-{n}" for n in range(2, 10_000))) if free not in taken)
    begun = Heat(store, name)
    begun.write(Card(race, time.time(), ()))
    enter(begun, members, pace)
    return begun


def enter(begun: Heat, members: Sequence[Lane], pace: float = 0.0) -> list[Run]:
    """More runs for a heat. None is taken by an engine before all are there and the heat knows them.

    None gets the name of a member that was thrown away, which may come back.
    """
    entered, taken = [], {run.name for _, run in begun.members()}
    for member in members:
        origin = {"race": begun.name, "lane": member.name}
        plain = f"{begun.name}-{_plain(member.name)}-s{member.config.seed}"
        stem = next(free for free in (plain, *(f"{plain}-{n}" for n in range(2, 10_000))) if free not in taken)
        run = begun.store.create(member.config, stem=stem, origin=origin, pace=pace, state="stopped")
        entered.append((member.name, run))
    card = begun.card()
    begun.write(card._replace(entries=(*card.entries, *((lane, run.name) for lane, run in entered))))
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


def resume(run: Run) -> None:
    """Ask an engine to go on with a run, and with its stopped mates that can be one model with it.

    InputError if the run itself cannot be asked for.
    """
    requeue(run)
    for mate in mates(run):
        with contextlib.suppress(InputError):  # it was removed, or somebody has asked for it
            if mate.state == "stopped" and together(run.config, mate.config):
                requeue(mate)


def race_of(run: Run) -> str | None:
    """The name of the heat that a run is in; None for a run that is in no race, or cannot be read."""
    with contextlib.suppress(InputError):
        match run.origin:
            case {"race": str(name)} if NAME.match(name):
                return name
    return None


def heat_of(run: Run) -> Heat | None:
    """The heat that a run is in and that knows of it."""
    if name := race_of(run):
        found = Heat(RunStore(run.path.parent), name)
        with contextlib.suppress(InputError):
            if run.path in {other.path for _, other in found.members()}:
                return found
    return None


def mates(run: Run) -> list[Run]:
    """The other runs of the same heat; none for a run that is in no race."""
    if name := race_of(run):
        with contextlib.suppress(InputError):
            entries = Heat(RunStore(run.path.parent), name).entries()
            return [other for _, other in entries if other.path != run.path]
    return []


def _plain(lane: str) -> str:
    """A lane's name as a part of a run's name."""
    return "-".join(
        "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in lane.lower()).split()
    )
