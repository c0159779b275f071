"""The worker: trains the run of a directory, obeys its mailbox, and always leaves a state that can be resumed."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from filelock import Timeout

from vae_core import commands, records
from vae_core.checkpoints import BadCheckpoint, newest_state, restore
from vae_core.runs import Run, held_lock, present, write_status
from vae_core.spec import InputError
from vae_core.system import ENDING_SIGNALS
from vae_core.training.course import Course
from vae_core.training.fit import Step, adam, fit
from vae_core.training.process import set_up
from vae_core.training.recorder import NonFinite, Recorder, forget_after

OK, REFUSED, BAD_NUMBERS, BAD_CHECKPOINT, DEVICE, MEMORY, REMOVED, DISK, OWNED = 0, 2, 65, 66, 70, 71, 73, 74, 75
LOOK_EVERY = 0.05
BEAT_EVERY = 0.5


class Halted(Exception):
    """Training ended before its last step; `code` says why, the message says it in a sentence."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


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
        raise Halted(*_explain(error, run)) from None
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
        self._paused = False
        self._terminated: int | None = None
        self._looked = self._beaten = 0.0
        self._row_due = time.monotonic()
        self._started = time.monotonic() - self.status.seconds

    def work(self) -> None:
        """Train, and leave the right last word whatever happens."""
        previous = self._listen()
        try:
            self._beat()
            self._train()
            self._say("done", OK)
        except Asked as asked:
            self._say(asked.state, asked.code)
            if asked.code:
                raise Halted(asked.code, f"{self.run.name} was interrupted after step {self.status.step:,}") from None
        except BaseException as error:
            code, message = _explain(error, self.run)
            self._say("failed", code, message)
            raise Halted(code, message) from error
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _train(self) -> None:
        config = self.run.config
        set_up(config.threads)
        device = device_of(config.device)
        training, test = config.dataset.load()
        vae = config.build(training.images).to(device)
        optimiser = adam(vae, config)
        state = newest_state(self.run.path / "checkpoints")
        start = state.step if state else 0
        self.status = replace(self.status, device=str(device), step=start)
        if state:
            restore(state, vae, optimiser)
        forget_after(self.run, start if state else -1)
        self._course = Course(self.run)
        with contextlib.closing(Recorder(self.run, vae, optimiser, training, test, self._course)) as self._recorder:
            if not state:
                self._recorder.boundary(0)
            self._obey(start)
            for step in fit(vae, training.images, config, beta=self._course, optimiser=optimiser, start=start):
                self._advance(step)

    def _advance(self, step: Step) -> None:
        done = step.index + 1
        self._recorder.step(step)
        self._recorder.boundary(done)
        self.status = replace(self.status, step=done)
        if done == self._recorder.config.steps:
            return  # whatever is asked now: the run is done
        if self._recorder.config.logs(step.index):
            self._wait_for_pace(done)
        if time.monotonic() - self._looked > LOOK_EVERY:
            self._obey(done)

    def _wait_for_pace(self, step: int) -> None:
        """Spread the logged rows evenly over the asked time, so that the dramatic first steps can be seen."""
        if not self.status.pace:
            return
        self._row_due += self.status.pace / self._rows_in_all()
        while self.status.pace and (rest := self._row_due - time.monotonic()) > 0:
            time.sleep(min(rest, LOOK_EVERY))
            self._obey(step)
        self._row_due = max(self._row_due, time.monotonic() - 0.5)

    def _rows_in_all(self) -> int:
        config = self._recorder.config
        early = sum(config.logs(step) for step in range(min(200, config.steps)))
        return early + max(0, config.steps - 200) // config.log_every

    def _obey(self, step: int) -> None:
        """Look into the mailbox, hold still while paused, and show a sign of life."""
        while True:
            self._looked = time.monotonic()
            if self._terminated:
                raise self._asked(step, "interrupted", 128 + self._terminated)
            if not present(self.run.path):
                raise FileNotFoundError(errno.ENOENT, "the run was removed", str(self.run.path))
            for identity, command in commands.collect(self.run.path / "commands"):
                self._carry_out(step, identity, command)
                commands.discard(self.run.path / "commands", identity)
            if self._looked - self._beaten > BEAT_EVERY:
                self._beat()
            if not self._paused:
                return
            time.sleep(LOOK_EVERY)

    def _carry_out(self, step: int, identity: str, command: commands.Command) -> None:
        match command:
            case commands.Pause() | commands.Resume():
                self._paused = command.kind == "pause"
                self._row_due = time.monotonic()
                self.status = replace(self.status, state="paused" if self._paused else "running")
                self._beat()
            case commands.Stop():
                commands.discard(self.run.path / "commands", identity)
                raise self._asked(step, "stopped", OK)
            case commands.Checkpoint():
                self._recorder.checkpoint(step, asked=True)
            case commands.SetBeta():
                if identity not in self._course.known:
                    self._course.change(step, command.schedule, identity)
            case commands.Pace():
                self._row_due = time.monotonic()
                self.status = replace(self.status, pace=command.seconds)

    def _asked(self, step: int, state: str, code: int) -> Asked:
        self._recorder.checkpoint(step)
        self.status = replace(self.status, step=step)
        return Asked(state, code)

    def _beat(self) -> None:
        self._beaten = now = time.monotonic()
        self.status = replace(self.status, heartbeat=time.time(), seconds=now - self._started)
        write_status(self.run, self.status, durable=False)

    def _say(self, state: str, code: int, message: str = "") -> None:
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

    def _listen(self) -> dict[int, Any]:
        """SIGTERM, Ctrl-C and their like end the run after the current step, with a checkpoint."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        return {number: signal.signal(number, self._terminate) for number in ENDING_SIGNALS}

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._terminated = number


def _explain(error: BaseException, run: Run) -> tuple[int, str]:
    """An exit code and a sentence that says what happened and what to do."""
    text = str(error)
    if isinstance(error, NonFinite):
        kept = run.checkpoints()
        saved = f"the last good checkpoint is step {int(kept[-1].stem[5:]):,}" if kept else "no checkpoint exists yet"
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
