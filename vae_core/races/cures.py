"""Races about collapse and its cures: what was predicted before they were run, and what each is held to."""

from __future__ import annotations

from typing import Any

from vae_core.config import RunConfig
from vae_core.datasets import Mnist
from vae_core.nets import Mlp
from vae_core.objectives import FreeBits
from vae_core.races.checks import (
    best,
    between,
    collapses,
    dead_share,
    differs,
    empty,
    every,
    figure,
    keeps,
    ordered,
)  # fmt: skip
from vae_core.races.running import Finding, Lane, Race, Results, by_lane
from vae_core.schedules import Constant, Cyclical, Delayed, Warmup


def softplus(**changes: Any) -> RunConfig:
    """Digits, softplus 2 × 64, gain 0.7: the net that collapses within 25 steps at β = 1."""
    return RunConfig(**({"net": Mlp(gain=0.7), "beta": Constant(), "steps": 1500} | changes))


def relu(**changes: Any) -> RunConfig:
    """Digits, ReLU 2 × 64, gain 1: the net whose decoder units die."""
    return RunConfig(**({"net": Mlp(activation="relu"), "beta": Constant(), "steps": 2000} | changes))


def mnist(**changes: Any) -> RunConfig:
    """MNIST, softplus 3 × 128, gain 1.1, 20 latents."""
    net = Mlp(widths=(128, 128, 128), gain=1.1)
    settings = {"dataset": Mnist(), "net": net, "latent": 20, "beta": Constant(), "steps": 1200, "threads": 1}
    return RunConfig(**(settings | changes))


def _headline(results: Results) -> list[Finding]:
    slow = ("warm-up 300", "warm-up 750", "delayed", "cyclical")
    cured = "ends with a code: KL above 2, and at least 2 nats above β = 1, for every seed."
    return [
        collapses(results, "constant 1", "β = 1 from the start: no code at the end, for every seed."),
        collapses(results, "warm-up 100", "A warm-up of 100 steps is too fast: no code for a third of the seeds or "
                  "more.", 1 / 3),
        *(keeps(results, lane, "constant 1", f"{lane[0].upper()}{lane[1:]} {cured}") for lane in slow),
        best(results, "warm-up 750", "The slowest warm-up has the highest mean ELBO."),
    ]  # fmt: skip


HEADLINE = Race(
    "headline",
    "Who escapes",
    "β = 1 from the start ends with no code at all, at the ELBO of independent pixels (−27.2 nats), and a warm-up of "
    "100 steps is too fast: a third of the seeds or more end there too. β that rises over 300 or 750 steps, waits, or "
    "comes in cycles ends with a code and at least 2 nats higher; the slowest warm-up is best.",
    (
        Lane("constant 1", softplus()),
        Lane("warm-up 100", softplus(beta=Warmup(steps=100))),
        Lane("warm-up 300", softplus(beta=Warmup(steps=300))),
        Lane("warm-up 750", softplus(beta=Warmup(steps=750))),
        Lane("delayed", softplus(beta=Delayed(wait=300, ramp=0))),
        Lane("cyclical", softplus(beta=Cyclical(period=375, ramp=0.5))),
    ),
    _headline,
)


def _alternatives(results: Results) -> list[Finding]:
    bits = ("free bits 0.01", "free bits 0.1", "free bits 0.5")
    below = "has an ELBO below the warm-up's, by at least half a nat."
    return [
        collapses(results, "constant 1", "β = 1 from the start: no code at the end, for every seed."),
        *(
            keeps(results, lane, "constant 1", f"With {lane} all ten latents are in use, and the ELBO is higher "
                  "by at least 1.5 nats, for every seed.", nats=1.5, units=10, kl=1.5)
            for lane in bits
        ),
        *(differs(results, lane, "warm-up 750", f"But {lane} {below}", -4.0, -0.5) for lane in bits),
        ordered(results, bits, "The more free bits, the lower the ELBO."),
        keeps(results, "bias 0", "constant 1", "Without the mean image in the output bias β = 1 is slow, not stuck: at "
              "least 1 nat above collapse, for every seed.", nats=1.0, kl=1.0),
        differs(results, "bias 0, warm-up 750", "warm-up 750", "A warm-up does not need that bias: the same ELBO to "
                "0.25 nats.", -0.25, 0.25),
        differs(results, "rate 0.001", "constant 1", "At a quarter of the learning rate β = 1 has hardly left the "
                "plateau: at most 1 nat above collapse.", 0.0, 1.0),
        collapses(results, "aggressive encoder", "An encoder that runs ahead by up to 30 updates fails here: no code "
                  "at the end, for every seed."),
    ]  # fmt: skip


