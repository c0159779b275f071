"""The feed of the run figure: rows as packed numbers, read once for all who look at a run."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from vae_core.captions import caption
from vae_core.records import Record, Tail
from vae_core.runs import Run, RunStore
from vae_core.viewer import pack, thin

LOOK_EVERY = 0.1


@dataclass
class Stream:
    """One run's rows in memory, packed; all viewers share it, so the disk is read once for all of them."""

    run: Run
    latent: int
    tail: Tail
    packed: np.ndarray
    tests: list[Record] = field(default_factory=list)
    log: str = "0"
    facts: dict[str, object] = field(default_factory=dict)
    _looked: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, run: Run) -> Stream:
        """An empty stream on a run."""
        latent = run.config.latent
        return cls(run, latent, Tail(run.path / "metrics.jsonl"), pack([], latent))

    def since(self, count: int, log: str) -> tuple[bytes, dict[str, object]]:
        """The rows after the first `count` of this log (all of them if it is another log), and the state."""
        with self._lock:
            self._refresh()
            known = count if log == self.log and count <= len(self.packed) else 0
            return self.packed[known:].tobytes(), self.facts

    def _refresh(self) -> None:
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        rows, reset = self.tail.read()
        if reset:
            self.packed, self.tests = self.packed[:0], []
            self.log = f"{self.tail.identity}-{time.time_ns()}"
        if rows:
            self.packed = np.concatenate([self.packed, pack(thin(rows), self.latent)])
            self.tests += [row for row in rows if row["split"] == "test"]
        state, status = self.run.state, self.run.status()
        self.facts = {
            "Rows": len(self.packed), "Log": self.log, "Width": self.packed.shape[1], "State": state,
            "Step": status.step, "Message": self.run.message, "Caption": caption(self.tests, state),
            "Course": _size(self.run.path / "journal.jsonl"),
        }  # fmt: skip


def _size(path: Path) -> int:
    """Of a file that grows; a journal that has grown tells that β has been changed."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@lru_cache(maxsize=64)
def _stream(path: str, written: int) -> Stream:
    return Stream.of(Run(Path(path)))


def stream(name: str) -> Stream:
    """The shared stream of a run of the store."""
    run = RunStore.default()[name]
    return _stream(str(run.path), (run.path / "config.json").stat().st_mtime_ns)
