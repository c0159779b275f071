"""The feed of the run figure: rows as packed numbers, read once for all viewers of a run."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from vae_core.captions import caption
from vae_core.records import Record, Tail, number
from vae_core.runs import Run, RunStore
from vae_core.training.course import Course

COLUMNS = (
    "beta", "elbo", "reconstruction", "kl", "loss", "active_units", "mutual_information",
    "gradient_norm_encoder", "gradient_norm_decoder", "learning_rate",
)  # fmt: skip
LOOK_EVERY = 0.1
MOST_ROWS = 2000


def card(run: Run) -> dict[str, object]:
    """What the figure needs to know once: names, sizes, the planned β and the baseline."""
    config = run.config
    shape = config.dataset.shape
    first = next((row for row in run.rows("test") if "baseline" in row), {})
    course, every = Course(run), max(1, config.steps // 150)
    return {
        "name": run.name,
        "title": str(run.label.get("title") or run.name),
        "steps": config.steps,
        "latent": config.latent,
        "baseline": first.get("baseline"),
        "unit": "nats per image",
        "split": "test",
        "tile": {"width": min(32, shape.width), "height": min(32, shape.height), "channels": shape.channels},
        "smooth": shape.height > 16,
        "schedule": [[step, course(step)] for step in (*range(0, config.steps, every), config.steps - 1)],
        "state": run.state,
        "message": run.message,
    }


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
        return cls(run, latent, Tail(run.path / "metrics.jsonl"), np.empty((0, 2 + len(COLUMNS) + latent), "<f4"))

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
            self.packed = np.concatenate([self.packed, np.array([self._pack(row) for row in thin(rows)], "<f4")])
            self.tests += [row for row in rows if row["split"] == "test"]
        state, status = self.run.state, self.run.status()
        self.facts = {
            "Rows": len(self.packed), "Log": self.log, "Width": self.packed.shape[1], "State": state,
            "Step": status.step, "Message": self.run.message, "Caption": caption(self.tests, state),
        }  # fmt: skip

    def _pack(self, row: Record) -> list[float]:
        head = [float(row["split"] == "test"), float(row["step"])]
        kl = [number(value) for value in row["kl_per_dimension"]]
        return head + [number(row.get(name)) for name in COLUMNS] + kl


def thin(rows: list[Record]) -> list[Record]:
    """A long log thinned to what a screen can show: of each bin the best and the worst training row.

    Test rows (there are few) and the newest row always stay.
    """
    if len(rows) <= MOST_ROWS:
        return rows
    training = [index for index, row in enumerate(rows) if row["split"] == "train"]
    width = max(2, 2 * len(training) // 1000)
    keep = {len(rows) - 1, *(index for index, row in enumerate(rows) if row["split"] == "test")}
    for start in range(0, len(training), width):
        part = sorted(training[start : start + width], key=lambda index: number(rows[index]["elbo"]))
        keep |= {part[0], part[-1]}
    return [rows[index] for index in sorted(keep)]


@lru_cache(maxsize=64)
def _stream(path: str, written: int) -> Stream:
    return Stream.of(Run(Path(path)))


def stream(name: str) -> Stream:
    """The shared stream of a run of the store."""
    run = RunStore.default()[name]
    return _stream(str(run.path), (run.path / "config.json").stat().st_mtime_ns)
