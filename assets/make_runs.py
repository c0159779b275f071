"""Trains the shipped runs again: `make assets`. Needs MNIST (VAE_DATA_DIR, or `python -m vae_core fetch mnist`).

Each is an ordinary run of a preset, without its checkpoints (it can be opened and branched, not resumed) and without
what belongs to the machine that trained it. Digits keep all snapshots, MNIST the last.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vae_core.presets import preset
from vae_core.runs import ASSETS, Run, RunStore, Status
from vae_core.training import train

SHIPPED = (
    "digits-z2",
    "digits-collapsed",
    "digits-annealed",
    "mnist-collapsed",
    "mnist-annealed",
    "mnist-z2",
    "mnist-conv10",
)
LARGEST = 1_500_000


def make(name: str, folder: Path) -> int:
    """Train one, keep what is shipped, and return its size in bytes."""
    begun = time.perf_counter()
    run = RunStore(folder).create(preset(name).config, state="running", lock=True)
    train(str(run.path))
    seconds = time.perf_counter() - begun
    target = ASSETS / name
    shutil.rmtree(target, ignore_errors=True)
    left = ("checkpoints", "commands", "run.lock", "timing.jsonl", "journal.jsonl", "snapshots", "status.json")
    shutil.copytree(run.path, target, ignore=shutil.ignore_patterns(*left))
    (target / "snapshots").mkdir()
    snapshots = list(run.snapshots().values())
    for path in snapshots if name.startswith("digits") else snapshots[-1:]:
        shutil.copyfile(path, target / "snapshots" / path.name)
    status = Status("done", run.config.steps, seconds=round(seconds, 1), device="cpu")
    (target / "status.json").write_text(json.dumps(dataclasses.asdict(status)))
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    _report(name, Run(target), seconds, size)
    return size


def _report(name: str, run: Run, seconds: float, size: int) -> None:
    last = run.rows("test")[-1]
    units = f"{last['active_units']}/{run.config.latent}"
    print(
        f"{name:18} {seconds:6.1f} s  {size / 1e6:5.2f} MB  ELBO {last['elbo']:8.2f}  KL {last['kl']:6.2f}  AU {units}"
    )


if __name__ == "__main__":
    for shipped in sys.argv[1:] or SHIPPED:
        with tempfile.TemporaryDirectory() as scratch:
            if make(shipped, Path(scratch)) > LARGEST:
                raise SystemExit(f"{shipped} is larger than {LARGEST / 1e6} MB")
