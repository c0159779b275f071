"""A team: the runs of a heat that wait, trained as one model. Each stays a run like any other.

A team is trained by one process, a large heat by a team for each core. Each run has its lock, its mailbox and its
files, which are written as `training.train` writes them. What one is asked (to pause, to stop), its team does, and by
way of `heats.post` the other teams too; a change of β is its own. A run whose numbers break leaves the others alone.
Numbers equal those of the run trained by itself up to rounding, not to the bit.
"""

from __future__ import annotations

import contextlib
import signal
import time
from _thread import interrupt_main
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

from filelock import Timeout
from jaxtyping import UInt8
from torch import Tensor

from vae_core.checkpoints import BadCheckpoint, State, load_checkpoint, step_of
from vae_core.commands import Pause, Resume
from vae_core.races.heats import mates, race_of
from vae_core.races.members import Members, members_of, shares, together
from vae_core.races.results import evaluate_members
from vae_core.runs import Run, write_status
from vae_core.spec import InputError
from vae_core.system import cores
from vae_core.training import train
from vae_core.training.process import Halted, beside, leave, listening, set_up, when_parent_ends
from vae_core.training.worker import Asked, Worker, device_of, explain

WAITING = ("queued", "interrupted", "crashed")
ENDED = ("done", "stopped", "failed")
SMALLEST, MOST = 3, 8  # runs of a share, and shares


def train_with_mates(path: str) -> None:
    """Train the run in directory `path` to its end, and with it those of its heat that wait and can be stacked.

    On a CPU with cores to spare they are shared out: each share is trained as one model, in a process of its own. One
    that was trained before is only measured. Raises Halted as `training.train` does, for the run's own share.
    """
    run = Run(Path(path))
    if _is_trained(run):
        return _measure(run)
    own, *others = _shares(run, _kindred(run))
    with _beside(others):
        _train(own)


def _shares(run: Run, mates: list[Run]) -> list[list[Run]]:
    """The run and its mates, for as many processes as it pays to start; the run is the first of the first."""
    count = 1
    with contextlib.suppress(InputError):  # one was removed, or there is no such device: the worker says so
        if mates and device_of(run.config.device).type == "cpu":
            free = cores() // max(one.config.threads for one in (run, *mates))
            count = min(free, (1 + len(mates)) // SMALLEST, MOST)
        if count > 1:
            parts = shares([run, *mates], count, lambda one: (one.config.seed, one.name))
            own = next(part for part in parts if run in part)
            own.sort(key=lambda one: one != run)
            return [own, *(part for part in parts if part is not own)]
    return [[run, *mates]]


@contextlib.contextmanager
def _beside(others: list[list[Run]]) -> Iterator[None]:
    """Meanwhile others train their shares. What ends this process ends them; what ends them leaves this one alone."""
    processes: list[BaseProcess] = []

    def end(number: int, frame: FrameType | None) -> None:
        for process in processes:
            process.terminate()
        raise Halted(128 + number, "the training of a race was interrupted")

    with listening(end):
        for share in others:
            process = beside().Process(target=leave, args=(_train_share, share))
            with contextlib.suppress(OSError):  # none can be had: its runs wait for the next
                process.start()
                processes.append(process)
        try:
            yield
        except Halted as halted:
            for process in processes if halted.signalled else ():
                process.terminate()
            raise
        finally:
            for process in processes:
                process.join()


def _train_share(runs: list[Run]) -> None:
    """As `_train`, until the process that shared them out is gone."""
    when_parent_ends(lambda: interrupt_main(signal.SIGTERM))
    _train(runs)


def _train(runs: list[Run]) -> None:
    """Train and measure the first, and those others that nobody else has taken meanwhile."""
    first, *mates = runs
    with contextlib.ExitStack() as locks:
        held = [mate for mate in mates if _hold(mate, locks)]
        if held and _hold(first, locks):
            Leader(first, held).work()
            return evaluate_members([first, *held])
    if first.state not in ENDED:
        train(str(first.path))
        if race_of(first):
            evaluate_members([first])


def _is_trained(run: Run) -> bool:
    with contextlib.suppress(InputError):
        return bool(race_of(run)) and run.config.steps in _checkpoints(run)
    return False


def _measure(run: Run) -> None:
    """What is left to do of a run whose process died between its last update and its measurement."""
    with contextlib.suppress(Timeout, OSError), run.lock().acquire(timeout=1.0):
        write_status(run, replace(run.status(), state="done", message=""))
        evaluate_members([run])


def _kindred(run: Run) -> list[Run]:
    """The waiting runs of the same heat that can be one model with this one, and go on from a step that all have."""
    found, steps = [], _checkpoints(run)
    with contextlib.suppress(InputError):  # a run that cannot be read trains, and fails, by itself
        for mate in mates(run):
            if _waits(mate) and together(run.config, mate.config) and not _is_trained(mate):
                theirs = _checkpoints(mate)
                if steps & theirs or not (steps or theirs):
                    found.append(mate)
                    steps &= theirs
    return found


def _checkpoints(run: Run) -> set[int]:
    """The steps it has a checkpoint of."""
    return {step_of(path) for path in run.checkpoints()}


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
    steps = set.intersection(*(_checkpoints(run) for run in runs))
    for step in sorted(steps, reverse=True):
        with contextlib.suppress(BadCheckpoint):
            return [load_checkpoint(run.path / "checkpoints" / f"ckpt-{step:08d}.safetensors") for run in runs]
    return []