ALTERNATIVES = Race(
    "alternatives",
    "Other cures",
    "Free bits keep all ten latents in use, yet end at least half a nat below the warm-up: active units are no score. "
    "Without the mean image in the output bias β = 1 is slow rather than stuck. The aggressive encoder fails here: the "
    "decoder forgets z before the encoder can catch up.",
    (
        Lane("constant 1", softplus()),
        Lane("warm-up 750", softplus(beta=Warmup(steps=750))),
        Lane("free bits 0.01", softplus(objective=FreeBits(nats=0.01))),
        Lane("free bits 0.1", softplus(objective=FreeBits(nats=0.1))),
        Lane("free bits 0.5", softplus(objective=FreeBits(nats=0.5))),
        Lane("bias 0", softplus(net=Mlp(gain=0.7, start_at_mean=False))),
        Lane("bias 0, warm-up 750", softplus(net=Mlp(gain=0.7, start_at_mean=False), beta=Warmup(steps=750))),
        Lane("rate 0.001", softplus(learning_rate=1e-3)),
        Lane("aggressive encoder", softplus(encoder_steps=30)),
    ),
    _alternatives,
    seeds=3,
)


def _dead_units(results: Results) -> list[Finding]:
    lanes = by_lane(results)
    stuck = [dead_share(result) for result in lanes["constant 1"] if empty(result)]
    cured = [dead_share(result) for result in lanes["warm-up 1000"]]
    return [
        collapses(results, "constant 1", "β = 1 from the start: no code at the end, for at least 8 of 10 seeds.", 0.8),
        every(results, "warm-up 1000", "A warm-up of 1,000 steps: all ten latents in use, for at least 8 of 10 seeds.",
              lambda result: result["active_units"] == result.config.latent, "elbo", "active_units", share=0.8),
        differs(results, "warm-up 1000", "constant 1", "On average it ends at least 3 nats higher.", 3.0, 5.0),
        Finding("In a collapsed model at least 80 % of the decoder's last hidden layer is dead.",
                bool(stuck) and min(stuck) >= 0.8, f"dead share {between(stuck)}" if stuck else "none collapsed"),
        Finding("In a model with a code at most 30 % of it is dead.",
                max(cured) <= 0.3, f"dead share {between(cured)}"),
    ]  # fmt: skip


DEAD_UNITS = Race(
    "dead-units",
    "Why it cannot come back",
    "With ReLU and β = 1 nearly every seed collapses, because while the code is noise the decoder silences its last "
    "hidden layer: most of its units are dead, and nothing tells the encoder what to do. With a warm-up nearly "
    "every seed keeps all ten latents in use, and few units die.",
    (Lane("constant 1", relu()), Lane("warm-up 1000", relu(beta=Warmup(steps=1000)))),
    _dead_units,
    seeds=10,
)


def _mnist(results: Results) -> list[Finding]:
    lanes = by_lane(results)
    off = [abs(result["elbo"] - result.baseline) for result in lanes["constant 1"]]
    return [
        collapses(results, "constant 1", "β = 1 from the start: no code at the end, for every seed."),
        Finding("Its ELBO is that of independent pixels, to half a nat.", max(off) < 0.5,
                f"{figure(max(off))} nats from {figure(lanes['constant 1'][0].baseline)}"),
        keeps(results, "warm-up 1000", "constant 1", "A warm-up of 1,000 steps ends at least 55 nats higher, with at "
              "least 4 latents in use, for every seed.", nats=55.0, units=4, kl=5.0),
    ]  # fmt: skip


MNIST = Race(
    "mnist",
    "The same on MNIST",
    "A deep softplus net collapses at β = 1, onto the baseline of independent pixels (−205.9 nats over all 10,000 test "
    "images). A warm-up of 1,000 steps ends at least 55 nats higher, with at least 4 of 20 latents in use.",
    (Lane("constant 1", mnist()), Lane("warm-up 1000", mnist(beta=Warmup(steps=1000)))),
    _mnist,
    seeds=3,
)
