"""The course of a run: its β schedule as configured, and as changed on the way."""

from __future__ import annotations

from pydantic import TypeAdapter

from vae_core.records import Log, Record
from vae_core.runs import Run
from vae_core.schedules import Schedule

SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)


class Course:
    """β at each step. A change is in the journal, on disk, before it takes effect; reading the journal replays it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._planned = run.config.beta
        self._read()

    def __call__(self, step: int) -> float:
        """The β of the update after `step` updates: the latest change that has begun, else the plan."""
        return self._follow(step, step)

    def before(self, step: int) -> float:
        """The same, but for a change at this very step: it may come after what is written down of the step."""
        return self._follow(step, step - 1)

    def _follow(self, step: int, begun: int) -> float:
        return next((schedule for since, schedule in reversed(self._changes) if since <= begun), self._planned)(step)

    def change(self, step: int, schedule: Schedule, identity: str) -> None:
        """From `step` on, follow another schedule."""
        log = Log(self._run.path / "journal.jsonl", durable=True)
        log.append({"step": step, "id": identity, "schedule": schedule.model_dump(mode="json")})
        log.close()
        self._read()  # a record keeps six digits, and a replay must see the same β

    def _read(self) -> None:
        entries = self._run.journal()
        self.known = {entry.get("id") for entry in entries}
        self._changes = [change_of(entry) for entry in entries]


def change_of(entry: Record) -> tuple[int, Schedule]:
    """A journal entry as the step from which on it holds, and its schedule."""
    return int(entry["step"]), SCHEDULE.validate_python(_tuples(entry["schedule"]))


def _tuples(value: object) -> object:
    """JSON lists as the tuples that strict specs want."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
