"""Slow checks of a run: its evidence by annealing, kept in the cache and made in a process of its own.

`python -m vae_core.slow_checks RUN_PATH` is that process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

import safetensors.torch
import torch

from vae_core.diagnostics import prepare_once
from vae_core.evidence import Annealed, annealed_evidence
from vae_core.evidence.annealing import LARGEST
from vae_core.latents import Report, Work
from vae_core.latents.cache import entry
from vae_core.latents.work import asked_of
from vae_core.opened import Opened
from vae_core.runs import Run
from vae_core.spec import InputError

IMAGES, TEMPERATURES, CHAINS, SEED = 16, 500, 16, 6000
Settings = dict[str, int]


def ready(run: Run, step: int | None = None, **settings: int) -> Annealed | None:
    """The evidence of a run's first test images by annealing, if it is in the cache; never any work.

    `settings`: images (16, at the most 16), temperatures (500), chains (16). Images are binarised as evaluation does.
    InputError for anything else, and for an opened model, whose decoder has no slope to follow.
    """
    chosen = _settings(settings)
    data = _work(run, step, chosen).place.read()
    return None if data is None else Annealed(**safetensors.torch.load(data), temperatures=chosen["temperatures"])


def prepare(run: Run, step: int | None = None, **settings: int) -> None:
    """Put it into the cache, and tell how far it is where `progress` finds it.

    InputError as for `ready`, if another process prepares the same, if the cache cannot be written, where there are
    no weights or images, and where p(x) does not exist.
    """
    chosen = _settings(settings)
    work = _work(run, step, chosen)
    with work.doing():
        if work.place.read() is None:
            work.tell("working", None, "Reading the model")
            at, made = _annealed(run, step, chosen, work)
            if at == work.place.step:  # else the newest weights cannot be read, and these are of an earlier step
                tensors = {"log_weights": made.log_weights, "acceptance": made.acceptance}
                work.place.write(safetensors.torch.save({name: part.contiguous() for name, part in tensors.items()}))


def start(run: Run, step: int | None = None, **settings: int) -> subprocess.Popen[Any] | None:
    """Prepare it in a new process; None if it is ready, or on its way already. `progress` tells how far it is."""
    chosen = _settings(settings)
    arguments = [str(run.path.resolve())] + ([] if step is None else ["--step", str(step)])
    for name, value in chosen.items():
        arguments += [f"--{name}", str(value)]
    return _work(run, step, chosen).start("vae_core.slow_checks", arguments)


def progress(run: Run, step: int | None = None, **settings: int) -> Report:
    """How far it is: "absent" (nobody asked for it), "working" with a share of 1, "ready", or "failed" and why."""
    return _work(run, step, _settings(settings)).progress()


def _work(run: Run, step: int | None, chosen: Settings) -> Work:
    if Opened.of(run) is not None:
        raise InputError("annealing follows the decoder's slope, which an opened model does not give", run.name)
    return Work(entry(run, step, "annealed", sorted(chosen.items()), SEED), "check")


def _settings(given: Settings) -> Settings:
    known = {"images": IMAGES, "temperatures": TEMPERATURES, "chains": CHAINS}
    if unknown := given.keys() - known.keys():
        raise InputError(f"annealing takes no {min(unknown)}", limit=f"it takes {', '.join(known)}")
    chosen = known | given
    if min(chosen.values()) < 1 or chosen["images"] > LARGEST:
        raise InputError(
            "annealing of so many images", limit=f"1 to {LARGEST}, with a chain and a temperature at least"
        )
    return chosen


def _annealed(run: Run, step: int | None, chosen: Settings, work: Work) -> tuple[int, Annealed]:
    at, vae = run.model(step)
    vae.requires_grad_(False)
    test = run.config.dataset.load()[1]
    x = prepare_once(vae, vae.likelihood.once(test.images[: chosen["images"]], test.top))
    generator = torch.Generator(x.device).manual_seed(SEED)
    told = -1

    def tell(share: float) -> None:
        nonlocal told
        if int(100 * share) > told:
            told = int(100 * share)
            work.tell("working", share, "Annealing from the prior to the posterior")

    return at, annealed_evidence(vae, x, chosen["temperatures"], chosen["chains"], generator, tell)


def main() -> int:
    """Prepare one; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m vae_core.slow_checks", description="Anneal a run's test images.")
    for name, value in _settings({}).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    torch.set_num_threads(1)
    return asked_of(parser, prepare)


if __name__ == "__main__":
    sys.exit(main())
