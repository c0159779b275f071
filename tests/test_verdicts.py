"""Verdicts: seventeen real trainings, each made to be one of a kind, and cures that are trained to see that they cure.

The list of the runs with what is said of them is in docs/LOG.md.
"""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.opening_helpers import Own
from tests.run_helpers import start_training
from vae_core.captions import nats
from vae_core.config import RunConfig
from vae_core.cures import changed, finished, longer, quieter, slower, smoother
from vae_core.likelihoods import Bernoulli, Gaussian
from vae_core.nets import Linear, Mlp
from vae_core.objectives import FreeBits, Iwae, Objective
from vae_core.opening.door import Files, open_model
from vae_core.report import Report, report
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.schedules import Constant, Cyclical, Delayed, Sigmoid, Warmup
from vae_core.verdicts import RULES, judge, verdict


def config(activation: str, *widths: int, **changes: Any) -> RunConfig:
    """A short run of digits that writes little down."""
    gain = 0.7 if activation == "softplus" else 1.0
    settings: dict[str, Any] = {"net": Mlp(widths=widths or (64, 64), activation=activation, gain=gain), "steps": 500}
    settings |= changes
    return RunConfig(**settings, evaluate_every=settings["steps"], checkpoint_every=settings["steps"])


LARGE_NOISE = {"likelihood": Gaussian(sigma=0.9), "learning_rate": 2e-3, "steps": 300}
MADE: dict[str, tuple[str, RunConfig]] = {
    "softplus": ("stuck", config("softplus", steps=300)),
    "softplus-fast": ("stuck", config("softplus", beta=Warmup(steps=100), steps=400)),
    "sigmoid": ("stuck", config("sigmoid", learning_rate=5e-3)),
    "sigmoid-deep": ("stuck", config("sigmoid", 64, 64, 64, learning_rate=5e-3, steps=300)),
    "relu": ("dead", config("relu", steps=500)),
    "relu-hot": ("dead", config("relu", learning_rate=0.1, beta=Warmup(steps=100), steps=200)),
    "noise": ("optimal", config("tanh", **LARGE_NOISE)),
    "noise-linear": ("optimal", config("tanh", net=Linear(), **LARGE_NOISE | {"learning_rate": 1e-2})),
    "price": ("optimal", config("relu", beta=Constant(value=4.0), steps=200)),
    "warm-up-too-long": ("unfinished", config("softplus", beta=Warmup(steps=1000), steps=400)),
    "beta-low": ("unfinished", config("gelu", beta=Constant(value=0.25), steps=200)),
    "plateau": ("too-early", config("softplus", learning_rate=1e-3, steps=300)),
    "healthy-gelu": ("healthy", config("gelu", learning_rate=2e-3)),
    "healthy-shallow": ("healthy", config("tanh", 64, steps=300)),
    "healthy-elu": ("healthy", config("elu", learning_rate=2e-3, steps=300)),
    "healthy-annealed": ("healthy-unused", config("softplus", beta=Warmup(steps=300), steps=600)),
    "healthy-gaussian": ("healthy-unused", config("tanh", likelihood=Gaussian(sigma=0.5), steps=500)),
}
CURED = ("softplus", "sigmoid-deep", "noise", "warm-up-too-long")


def trained(folder: Path, configs: dict[str, RunConfig]) -> dict[str, Run]:
    """Real runs, each trained in a process of its own, two at a time: no types are checked there, which takes long."""
    store = RunStore(folder)
    made = {name: store.create(wanted, name) for name, wanted in configs.items()}
    waiting = iter(made.values())
    while two := [*islice(waiting, 2)]:
        for process in [start_training(run) for run in two]:
            process.join()
            assert process.exitcode == 0
    return made


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """All seventeen."""
    return trained(tmp_path_factory.mktemp("verdicts"), {name: wanted for name, (_, wanted) in MADE.items()})


