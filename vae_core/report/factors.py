"""How a run's latents stand for the factors that its data was drawn from: asked for alone, for it takes a second."""

from __future__ import annotations

from dataclasses import dataclass

from vae_core.datasets import Shapes
from vae_core.diagnostics import encode
from vae_core.disentanglement import dci, mig, sap
from vae_core.runs import Run
from vae_core.spec import InputError

# A shape has no order, and a turn means something else for each shape: no score here is made for such factors.
LEFT_OUT = ("shape", "orientation")


@dataclass(frozen=True)
class Disentangled:
    """MIG, SAP and DCI of the posterior means of `count` test images, over the factors that are named.

    `importance`: for each latent, how much it matters to predict each factor.
    """

    step: int
    count: int
    factors: list[str]
    mig: float
    sap: float
    disentanglement: float
    completeness: float
    informativeness: float
    importance: list[list[float]]


def disentangled(run: Run, step: int | None = None) -> Disentangled:
    """The scores with the newest weights at or before `step`; InputError where the data has no known factors."""
    dataset = run.config.dataset
    if not isinstance(dataset, Shapes):
        raise InputError("this data has no known factors", run.name, fix="train on Shapes")
    kept = [place for place, name in enumerate(dataset.factor_names) if name not in LEFT_OUT]
    at, vae = run.model(step)
    _, test = dataset.load()
    factors = dataset.factors()[-len(test) :, kept].numpy()
    codes = encode(vae, vae.likelihood.once(test.images, test.top)).posterior.mean.cpu().numpy()
    found = dci(codes, factors)
    return Disentangled(
        step=at,
        count=len(test),
        factors=[dataset.factor_names[place] for place in kept],
        mig=mig(codes, factors),
        sap=sap(codes, factors),
        disentanglement=found.disentanglement,
        completeness=found.completeness,
        informativeness=found.informativeness,
        importance=found.importance.tolist(),
    )
