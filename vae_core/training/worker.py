"""The worker: trains the run of a directory, obeys its mailbox, and always leaves a state that can be resumed."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType

import torch
from filelock import Timeout
from torch.optim import Adam

from vae_core import commands, records
from vae_core.checkpoints import BadCheckpoint, newest_state, restore, step_of
from vae_core.runs import Run, held_lock, present, write_status
from vae_core.spec import InputError, Split
from vae_core.training.course import Course
from vae_core.training.fit import Step, adam, fit
from vae_core.training.process import (
    BAD_CHECKPOINT,
    BAD_NUMBERS,
    DEVICE,
    DISK,
    MEMORY,
    OK,
    OWNED,
    REFUSED,
    REMOVED,
    Halted,
    listening,
    set_up,
)
from vae_core.training.recorder import NonFinite, Recorder, forget_after
from vae_core.vae import VAE

LOOK_EVERY = 0.05
BEAT_EVERY = 0.5


class Asked(Exception):
    """A user or the system asked the worker to end: the state to leave the run in, and the exit code."""

    def __init__(self, state: str, code: int) -> None:
        self.state, self.code = state, code
        super().__init__(state)


def train(path: str) -> None:
    """Train the run in directory `path` to its end, from its newest checkpoint if it has one.

    Raises Halted, with an exit code, when it ends otherwise; the run's status then says why. Sets the process's
    thread count and flushes denormal numbers to zero, which Adam's moments of dark pixels otherwise become.
    """
    run = Run(Path(path))
    if not present(run.path):
        raise InputError(f"there is no run at {path}", fix="see `list` for the runs there are")
    try:
        lock = held_lock(run)
        if not lock.is_locked:
            lock.acquire(timeout=1.0)  # a reader probing the lock holds it for a moment
    except Timeout:
        raise Halted(OWNED, f"{run.name} is being trained by another process") from None
    except OSError as error:
        raise Halted(*explain(error, run)) from None
    try:
        Worker(run).work()
    finally:
        lock.release()


def device_of(wish: str) -> torch.device:
    """The device to train on: `VAE_DEVICE`, else the config's wish; `auto` takes CUDA, then MPS, then the CPU."""
    wish = os.environ.get("VAE_DEVICE") or wish
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wish == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if wish not in available:
        raise InputError(f"there is no device {wish!r}", limit="auto, cpu, cuda or mps", fix="change VAE_DEVICE")
    # A run made for a GPU is better trained slowly than not at all.
    return torch.device(wish if available[wish] else "cpu")


