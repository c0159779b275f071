"""A team: the runs of a heat that wait, trained as one model. Each stays a run like any other.

One process trains them; each has its lock, its mailbox and its files, which are written as `training.train` writes
them. What one is asked (to pause, to stop), all do; a change of β is its own. A run whose numbers break leaves the
others alone. Numbers equal those of the run trained by itself up to rounding, not to the bit.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import Timeout
from jaxtyping import UInt8
from torch import Tensor

from vae_core.checkpoints import BadCheckpoint, State, load_checkpoint
from vae_core.commands import Pause, Resume
from vae_core.races.heats import mates
from vae_core.races.members import Members, kin, members_of, stackable
from vae_core.races.results import evaluate_members
from vae_core.runs import Run
from vae_core.spec import InputError
from vae_core.training import train
from vae_core.training.process import set_up
from vae_core.training.worker import Asked, Worker, device_of, explain

WAITING = ("queued", "interrupted", "crashed")


def train_with_mates(path: str) -> None:
    """Train the run in directory `path` to its end, and with it those of its heat that wait and can be stacked.

    Raises Halted as `training.train` does.
    """
    run = Run(Path(path))
    with contextlib.ExitStack() as locks:
        others = [mate for mate in _kindred(run) if _hold(mate, locks)]
        if others and _hold(run, locks):
            Leader(run, others).work()
            return evaluate_members([run, *others])
    train(path)
    if "race" in (run.origin or {}):
        evaluate_members([run])


def _kindred(run: Run) -> list[Run]:
    """The waiting runs of the same heat that can be one model with this one."""
    with contextlib.suppress(InputError):  # a run that cannot be read trains, and fails, by itself
        others = mates(run)
        if others and stackable(run.config):
            return [mate for mate in others if _waits(mate) and kin(mate.config) == kin(run.config)]
    return []


def _waits(run: Run) -> bool:
    """Whether the run is to be trained; one that a heat has only just created is stopped for a moment."""
    state = run.state
    return state in WAITING or (state == "stopped" and run.status().attempts == 0)


def _hold(run: Run, locks: contextlib.ExitStack) -> bool:
    """Whether this process now holds the run's lock, and the run has not ended in the meantime."""
    try:
        locks.enter_context(run.lock().acquire(timeout=1.0))
    except (Timeout, OSError):
        return False
    status = run.status()
    return status.state not in ("done", "failed") and (status.state != "stopped" or not status.attempts)


class Leader(Worker):
    """The worker of one run of a team; it works for its mates too. All of their locks are held."""

    def __init__(self, run: Run, mates: Sequence[Run]) -> None:
        super().__init__(run)
        self.team: list[Worker] = [self, *(Worker(mate) for mate in mates)]
        self.sound = list(self.team)  # those whose numbers are, and whose directories are there

    def _train(self) -> None:
        configs = [worker.run.config for worker in self.team]
        set_up(max(config.threads for config in configs))
        training, test = configs[0].dataset.load()
        members = members_of(configs, training.images, device_of(configs[0].device))
        states = common_states([worker.run for worker in self.team])
        if states:
            members.restore(states)
        start = states[0].step if states else None
        with contextlib.ExitStack() as books:
            for number, worker in enumerate(self.team):
                recorder = worker.open(members.vae(number), members.optimiser(number), training, test, start)
                books.callback(recorder.close)
                worker.begin(start)
            self.obey(start or 0)
            self._fit(members, training.images, start or 0)

    def _fit(self, members: Members, images: UInt8[Tensor, "n c h w"], start: int) -> None:
        for steps in members.fit(images, betas=[worker.course for worker in self.team], start=start):
            for number, worker in enumerate(self.team):
                if steps.index == start:  # from the first update on there are moments to keep
                    worker.recorder.optimiser = members.optimiser(number)
                if worker.recorder.config.logs(steps.index):
                    members.vae(number)  # the gradients of this update
                if worker in self.sound:
                    with self._alone(worker):
                        Worker.record(worker, steps.member(number))
            if not self.sound:
                return
            self.rest(steps.index + 1)

    @contextlib.contextmanager
    def _alone(self, worker: Worker) -> Iterator[None]:
        """If the numbers of this run break, or its directory is gone, it is out, and the others go on."""
        try:
            yield
        except (ArithmeticError, BadCheckpoint, FileNotFoundError) as error:
            self.sound.remove(worker)
            Worker.say(worker, "failed", *explain(error, worker.run))

    def look(self, step: int) -> None:
        """Into all mailboxes."""
        paused = self.paused
        for worker in list(self.sound):
            try:
                with self._alone(worker):
                    Worker.look(worker, step)
            except Asked as asked:
                raise self.asked(step, asked.state, asked.code) from None
        self.looked = time.monotonic()
        if any(worker.paused != paused for worker in self.sound):
            for worker in self.sound:
                if worker.paused == paused:
                    Worker.carry_out(worker, step, "", Resume() if paused else Pause())
            self.paused = not paused
        if self.terminated and self not in self.sound:
            raise self.asked(step, "interrupted", 128 + self.terminated)

    def asked(self, step: int, state: str, code: int) -> Asked:
        """As Worker.asked, for all."""
        for worker in self.sound:
            Worker.asked(worker, step, state, code)
        return Asked(state, code)

    def say(self, state: str, code: int, message: str = "") -> None:
        """The last word, to all."""
        for worker in self.sound:
            Worker.say(worker, state, code, message)

    def beat(self) -> None:
        """A sign of life of each."""
        for worker in self.sound:
            Worker.beat(worker)


def common_states(runs: Sequence[Run]) -> list[State]:
    """The newest checkpoints that all of them have of one step; none where there is no such step: all begin anew."""
    steps = set.intersection(*({int(path.stem.removeprefix("ckpt-")) for path in run.checkpoints()} for run in runs))
    for step in sorted(steps, reverse=True):
        with contextlib.suppress(BadCheckpoint):
            return [load_checkpoint(run.path / "checkpoints" / f"ckpt-{step:08d}.safetensors") for run in runs]
    return []
