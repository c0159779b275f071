"""What the tests of runs, training, engine and command line share: tiny runs, and processes that may be killed."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vae_core.config import RunConfig
from vae_core.nets import Mlp
from vae_core.runs import Run
from vae_core.training import Halted, train
from vae_core.training.process import PRELOAD

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = ("metrics.jsonl", "journal.jsonl", "frames/*.png", "snapshots/*.safetensors", "checkpoints/*.safetensors")


def tiny(**changes: Any) -> RunConfig:
    """A run of digits that trains in a fifth of a second."""
    settings: dict[str, Any] = {"latent": 2, "steps": 120, "checkpoint_every": 20, "evaluate_every": 30}
    return RunConfig(net=Mlp(widths=(8,)), **(settings | changes))


def numbers(run: Run) -> dict[str, bytes]:
    """Every byte of a run that config and journal alone decide."""
    files = [path for pattern in NUMBERS for path in run.path.glob(pattern)]
    return {str(path.relative_to(run.path)): content(path) for path in files}


def content(path: Path) -> bytes:
    """The bytes of a file; in safetensors, where the header's entries come in any order, they are sorted."""
    data = path.read_bytes()
    if path.suffix != ".safetensors":
        return data
    (length,) = struct.unpack("<Q", data[:8])
    return json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True).encode() + data[8 + length :]


def last_words(run: Run) -> tuple[bytes, bytes]:
    """All rows, and the last checkpoint: what must be the same even where other checkpoints were kept."""
    return content(run.path / "metrics.jsonl"), content(run.checkpoints()[-1])


def same(run: Run, other: Run) -> bool:
    """Whether two runs hold the same numbers, to the last bit; if not, prints the files that differ."""
    mine, theirs = numbers(run), numbers(other)
    different = sorted(name for name in mine.keys() | theirs if mine.get(name) != theirs.get(name))
    if different:
        print("different:", *different)
    return not different and "metrics.jsonl" in mine


def finish(run: Run) -> int:
    """Train in this process; the exit code."""
    try:
        train(str(run.path))
    except Halted as halted:
        return halted.code
    return 0


def copied(run: Run, folder: Path) -> Run:
    """A copy of a run in a store of its own, which has an empty cache."""
    return Run(Path(shutil.copytree(run.path, folder / "runs" / run.name)))


def worker(path: str) -> None:
    """The body of a training process."""
    sys.exit(finish(Run(Path(path))))


def start(target: Callable[..., None], *arguments: Any) -> Any:
    """A process of its own, forked from one that has torch loaded."""
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def start_training(run: Run) -> Any:
    """Train in a process of its own."""
    return start(worker, str(run.path))


def wait_for(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Poll until something is true."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
    return value


def wait_for_step(run: Run, step: int) -> None:
    """Poll until a row of this step, or a later one, is there."""
    wait_for(lambda: any(row["step"] >= step for row in run.rows("train")))


def remove(path: Path) -> None:
    """Delete a folder that others may be writing to."""
    wait_for(lambda: shutil.rmtree(path, ignore_errors=True) or not path.exists())


def hold_lock(path: str, seconds: float) -> None:
    """Hold a run's lock, as a worker that hangs does."""
    with Run(Path(path)).lock().acquire(timeout=0):
        (Path(path) / "held").touch()
        time.sleep(seconds)


def command_line(*arguments: object, **environment: str) -> list[Any]:
    """Arguments and options to start the command line with."""
    return [
        [sys.executable, "-m", "vae_core", *map(str, arguments)],
        {"cwd": ROOT, "env": os.environ | environment, "text": True},
    ]


def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command, options = command_line(*arguments, **environment)
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **options)


def launch(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start a command."""
    command, options = command_line(*arguments, **environment)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