class Worker:
    """One attempt at one run, by the holder of its lock."""

    def __init__(self, run: Run) -> None:
        self.run = run
        before = run.status()
        self.status = replace(
            before, state="running", message="", code=0, attempts=before.attempts + 1,
            host=platform.node(), pid=os.getpid(),
        )  # fmt: skip
        self.paused = False
        self.terminated: int | None = None
        self.looked = self._beaten = 0.0
        self._row_due = time.monotonic()
        self._started = time.monotonic() - self.status.seconds

    def work(self) -> None:
        """Train, and leave the right last word whatever happens."""
        with listening(self._terminate):
            try:
                self.beat()
                self._train()
                self.say("done", OK)
            except Asked as asked:
                self.say(asked.state, asked.code)
                if asked.code:
                    after = f"{self.run.name} was interrupted after step {self.status.step:,}"
                    raise Halted(asked.code, after) from None
            except BaseException as error:
                code, message = explain(error, self.run)
                self.say("failed", code, message)
                raise Halted(code, message) from error
        if self.terminated:  # too late for the run, not for what was to come after it
            raise Halted(128 + self.terminated, f"{self.run.name} has ended, and what comes after was interrupted")

    def _train(self) -> None:
        config = self.run.config
        set_up(config.threads)
        device = device_of(config.device)
        training, test = config.dataset.load()
        vae = config.build(training.images).to(device)
        optimiser = adam(vae, config)
        state = newest_state(self.run.path / "checkpoints")
        if state:
            restore(state, vae, optimiser)
        start = state.step if state else 0
        with contextlib.closing(self.open(vae, optimiser, training, test, state and state.step)):
            self.begin(state and state.step)
            self.obey(start)
            for step in fit(vae, training.images, config, beta=self.course, optimiser=optimiser, start=start):
                self.record(step)
                self.rest(step.index + 1)

    def open(self, vae: VAE, optimiser: Adam, training: Split, test: Split, start: int | None) -> Recorder:
        """The books of the run, cut off after `start` updates; None: it has not begun."""
        self.status = replace(self.status, device=str(next(vae.parameters()).device), step=start or 0)
        forget_after(self.run, -1 if start is None else start)
        self.course = Course(self.run)
        self.recorder = Recorder(self.run, vae, optimiser, training, test, self.course)
        return self.recorder

    def begin(self, start: int | None) -> None:
        """The first entries, of an untrained model; nothing for one that goes on."""
        if start is None:
            self.recorder.boundary(0)

    def record(self, step: Step) -> None:
        """Write an update down, and what is due after it."""
        self.recorder.step(step)
        self.recorder.boundary(step.index + 1)
        self.status = replace(self.status, step=step.index + 1)

    def rest(self, step: int) -> None:
        """Between updates: keep the pace, and obey. After the last, nothing is asked any more: the run is done."""
        if step == self.recorder.config.steps:
            return
        if self.recorder.config.logs(step - 1):
            self.wait_for_pace(step)
        if time.monotonic() - self.looked > LOOK_EVERY:
            self.obey(step)

    def wait_for_pace(self, step: int) -> None:
        """Spread the logged rows evenly over the asked time, so that the dramatic first steps can be seen."""
        if not self.status.pace:
            return
        self._row_due += self.status.pace / self._rows_in_all()
        while self.status.pace and (rest := self._row_due - time.monotonic()) > 0:
            time.sleep(min(rest, LOOK_EVERY))
            self.obey(step)
        self._row_due = max(self._row_due, time.monotonic() - 0.5)

    def _rows_in_all(self) -> int:
        config = self.recorder.config
        early = sum(config.logs(step) for step in range(min(200, config.steps)))
        return early + max(0, config.steps - 200) // config.log_every

    def obey(self, step: int) -> None:
        """Look into the mailbox, and hold still while paused."""
        self.look(step)
        while self.paused:
            time.sleep(LOOK_EVERY)
            self.look(step)

    def look(self, step: int) -> None:
        """Carry out what is in the mailbox, and show a sign of life."""
        self.looked = time.monotonic()
        if self.terminated:
            raise self.asked(step, "interrupted", 128 + self.terminated)
        if not present(self.run.path):
            raise FileNotFoundError(errno.ENOENT, "the run was removed", str(self.run.path))
        for identity, command in commands.collect(self.run.path / "commands"):
            self.carry_out(step, identity, command)
            commands.discard(self.run.path / "commands", identity)
        if self.looked - self._beaten > BEAT_EVERY:
            self.beat()

    def carry_out(self, step: int, identity: str, command: commands.Command) -> None:
        """Do what a command says; one that ends the run raises Asked."""
        match command:
            case commands.Pause() | commands.Resume():
                self.paused = command.kind == "pause"
                self._row_due = time.monotonic()
                self.status = replace(self.status, state="paused" if self.paused else "running")
                self.beat()
            case commands.Stop():
                commands.discard(self.run.path / "commands", identity)
                raise self.asked(step, "stopped", OK)
            case commands.Checkpoint():
                self.recorder.checkpoint(step, asked=True)
            case commands.SetBeta():
                if identity not in self.course.known:
                    self.course.change(step, command.schedule, identity)
            case commands.Pace():
                self._row_due = time.monotonic()
                self.status = replace(self.status, pace=command.seconds)

    def asked(self, step: int, state: str, code: int) -> Asked:
        """What to raise so that the run ends in this state, after a checkpoint."""
        self.recorder.checkpoint(step)
        self.status = replace(self.status, step=step)
        return Asked(state, code)

    def beat(self) -> None:
        """Show a sign of life."""
        self._beaten = now = time.monotonic()
        self.status = replace(self.status, heartbeat=time.time(), seconds=now - self._started)
        write_status(self.run, self.status, durable=False)

    def say(self, state: str, code: int, message: str = "") -> None:
        """The last word; where even that cannot be written, the lock that is let go says enough."""
        if not present(self.run.path):
            return  # whoever removes the run must not find it filled again
        seconds = time.monotonic() - self._started
        self.status = replace(self.status, state=state, code=code, message=message, heartbeat=time.time())
        self.status = replace(self.status, seconds=seconds)
        try:
            write_status(self.run, self.status)
            timing = {"step": self.status.step, "seconds": seconds, "state": state, "host": self.status.host}
            log = records.Log(self.run.path / "timing.jsonl")
            log.append({**timing, "device": self.status.device, "torch": torch.__version__})
            log.close()
        except OSError:
            return

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        """SIGTERM, Ctrl-C and their like end the run after the current step, with a checkpoint."""
        self.terminated = number


def explain(error: BaseException, run: Run) -> tuple[int, str]:
    """An exit code and a sentence that says what happened and what to do."""
    text = str(error)
    if isinstance(error, NonFinite):
        kept = run.checkpoints()
        saved = f"the last good checkpoint is step {step_of(kept[-1]):,}" if kept else "no checkpoint exists yet"
        return BAD_NUMBERS, f"Stopped because {text}; {saved}. Try a smaller learning rate."
    if isinstance(error, BadCheckpoint):
        return BAD_CHECKPOINT, f"Stopped because {text}. Branch from a snapshot, or train again."
    if isinstance(error, InputError):
        return REFUSED, f"{text[:1].upper()}{text[1:]}."
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return MEMORY, "Out of memory. Try a smaller batch or a narrower net."
    if isinstance(error, OSError) and (told := _explain_disk(error, run)):
        return told
    if "CUDA error" in text or "MPS backend" in text:
        return DEVICE, "The GPU was lost. Resume to go on from the last checkpoint."
    return 1, f"Stopped by an error in the program ({type(error).__name__}: {text[:200]})."


def _explain_disk(error: OSError, run: Run) -> tuple[int, str] | None:
    if not present(run.path) or (error.errno == errno.ENOENT and _is_being_removed(run)):
        return REMOVED, "The run was removed while it trained."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK, "The disk is full. Free some space, then resume."
    if error.errno in (errno.EROFS, errno.EACCES):
        return DISK, f"The run's directory cannot be written ({error.strerror})."
    return None


def _is_being_removed(run: Run) -> bool:
    """Whether a directory that misses a file is on its way out: a removal takes a moment."""
    deadline = time.monotonic() + 1.0
    while present(run.path) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
    return not present(run.path)
