"""Burda's model beside the published figures: `make paper`, or `python -m benchmarks.paper [vae|order|all]`. MNIST.

784-200-200-50 with tanh, Glorot weights and a decoder that starts at the mean image; batches of 100, Adam with 2e-3
falling to 2 % along a cosine, pixels drawn anew at every access. `vae` trains the ELBO for 60 epochs. `order` gives
the ELBO and the importance-weighted bounds of 5 and of 50 codes the same 8 epochs: in the paper more codes end with a
lower NLL and more latents in use. NLL is −ln p̂(x) with K = 5,000 on the first 200 test images, AU and ELBO are of all
10,000. The runs stay in the store (`runs/`, or VAE_RUNS), where the app shows them: an interrupted one goes on, and
one that is done is only measured again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from vae_core.config import RunConfig
from vae_core.diagnostics import active_units, elbo, encode
from vae_core.evaluation import NLL_SEED
from vae_core.evidence import importance_log_evidence
from vae_core.objectives import Iwae, Plain
from vae_core.presets import preset
from vae_core.runs import Run, RunStore
from vae_core.spec import InputError
from vae_core.training import train
from vae_core.training.process import set_up

SAMPLES, IMAGES = 5000, 200
UNITS, NLL = (22, 2), (88.2, 0.7)  # measured before, and how far off this may be
PUBLISHED = {1: (86.76, 19), 5: (85.54, 22), 50: (84.78, 25)}  # NLL and AU for each K (Burda et al. 2015, table 1)
LINE = "{:34} {:>6} {:>6} {:>15} {:>7} {:>3} {:>9} {:>8}"


@dataclass(frozen=True)
class Figures:
    """What was measured of a run; `log_evidence` [200] and the ELBO in nats, times in seconds."""

    run: Run
    log_evidence: Tensor
    units: int
    bound: float
    took: float

    @property
    def nll(self) -> float:
        return -float(self.log_evidence.mean())

    def line(self, what: str) -> str:
        """A row of the table."""
        config, error = self.run.config, float(self.log_evidence.std()) / IMAGES**0.5
        epochs = config.steps * config.batch / config.dataset.sizes[0]
        nll, seconds = f"{self.nll:.2f} ± {error:.2f}", f"{self.run.status().seconds:,.0f} s"
        return LINE.format(what, f"{epochs:g}", config.batch, nll, IMAGES, self.units, f"{self.bound:.2f}", seconds)


def trained(name: str, config: RunConfig) -> Run:
    """The run of that name, trained to its end."""
    store = RunStore.default()
    run = next((run for run in store.own() if run.name == name), None) or store.create(config, name, lock=True)
    if run.config != config:
        raise InputError(f"{name} is a run of another config", str(store.root), fix="throw it away, or set VAE_RUNS")
    if run.state != "done":
        train(str(run.path))
    return run


def measured(run: Run) -> Figures:
    """The last weights on the test images, each image with the same noise for every run."""
    vae, test = run.model()[1].eval(), run.config.dataset.load()[1]
    e, begun = encode(vae, test.images), time.perf_counter()
    noise = torch.Generator().manual_seed(NLL_SEED)
    log_evidence = importance_log_evidence(vae, e.images[:IMAGES], SAMPLES, noise)
    took = time.perf_counter() - begun
    return Figures(run, log_evidence, int(active_units(e)), float(elbo(e).value().mean()), took)


def published(samples: int) -> str:
    """The same row from the paper."""
    nll, units = PUBLISHED[samples]
    return LINE.format(f"published, K = {samples}", "3,280", 20, f"{nll:.2f}", "10,000", units, "", "")


def vae() -> Iterator[str]:
    """The long run."""
    figures = measured(trained("paper-vae", preset("mnist-burda").config))
    yield published(1)
    yield LINE.format("measured before", "60", 100, "88.20", IMAGES, 22, "-95.10", "")
    yield figures.line("ours")
    near = abs(figures.units - UNITS[0]) <= UNITS[1] and abs(figures.nll - NLL[0]) <= NLL[1]
    yield f"AU {UNITS[0]} ± {UNITS[1]} and NLL {NLL[0]} ± {NLL[1]}: {'met' if near else 'missed'}."
    yield f"The NLL took {figures.took:.0f} s, {1e3 * figures.took / IMAGES:.0f} ms an image."


def order() -> Iterator[str]:
    """The three objectives at one number of updates, and what each step to more codes changes, image by image."""
    short = preset("mnist-iwae5").config
    objectives = {1: Plain(), 5: Iwae(samples=5), 50: Iwae(samples=50)}
    found: dict[str, Figures] = {}
    for samples, objective in objectives.items():
        name = "VAE" if samples == 1 else f"IWAE {samples}"
        run = trained(f"paper-order-{samples}", short.model_copy(update={"objective": objective}))
        found[name] = measured(run)
        yield published(samples)
        yield found[name].line(f"ours, {name}")
    for (one, few), (other, many) in pairwise(found.items()):
        gain = many.log_evidence - few.log_evidence
        error = float(gain.std()) / IMAGES**0.5
        change = f"NLL {-float(gain.mean()):+.2f} ± {error:.2f} nats, AU {many.units - few.units:+d}"
        yield f"{other} against {one}: {change}."
    nll, units = ([getattr(figures, name) for figures in found.values()] for name in ("nll", "units"))
    yield f"NLL falls with K: {_rises(nll[::-1])}. AU rises with K: {_rises(units)}."


def _rises(values: list[float]) -> str:
    return "yes" if all(before < after for before, after in pairwise(values)) else "no"


def main(which: str = "all") -> None:
    """Print the tables."""
    set_up(1)
    print(LINE.format("nats per image", "epochs", "batch", f"NLL, K = {SAMPLES:,}", "images", "AU", "ELBO", "training"))
    for name, rows in {"vae": vae, "order": order}.items():
        for row in rows() if which in (name, "all") else ():
            print(row, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
