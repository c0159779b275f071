"""Races that a warm-up does not win: where collapse is best, where it is too late, where there is nothing to cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vae_core.config import RunConfig, StepDecay
from vae_core.likelihoods import Gaussian
from vae_core.nets import Activation, Linear, Mlp
from vae_core.races.checks import between, collapses, differs, figure, keeps
from vae_core.races.cures import relu, softplus
from vae_core.races.exact import Exact, exact
from vae_core.races.running import Finding, Lane, Race, Results, by_lane
from vae_core.schedules import Constant, Delayed, Piecewise, Schedule, Warmup


def mlp(activation: Activation, depth: int, beta: Schedule, gain: float = 1.0, **changes: Any) -> RunConfig:
    """Digits with `depth` layers of 64."""
    return RunConfig(**({"net": Mlp(widths=(64,) * depth, activation=activation, gain=gain), "beta": beta} | changes))


def linear(likelihood: Gaussian, beta: Schedule, steps: int = 8000) -> RunConfig:
    """Probabilistic PCA of the digits as a VAE, with the full batch; one code an image makes the last digits slow."""
    return RunConfig(
        net=Linear(), likelihood=likelihood, latent=20, beta=beta, steps=steps, batch=0, learning_rate=1e-2,
        decay=StepDecay(),
    )  # fmt: skip


def late(stuck: int, ramp: int) -> Piecewise:
    """β = 1 until the model has collapsed; then 0, and up to 1 again."""
    return Piecewise(points=((0, 1.0), (stuck - 1, 1.0), (stuck, 0.0), (stuck + ramp, 1.0)))


def _pair(name: str, at: Callable[[Schedule], RunConfig], warm: int) -> tuple[Lane, Lane]:
    """β = 1 and a warm-up."""
    return Lane(f"{name}: constant 1", at(Constant())), Lane(f"{name}: warm-up {warm}", at(Warmup(steps=warm)))


NOISY = Gaussian(sigma=0.9)
EXACT = Gaussian(sigma=0.1**0.5)


def _no_help(results: Results) -> list[Finding]:
    same = "the same ELBO with and without a warm-up, to"
    return [
        collapses(results, "noise 0.9: constant 1", "σ² = 0.81 is above every eigenvalue: no code at β = 1."),
        collapses(results, "noise 0.9: warm-up 750", "Nor after a warm-up: collapse is the optimum."),
        collapses(results, "to β 4: constant 4", "β = 4 is more than a code is worth: none at the end."),
        collapses(results, "to β 4: warm-up 1000", "Nor if it is reached slowly."),
        collapses(results, "sigmoid 3: constant 1", "A deep sigmoid net has no code at β = 1."),
        collapses(results, "sigmoid 3: warm-up 1000", "Nor after a warm-up: β has passed before the net has learnt."),
        keeps(results, "sigmoid 3, 3000 steps: delayed 800", "sigmoid 3: constant 1",
              "With β = 0 for 800 steps first it has one, at least 2 nats higher, for every seed."),
        collapses(results, "softplus 3: constant 1", "A deep softplus net of gain ½ has no code at β = 1."),
        collapses(results, "softplus 3: warm-up 1000", "Nor after a warm-up."),
        differs(results, "gelu 2: warm-up 750", "gelu 2: constant 1", f"GELU is healthy: {same} 0.35 nats, never "
                "better by more than 0.05.", -0.35, 0.05),
        differs(results, "gelu 2: warm-up 750", "gelu 2: constant 1", "Yet the warm-up has more latents in use.", 1.0,
                10.0, "active_units"),
        differs(results, "tanh 4: warm-up 1000", "tanh 4: constant 1", f"tanh of four layers: {same} 0.25 nats.",
                -0.25, 0.25),
        differs(results, "tanh 1: warm-up 1500", "tanh 1: constant 1", f"tanh of one layer: {same} 0.15 nats.",
                -0.15, 0.15),
        collapses(results, "softplus: late ramp", "A ramp after 500 steps at β = 1 comes too late for softplus."),
        collapses(results, "relu: late ramp", "And after 800 steps for ReLU."),
        *(_reaches([exact(result) for result in by_lane(results)[f"linear: {how}"]], f"A linear VAE, {how}", 0.02)
          for how in ("constant 1", "warm-up 1000")),
    ]  # fmt: skip


def _slow(beta: Schedule) -> RunConfig:
    return mlp("sigmoid", 3, beta, steps=3000, learning_rate=5e-3)


NO_HELP = Race(
    "no-help",
    "Where a warm-up does not help",
    "Where the noise or β is too large, collapse is optimal and no schedule changes it. Deep sigmoid and softplus nets "
    "learn nothing while β rises (a delayed ramp works). GELU and tanh nets have nothing to be cured of. After a "
    "collapse a ramp comes too late. A linear VAE reaches the same optimum either way.",
    (
        *_pair("noise 0.9", lambda beta: mlp("tanh", 2, beta, likelihood=NOISY, steps=1500, learning_rate=2e-3), 750),
        Lane("to β 4: constant 4", relu(beta=Constant(value=4.0), learning_rate=2e-3)),
        Lane("to β 4: warm-up 1000", relu(beta=Warmup(steps=1000, target=4.0), learning_rate=2e-3)),
        *_pair("sigmoid 3", lambda beta: mlp("sigmoid", 3, beta, steps=2000, learning_rate=5e-3), 1000),
        Lane("sigmoid 3, 3000 steps: warm-up 1000", _slow(Warmup(steps=1000))),
        Lane("sigmoid 3, 3000 steps: warm-up 2000", _slow(Warmup(steps=2000))),
        Lane("sigmoid 3, 3000 steps: delayed 800", _slow(Delayed(wait=800, ramp=800))),
        *_pair("softplus 3", lambda beta: mlp("softplus", 3, beta, 0.5, steps=2000, learning_rate=2e-3), 1000),
        *_pair("gelu 2", lambda beta: mlp("gelu", 2, beta, steps=1500, learning_rate=2e-3), 750),
        *_pair("tanh 4", lambda beta: mlp("tanh", 4, beta, steps=2000, learning_rate=5e-3), 1000),
        *_pair("tanh 1", lambda beta: mlp("tanh", 1, beta, steps=3000, learning_rate=2e-3), 1500),
        Lane("softplus: late ramp", softplus(beta=late(500, 500))),
        Lane("relu: late ramp", relu(beta=late(800, 600))),
        *_pair("linear", lambda beta: linear(EXACT, beta, 4000), 1000),
    ),
    _no_help,
    seeds=3,
)

SIGMAS = {"0.5": Gaussian(sigma=0.5**0.5), "0.1": EXACT, "0.03": Gaussian(sigma=0.03**0.5)}
SIGMAS["learned"] = Gaussian(sigma=0.5, noise="learned")
GAPS = {"0.5": 0.01, "0.1": 0.01, "0.03": 0.1, "learned": 0.1}  # nats; those of 20 dimensions come last
BETAS = (0.5, 1.8, 3.0, 5.0)  # βσ² well between two eigenvalues


def _linear(results: Results) -> list[Finding]:
    forms = {lane: [exact(result) for result in own] for lane, own in by_lane(results).items()}
    findings = []
    for noise, gap in GAPS.items():
        for how in ("constant 1", "warm-up 2000"):
            findings.append(_reaches(forms[f"σ² {noise}: {how}"], f"σ² {noise}, {how}", gap))
    for lane in ("σ² 0.5: constant 1", "σ² 0.1: constant 1", *(f"σ² 0.1: constant {beta:g}" for beta in BETAS)):
        findings.append(_prices(forms[lane], lane.replace(":", ",")))
    learned = [form.noise / form.best_noise - 1 for form in forms["σ² learned: constant 1"]]
    worst = max(map(abs, learned))
    told = "A learned σ² ends at the mean of the eigenvalues that are left over, to 1 %."
    return [*findings, Finding(told, worst < 0.01, f"{100 * worst:.2f} % off")]


def _reaches(forms: list[Exact], what: str, gap: float) -> Finding:
    gaps = [form.gap for form in forms]
    figures = f"best {forms[0].best_elbo:.3f}, gap {min(gaps):.4f} to {max(gaps):.4f}".replace("-", "\u2212")
    return Finding(f"{what}: the ELBO of probabilistic PCA, to {figure(gap)} nats.", max(map(abs, gaps)) < gap, figures)


def _prices(forms: list[Exact], what: str) -> Finding:
    right = all(form.active == form.best_active for form in forms)
    furthest = [form.furthest for form in forms]
    figures = f"{between([form.active for form in forms])} of {forms[0].best_active}, KL within {figure(max(furthest))}"
    told = f"{what}: in use are the dimensions with λ > βσ², each with a KL of ½ ln(λ/βσ²) to 0.03 nats."
    return Finding(told, right and max(furthest) < 0.03, figures)


LINEAR = Race(
    "linear",
    "Nothing but the price",
    "A linear VAE has no bad optima: with and without a warm-up it reaches the ELBO of probabilistic PCA. Which "
    "dimensions it uses is a matter of price alone: those whose eigenvalue is above βσ².",
    (
        *(lane for noise, likelihood in SIGMAS.items()
          for lane in _pair(f"σ² {noise}", lambda beta, own=likelihood: linear(own, beta), 2000)),
        *(Lane(f"σ² 0.1: constant {beta:g}", linear(EXACT, Constant(value=beta))) for beta in BETAS),
    ),
    _linear,
    seeds=1,
)  # fmt: skip