@pytest.fixture(scope="module")
def cured(runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Those that are to be cured, trained again as their verdicts say."""
    cures = {name: verdict(runs[name]).cure for name in CURED}
    sparse = {
        name: changed(cure, evaluate_every=cure.steps, checkpoint_every=cure.steps) for name, cure in cures.items()
    }
    return trained(tmp_path_factory.mktemp("cures"), sparse)


@pytest.mark.parametrize("name", MADE)
def test_a_run_made_to_be_of_a_kind_is_told_to_be_of_it(name: str, runs: dict[str, Run]) -> None:
    kind, _ = MADE[name]
    said = verdict(runs[name])
    assert said.kind == kind, said
    assert ("collapsed" in said.sentence.casefold()) == (kind == "stuck")
    assert all(sentence.endswith(".") for sentence in (said.sentence, *said.why))
    assert (said.cure is None) == kind.startswith("healthy")
    json.dumps(said.plain(), allow_nan=False)


@pytest.mark.parametrize("name", CURED)
def test_a_cure_cures(name: str, cured: dict[str, Run]) -> None:
    assert cured[name].config.seed == MADE[name][1].seed
    assert verdict(cured[name]).kind in ("healthy", "healthy-unused")


def test_the_cure_is_the_one_that_fits(runs: dict[str, Run]) -> None:
    cures = {name: verdict(run).cure for name, run in runs.items()}
    assert cures["softplus"].beta == cures["relu"].beta == cures["plateau"].beta == Warmup(steps=1000)
    assert cures["sigmoid-deep"].beta == Delayed(wait=800, ramp=800)
    assert (cures["relu-hot"].learning_rate, cures["relu"].learning_rate) == (0.004, 0.004)
    assert cures["noise"].likelihood.sigma ** 2 == pytest.approx(0.688 / 10, abs=0.002)
    assert (cures["price"].beta, cures["price"].likelihood) == (Warmup(steps=1000), Bernoulli())
    assert (cures["warm-up-too-long"].beta, cures["warm-up-too-long"].steps) == (Warmup(steps=1000), 1800)


@pytest.mark.parametrize(("name", "count"), [("softplus", 4), ("sigmoid-deep", 3), ("relu", 3), ("relu-hot", 3)])
def test_a_cure_is_none_that_the_run_was_trained_by(name: str, count: int, runs: dict[str, Run]) -> None:
    """From cure to cure as if none helped: each is new, and after the last it is said that there is no other."""
    found, tried = report(runs[name]), [runs[name].config]
    while (cure := judge(found, tried[-1]).cure) is not None:
        assert cure not in tried
        tried.append(cure)
        assert len(tried) <= count + 1
    assert len(tried) == count + 1
    assert tried[-1].net.activation == "tanh"
    assert (
        judge(found, tried[-1])
        .why[-1]
        .endswith("It was trained as every cure known here says, and none of them helped.")
    )


def test_what_is_less_than_a_run_had_is_no_cure_of_it(runs: dict[str, Run]) -> None:
    stuck, wanted = report(runs["softplus"]), runs["softplus"].config
    assert judge(stuck, slower(wanted)).cure == slower(wanted, delayed=True)
    long = changed(wanted, beta=Warmup(steps=1200), steps=2000)
    assert judge(stuck, long).cure == slower(long, delayed=True)
    late = changed(wanted, beta=Delayed(wait=1500, ramp=400))
    assert judge(stuck, late).cure == smoother(late)
    plateau = report(runs["plateau"])
    assert judge(plateau, slower(wanted)).cure == longer(slower(wanted))


def test_deep_nets_that_lose_their_code_keep_it_with_tanh(tmp_path: Path, runs: dict[str, Run]) -> None:
    cure = smoother(runs["sigmoid-deep"].config)
    (run,) = trained(tmp_path, {"smooth": changed(cure, evaluate_every=cure.steps)}).values()
    assert verdict(run).kind in ("healthy", "healthy-unused")


def test_the_sentences_carry_the_measured_numbers(runs: dict[str, Run]) -> None:
    said, found = verdict(runs["noise"]), report(runs["noise"])
    noise = "with this noise (βσ² = 0.81, largest eigenvalue 0.69) that is the best this model can do."
    assert said.sentence == f"Nothing is broken. The code is empty, and {noise}"
    said, found = verdict(runs["softplus"]), report(runs["softplus"])
    assert f"The ELBO is {nats(found.elbo)} nats; a model that ignores z reaches {nats(found.baseline)}." in said.why
    assert said.sentence.startswith("Collapsed. The decoder ignores z: shuffling the codes changes reconstruction by")
    assert said.why[-1].startswith("Lowering β now will not help: the decoder has gone silent. Start again with β")
    said = verdict(runs["beta-low"])
    assert said.sentence.startswith("β ended at 0.25, so this run optimised something looser than the ELBO.")
    assert "annealing does not always help" in verdict(runs["healthy-annealed"]).why[-1]


def test_a_verdict_follows_the_step_that_is_looked_at(runs: dict[str, Run]) -> None:
    collapsing = runs["softplus"]
    at = {step: verdict(collapsing, step) for step in sorted(collapsing.snapshots())}
    assert at[0].sentence == "Training has not begun: there is nothing to judge yet."
    kinds = [said.kind for said in at.values()]
    assert kinds == sorted(kinds, key=["too-early", "stuck"].index)  # early first, then stuck, and never back
    assert {said.cure for said in at.values() if said.kind == "too-early"} == {None}
    annealed = [verdict(runs["healthy-annealed"], step) for step in sorted(runs["healthy-annealed"].snapshots())]
    assert {said.kind for said in annealed[:-1]} == {"too-early"}
    assert annealed[-1].kind == "healthy-unused"


def test_a_report_says_what_the_log_says(runs: dict[str, Run]) -> None:
    """The log has float32 weights and the snapshot half of their bits."""
    for name in ("healthy-gelu", "softplus", "noise"):
        found, row = report(runs[name]), runs[name].rows("test")[-1]
        assert (found.step, found.count, found.live, found.opened) == (row["step"], row["count"], False, False)
        for key in ("elbo", "reconstruction", "kl"):
            assert getattr(found, key) == pytest.approx(row[key], abs=0.02)
        assert found.codes.kl == pytest.approx(row["kl_per_dimension"], abs=0.01)
        assert found.codes.active_units == row["active_units"]
        assert found.codes.mutual_information == pytest.approx(row["mutual_information"], abs=0.02)
        assert found.codes.collapsed_fraction == pytest.approx(row["collapsed_fraction"], abs=1e-6)
        assert found.listening.shuffle_cost == pytest.approx(row["shuffle_cost"], abs=0.05)
        assert found.listening.response[-1] == pytest.approx(row["decoder_response"], rel=0.01)
        assert found.codes.mutual_information + found.codes.marginal_kl == pytest.approx(found.kl, abs=1e-9)
        assert found.faults == []
        assert found == report(runs[name])


def test_a_report_is_json_of_one_size(runs: dict[str, Run]) -> None:
    for run in (runs["softplus"], runs["noise-linear"], runs["healthy-gaussian"]):
        plain = report(run).plain()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
        codes, latent = plain["codes"], run.config.latent
        for key in ("kl", "variance", "noise", "sigma", "regime"):
            assert len(codes[key]) == latent
        assert len(codes["active_units_curve"]) == len(codes["collapsed_curve"]) == len(codes["thresholds"])
        assert [len(row) for row in codes["kl_quantiles"]] == [latent] * len(codes["kl_levels"])
        assert len(plain["listening"]["zeroing_cost"]) == latent


@pytest.mark.parametrize("path", sorted(ASSETS.glob("digits-*/")), ids=lambda path: path.name)
def test_a_run_from_before_these_numbers_were_logged_is_judged(path: Any) -> None:
    kind = {"digits-collapsed": "stuck", "digits-annealed": "healthy-unused", "digits-z2": "healthy"}[path.name]
    said = verdict(Run(path))
    assert said.kind == kind
    assert not any("shuffle_cost" in row for row in Run(path).rows())


# What is judged without a training


def test_of_codes_alone_nothing_can_be_told(tmp_path: Any, store: RunStore) -> None:
    own = Own.make(tmp_path / "own")
    said = verdict(open_model(Files(own.latents()), store, "codes"))
    assert (said.kind, said.cure) == ("cannot-tell", None)
    assert said.why[0].endswith("3 of 3 latents move with the image.")
    found = report(store["codes"])
    assert (found.elbo, found.listening.shuffle_cost, found.price, found.listening.response) == (None, None, None, [])
    json.dumps(found.plain(), allow_nan=False)


def test_an_opened_model_whose_decoder_uses_its_code_is_healthy(tmp_path: Any, store: RunStore) -> None:
    own = Own.make(tmp_path / "own")
    files = Files(own.latents(), own.decoder(), images=own.npy(), likelihood="gaussian:0.1")
    run = open_model(files, store, "mine")
    found = report(run)
    assert found.listening.shuffle_cost > 1
    assert verdict(run).kind == "healthy"
    empty = dataclasses.replace(
        found, kl=0.0, elbo=found.baseline, codes=dataclasses.replace(found.codes, active_units=0)
    )
    said = judge(empty, run.config)
    assert (said.kind, said.cure) == ("cannot-tell", None)
    assert "the training was elsewhere" in said.sentence


def test_a_run_whose_numbers_broke_is_not_judged(runs: dict[str, Run]) -> None:
    found = report(runs["healthy-gelu"])
    broken = dataclasses.replace(found, past=dataclasses.replace(found.past, broken=120))
    said = judge(broken, runs["healthy-gelu"].config)
    assert said.kind == "cannot-tell"
    assert said.sentence.startswith("At step 120 the ELBO stopped being a number")
    assert said.cure.learning_rate == pytest.approx(2e-4)


def test_a_code_that_costs_more_than_it_brings_is_no_collapse(runs: dict[str, Run]) -> None:
    found, wanted = report(runs["healthy-gelu"]), runs["healthy-gelu"].config
    costly = dataclasses.replace(found, elbo=found.baseline - 3)
    assert judge(costly, wanted).kind == "too-early"
    still = dataclasses.replace(costly, past=dataclasses.replace(found.past, rise=0.0))
    assert judge(still, wanted).sentence.startswith("The code costs 3.0 nats more than it brings")


def test_every_fault_of_an_estimate_is_told(runs: dict[str, Run]) -> None:
    found = dataclasses.replace(report(runs["softplus"]), faults=["The estimate is at fault, not the model: it is."])
    assert found.faults[0] in judge(found, runs["softplus"].config).why


@pytest.mark.parametrize("objective", [FreeBits(nats=0.1), Iwae(samples=2)], ids=lambda o: o.kind)
def test_another_objective_makes_no_collapse_optimal(runs: dict[str, Run], objective: Objective) -> None:
    found, wanted = report(runs["price"]), changed(runs["price"].config, objective=objective)
    assert judge(found, wanted).kind != "optimal"


def test_some_rule_always_has_a_word(runs: dict[str, Run]) -> None:
    """No report made from real ones, with any of its numbers exchanged for another's, is left without a verdict."""
    found: list[Report] = [report(run) for run in runs.values()]
    wanted = runs["softplus"].config
    for one in found:
        for other in found:
            for names in (
                ("listening",),
                ("codes", "kl"),
                ("past",),
                ("elbo", "baseline", "reconstruction"),
                ("price",),
            ):
                mixed = dataclasses.replace(one, **{name: getattr(other, name) for name in names})
                assert judge(mixed, wanted).sentence
    nothing = dataclasses.replace(found[0], elbo=math.nan)
    assert judge(nothing, wanted).sentence
    assert len(RULES) == len(set(RULES))


# Cures


@pytest.mark.parametrize(
    ("schedule", "steps", "longer"),
    [
        (Warmup(steps=1000), 400, 1800),
        (Delayed(wait=800, ramp=800), 1000, 3000),
        (Sigmoid(middle=500, rate=0.01), 600, 1800),
        (Constant(value=0.5), 600, 2000),
        (Warmup(steps=100, target=0.9), 600, 2000),
    ],
)
def test_a_schedule_is_given_the_time_it_needs(schedule: Any, steps: int, longer: int) -> None:
    cure = finished(RunConfig(beta=schedule, steps=steps))
    assert cure.steps == longer
    assert cure.beta(cure.steps) == pytest.approx(1, abs=0.005)
    assert cure.evaluate_every == longer // 25


def test_a_cure_keeps_what_it_does_not_change() -> None:
    wanted = RunConfig(steps=3000, threads=3, evaluate_every=7, seed=5, beta=Cyclical())
    cure = slower(wanted)
    assert cure == wanted.model_copy(update={"beta": Warmup(steps=1500)})
    assert quieter(RunConfig(), 0.9) is None
    assert quieter(RunConfig(likelihood=Gaussian(noise="learned")), 0.9) is None
    assert slower(wanted, delayed=True).steps == 3200
