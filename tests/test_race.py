"""Races: members of one model are the runs they would be alone, and a check says what the results say."""

from __future__ import annotations

import itertools
import json
import multiprocessing as mp
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vae_core import races
from vae_core.checkpoints import newest_state, restore, save_checkpoint
from vae_core.cli import main
from vae_core.config import RunConfig, parse_config
from vae_core.datasets import LinearGaussian, Mnist
from vae_core.evaluation import evaluate
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian
from vae_core.nets import Conv, Linear, Mlp
from vae_core.objectives import FreeBits, Iwae
from vae_core.races import RACES, Alone, Lane, Members, Race, Result, Stacked, assemble, members_of, run_race, summarise
from vae_core.races.checks import empty
from vae_core.races.exact import exact
from vae_core.schedules import Constant, Cyclical, Delayed, Warmup
from vae_core.spec import InputError
from vae_core.training.fit import adam, fit

ROOT = Path(__file__).resolve().parents[1]
A1 = RunConfig(net=Mlp(gain=0.7), steps=1500)
TRAIN, TEST = A1.dataset.load()
SMALL = RunConfig(dataset=LinearGaussian(size=100), net=Mlp(widths=(8,)), latent=2, steps=12, batch=16)
FEW = SMALL.dataset.load()[0].images
LANES = [
    {"beta": Constant()}, {"beta": Warmup(steps=30), "seed": 3}, {"beta": Cyclical(period=20)},
    {"beta": Delayed(wait=10, ramp=20), "seed": 3}, {"objective": FreeBits(nats=0.1)},
    {"objective": FreeBits(nats=0.5), "beta": Warmup(steps=40), "seed": 1},
]  # fmt: skip


def changed(config: RunConfig, **changes: object) -> RunConfig:
    return config.model_copy(update=changes)


def alone(config: RunConfig, images: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor, object]:
    """The losses, terms and model of a run by itself."""
    vae = config.build(images)
    found = list(itertools.islice(fit(vae, images, config), steps))
    terms = (torch.stack([getattr(s.elbo, name) for s in found]) for name in ("log_likelihood", "kl"))
    return torch.stack([s.loss for s in found]), *terms, vae


def assert_members_are_single_runs(configs: list[RunConfig], images: Tensor, steps: int) -> None:
    members = Stacked(configs, images)
    found = list(itertools.islice(members.fit(images), steps))
    for number, config in enumerate(configs):
        losses, log_likelihood, kl, vae = alone(config, images, steps)
        ours = [step.member(number) for step in found]
        close = {"rtol": 1e-4, "atol": 1e-4}
        torch.testing.assert_close(torch.stack([s.loss for s in ours]), losses, **close)
        torch.testing.assert_close(torch.stack([s.elbo.log_likelihood for s in ours]), log_likelihood, **close)
        torch.testing.assert_close(torch.stack([s.elbo.kl for s in ours]), kl, **close)
        assert [s.beta for s in ours] == [config.beta(step) for step in range(steps)]
        for (name, a), b in zip(members.vae(number).named_parameters(), vae.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=name)
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-2, atol=1e-4, msg=name)


def test_a_members_numbers_are_those_of_the_same_run_alone() -> None:
    assert_members_are_single_runs([changed(A1, **lane) for lane in LANES], TRAIN.images, 50)


LIKELIHOODS = [Bernoulli(binarise="fixed"), Binomial(), ContinuousBernoulli(), Gaussian(), Gaussian(noise="learned")]
NETS = [
    Linear(),
    Linear(start_at_mean=False),
    Mlp(widths=(8, 6), activation="gelu"),
    Mlp(widths=(5,), activation="relu"),
]


@pytest.mark.parametrize(
    "changes",
    [*({"likelihood": one} for one in LIKELIHOODS), *({"net": one} for one in NETS), {"batch": 0}],
    ids=lambda changes: " ".join(map(str, changes.values())),
)
@pytest.mark.parametrize("linear", [False, True], ids=["", "linear"])
def test_every_net_and_likelihood_that_stacks_does_so(changes: dict, linear: bool) -> None:
    config = changed(SMALL, **({"net": Linear()} if linear else {}), **({} if linear and "net" in changes else changes))
    lanes = [changed(config, seed=seed, beta=beta) for seed in (0, 1) for beta in (Constant(), Warmup(steps=8))]
    assert_members_are_single_runs(lanes, FEW, 12)


def test_members_end_with_the_verdict_of_the_run_alone() -> None:
    configs = [changed(A1, steps=400, beta=beta) for beta in (Constant(), Warmup(steps=400))]
    members = members_of(configs, TRAIN.images)
    assert isinstance(members, Stacked)
    list(members.fit(TRAIN.images))
    numbers = [evaluate(members.vae(number), TEST, samples=2, images=5) for number in range(2)]
    assert (numbers[0]["active_units"], numbers[1]["active_units"] > 2) == (0, True)
    for config, ours in zip(configs, numbers, strict=True):
        theirs = evaluate(alone(config, TRAIN.images, 400)[-1], TEST, samples=2, images=5)
        assert ours["active_units"] == theirs["active_units"]
        assert ours["elbo"] == pytest.approx(theirs["elbo"], abs=0.05)


def test_a_member_can_be_looked_at_and_goes_on_alone_from_its_checkpoint(tmp_path: Path) -> None:
    configs = [changed(SMALL, seed=seed) for seed in (0, 1)]
    members = Stacked(configs, FEW)
    steps = members.fit(FEW)
    list(itertools.islice(steps, 5))
    before = evaluate(members.vae(1), SMALL.dataset.load()[1], samples=2)
    save_checkpoint(tmp_path / "checkpoints", 5, members.vae(1), members.optimiser(1))
    rest = torch.stack([step.loss[1] for step in steps])
    assert len(rest) == 7
    assert evaluate(members.vae(1), SMALL.dataset.load()[1], samples=2) != before
    state, vae = newest_state(tmp_path / "checkpoints"), configs[1].build(FEW)
    optimiser = adam(vae, configs[1])
    restore(state, vae, optimiser)
    own = torch.stack([step.loss for step in fit(vae, FEW, configs[1], optimiser=optimiser, start=5)])
    torch.testing.assert_close(own, rest, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "changes", [{}, {"net": Linear(), "likelihood": Gaussian(noise="learned")}], ids=["mlp", "linear"]
)
def test_members_go_on_from_their_checkpoints_as_if_never_stopped(tmp_path: Path, changes: dict) -> None:
    configs = [changed(SMALL, seed=seed, **changes) for seed in (0, 1)]
    members = Stacked(configs, FEW)
    steps = members.fit(FEW)
    list(itertools.islice(steps, 5))
    for number in range(2):
        save_checkpoint(tmp_path / str(number), 5, members.vae(number), members.optimiser(number))
    rest = [step.loss for step in steps]
    again = Stacked(configs, FEW)
    again.restore([newest_state(tmp_path / str(number)) for number in range(2)])
    assert torch.equal(torch.stack([step.loss for step in again.fit(FEW, start=5)]), torch.stack(rest))


def test_beta_can_be_changed_for_each_member() -> None:
    members = Stacked([SMALL, SMALL], FEW)
    step = next(members.fit(FEW, betas=[lambda at: 0.25, lambda at: at + 0.5], start=3))
    assert (step.index, step.betas) == (3, (0.25, 3.5))
    assert step.loss[0] < step.loss[1]


def test_who_cannot_be_stacked_trains_alone() -> None:
    others = [{"net": Conv(channels=(2, 3))}, {"likelihood": Gaussian(noise="optimal")}, {"encoder_steps": 2}]
    others += [{"objective": Iwae(samples=2)}]
    configs = [changed(SMALL, **changes) for changes in ({}, *others, {"learning_rate": 1e-3}, {"seed": 7})]
    assert assemble(configs) == [[0, 6], [1], [2], [3], [4], [5]]
    with pytest.raises(InputError, match="seed, β and objective"):
        Stacked([configs[0], configs[5]], FEW)
    with pytest.raises(InputError, match="assemble"):
        Stacked([configs[1]], FEW)
    for config in configs[1:5]:
        members: Members = members_of([config], FEW)
        assert isinstance(members, Alone)
        found = torch.stack([step.member(0).loss for step in members.fit(FEW)])
        assert torch.equal(found, alone(config, FEW, 12)[0])
        assert members.optimiser(0).state


def test_members_differ_in_what_was_asked_and_cadences_do_not_matter() -> None:
    lanes = [changed(SMALL, log_every=3, threads=2), changed(SMALL, beta=Warmup(), objective=FreeBits())]
    assert assemble(lanes) == [[0, 1]]


# The aggressive encoder


def leading(steps: int, **changes: object) -> tuple[list[float], list[tuple[float, float]], object]:
    """Losses, and after each update how often encoder and decoder had been updated."""
    config = changed(SMALL, steps=steps, **changes)
    vae = config.build(FEW)
    optimiser, losses, counts = adam(vae, config), [], []
    for step in fit(vae, FEW, config, optimiser=optimiser):
        losses.append(float(step.loss))
        first = [next(part.parameters()) for part in (vae.encoder, vae.decoder)]
        counts.append(tuple(float(optimiser.state[parameter]["step"]) for parameter in first))
        assert all(parameter.grad is not None for parameter in vae.parameters())
    return losses, counts, optimiser.state[next(vae.encoder.parameters())]


def test_a_leading_encoder_is_updated_more_often_until_the_information_stops_rising() -> None:
    _, counts, memory = leading(120, encoder_steps=4, beta=Constant(value=1000.0))
    ahead = [encoder - before for (before, _), (encoder, _) in itertools.pairwise(counts)]
    assert [decoder for _, decoder in counts] == [*range(1, 121)]
    assert counts[0] == (4, 1)
    assert set(ahead) == {4, 1}
    assert ahead == sorted(ahead, reverse=True)
    assert not memory["leads"]


def test_the_encoder_stops_leading_where_its_loss_stops_falling() -> None:
    _, counts, _ = leading(5, encoder_steps=100, learning_rate=1e-9)
    assert max(encoder - before for (before, _), (encoder, _) in itertools.pairwise(counts)) < 100
    assert all(encoder % 10 == 0 for encoder, _ in counts)


@pytest.mark.parametrize("stop", [1, 11, 12, 13, 40])
def test_a_run_with_a_leading_encoder_resumes_exactly(tmp_path: Path, stop: int) -> None:
    config = changed(SMALL, encoder_steps=3, steps=60)
    whole, _, _ = leading(60, encoder_steps=3)
    vae = config.build(FEW)
    optimiser = adam(vae, config)
    first = [float(step.loss) for step in itertools.islice(fit(vae, FEW, config, optimiser=optimiser), stop)]
    save_checkpoint(tmp_path / "checkpoints", stop, vae, optimiser)
    again = changed(config, seed=5).build(FEW)
    fresh = adam(again, config)
    restore(newest_state(tmp_path / "checkpoints"), again, fresh)
    rest = [float(step.loss) for step in fit(again, FEW, config, optimiser=fresh, start=stop)]
    assert first + rest == whole


def test_runs_of_before_know_no_encoder_steps() -> None:
    text = A1.model_dump_json().replace('"encoder_steps":1,', "")
    assert "encoder_steps" not in text
    assert parse_config(text) == A1


# Races

every = pytest.mark.parametrize("name", RACES)


@every
def test_every_race_is_a_sound_plan_with_a_prediction(name: str) -> None:
    race = races.race(name)
    assert race.name == name
    assert race.prediction.endswith(".")
    assert len({lane.name for lane in race.lanes}) == len(race.lanes)
    for lane in race.lanes:
        lane.config.check()
    members = race.members(2)
    assert [member.config.seed for member in members] == [0, 1] * len(race.lanes)
    assert len(race.members()) == race.seeds * len(race.lanes)


def result(lane: Lane, seed: int, elbo: float, kl: float, units: int) -> Result:
    numbers = {"elbo": elbo, "nll": -elbo, "kl": kl, "mutual_information": kl, "active_units": units}
    config = changed(lane.config, seed=seed)
    return Result(lane.name, config, lane.config.build(), numbers, -27.2)


def test_a_check_says_what_the_results_say() -> None:
    race = races.race("headline")
    fates = {"constant 1": (-27.2, 0.0, 0), "warm-up 100": (-27.2, 0.0, 0), "warm-up 750": (-23.5, 3.9, 4)}
    kept = (-24.0, 3.0, 3)
    good = [result(lane, seed, *fates.get(lane.name, kept)) for lane in race.lanes for seed in range(2)]
    assert all(finding.held for finding in race.check(good))
    assert not any(finding.measured == "" for finding in race.check(good))
    stuck = [replace(one, numbers=one.numbers | {"elbo": -27.2, "kl": 0.0, "active_units": 0}) for one in good]
    assert [finding.held for finding in race.check(stuck)] == [True, True, False, False, False, False, False]
    free = [replace(one, numbers=one.numbers | {"elbo": -24.0, "kl": 3.0, "active_units": 3}) for one in good]
    assert not any(finding.held for finding in race.check(free)[:2])
    assert empty(stuck[0])
    assert not empty(free[0])


def test_a_prediction_is_held_to_the_seeds_that_all_lanes_have() -> None:
    race = races.race("headline")
    extra = Lane("warm-up 1400", race.lanes[0].config)
    some = [result(lane, seed, -23.0 - seed, 3.0, 3) for lane in (*race.lanes, extra) for seed in (3, 0, 1)]
    found = races.comparable(race, [one for one in some if one.lane != "cyclical" or one.config.seed == 1])
    assert [(one.lane, one.config.seed) for one in found] == [(lane.name, 1) for lane in race.lanes]
    assert all(finding.measured for finding in race.check(found))
    assert [one.config.seed for one in races.comparable(race, some)] == [0, 1, 3] * len(race.lanes)
    assert races.comparable(race, some[:3]) == []


def quick(race: Race, **changes: object) -> Race:
    """The same race, of a few steps."""
    few = {"steps": 4} | changes
    return replace(race, lanes=tuple(Lane(lane.name, changed(lane.config, **few)) for lane in race.lanes))


@every
def test_every_check_can_be_made_of_any_results(name: str, request: pytest.FixtureRequest) -> None:
    if name == "mnist":
        request.getfixturevalue("mnist")
    race = quick(races.race(name))
    told: list[int] = []
    results = run_race(race, 1, told.append)
    assert [one.lane for one in results] == [lane.name for lane in race.lanes]
    assert sum(told) == 4 * len(race.lanes)
    findings = race.check(results)
    assert all(finding.statement.endswith(".") and finding.measured for finding in findings)
    assert not all(finding.held for finding in findings)


def test_the_numbers_do_not_depend_on_how_many_work() -> None:
    race = quick(races.race("alternatives"), encoder_steps=1)
    first, *others = ([one.row() for one in run_race(race, 2, workers=workers)] for workers in (1, 2, 3))
    for ours, theirs in zip(first * len(others), itertools.chain(*others), strict=True):
        assert theirs["elbo"] == pytest.approx(ours["elbo"], abs=1e-4)
        assert (theirs["name"], theirs["seed"]) == (ours["name"], ours["seed"])


def endless(**changes: object) -> Race:
    """A race that would take hours: who ends it at once does not wait for it."""
    return quick(races.race("headline"), **({"steps": 1_000_000} | changes))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_race_ends_at_once(workers: int) -> None:
    calls: list[int] = []

    def advanced(updates: int) -> None:
        calls.append(updates)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_race(endless(), 5, advanced, workers=workers)
    assert len(calls) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_what_fails_in_one_worker_ends_the_race(workers: int) -> None:
    race = endless()
    bad = Lane("bad", changed(A1, dataset=Mnist(), steps=10_000_000))  # the longest, so that a worker begins with it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAE_DATA_DIR", "/nowhere")
        with pytest.raises(InputError, match="MNIST"):
            run_race(replace(race, lanes=(bad,) if workers == 1 else (*race.lanes, bad)), 1, workers=workers)


def test_workers_that_lose_their_parent_end_too(tmp_path: Path) -> None:
    code = (
        "from tests.test_race import endless, run_race; from vae_core.training.process import set_up\n"
        "if __name__ == '__main__': set_up(1); run_race(endless(), 5, lambda n: print(n, flush=True), workers=2)"
    )
    (tmp_path / "main.py").write_text(code)
    with subprocess.Popen(
        [sys.executable, tmp_path / "main.py"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) > 0
        parent.kill()
        begun = time.monotonic()
        assert isinstance(parent.stdout.read(), bytes)  # until the last worker has let go of it
        assert time.monotonic() - begun < 30


def test_a_worker_that_is_killed_ends_the_race() -> None:
    def kill(updates: int) -> None:
        os.kill(next(iter(mp.active_children())).pid or 0, signal.SIGKILL)

    with pytest.raises(RuntimeError, match="has died"):
        run_race(endless(), 5, kill, workers=2)
    assert not mp.active_children()


def test_a_result_of_another_process_is_whole() -> None:
    race = quick(races.race("dead-units"))
    for mine, other in zip(run_race(race, 2, workers=1), run_race(race, 2, workers=2), strict=True):
        assert mine.config == other.config
        for name, weights in mine.vae.state_dict().items():
            torch.testing.assert_close(other.vae.state_dict()[name], weights, atol=1e-5, rtol=1e-4)
            assert other.vae.state_dict()[name].untyped_storage().nbytes() == weights.nbytes
        assert evaluate(other.vae, TEST, 10, 20)["elbo"] == pytest.approx(other["elbo"], abs=1e-4)


def test_a_linear_model_at_the_optimum_has_no_gap() -> None:
    config = changed(races.race("linear").lanes[0].config, latent=3)
    vae = config.build(TRAIN.images)
    x = TRAIN.images.double().flatten(1) / 16
    values, axes = torch.linalg.eigh(torch.cov(x.T, correction=0))
    values, axes, noise = values.flip(0)[:3], axes.flip(1)[:, :3], 0.5
    with torch.no_grad():
        weight = axes * (values - noise).clamp_min(0).sqrt()
        mean = torch.linalg.inv(weight.T @ weight + noise * torch.eye(3)) @ weight.T
        vae.decoder[-1].weight.copy_(weight)
        vae.encoder.mean.weight.copy_(mean)
        vae.encoder.mean.bias.copy_(-mean @ x.mean(0))
        vae.encoder.logvar.copy_((noise / values).log())
    form = exact(Result("", config, vae, {}, 0.0))
    assert abs(form.gap) < 1e-4
    assert form.furthest < 1e-4
    assert form.active == form.best_active == 3
    assert (form.noise, form.best_noise) == pytest.approx((0.5, 0.5))


def test_a_summary_is_mean_and_sample_deviation() -> None:
    lane = Lane("one", SMALL)
    (summary,) = summarise([result(lane, seed, elbo, 1.0, 2) for seed, elbo in enumerate((-3.0, -1.0))])
    assert (summary.name, summary.seeds, summary.mean["elbo"], summary.mean["active_units"]) == ("one", 2, -2.0, 2)
    assert summary.sd["elbo"] == pytest.approx(2**0.5)
    (single,) = summarise([result(lane, 0, -3.0, 1.0, 2)])
    assert single.sd["elbo"] is None


# The command


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RACES, "headline", quick(RACES["headline"]))


@pytest.mark.usefixtures("_short")
def test_the_command_prints_results_on_stdout_and_all_else_on_stderr(capsys: pytest.CaptureFixture) -> None:
    assert main(["race", "headline", "--seeds", "2", "--json"]) == 0
    out, error = capsys.readouterr()
    rows = json.loads(out)
    assert len(rows) == 12
    assert all(
        list(row) == ["name", "schedule", "objective", "encoder_steps", "seed", "elbo", "nll", "kl",
                      "mutual_information", "active_units"] for row in rows
    )  # fmt: skip
    assert rows[2] | {"elbo": 0} == rows[2] | {
        "name": "warm-up 100", "seed": 0, "encoder_steps": 1, "elbo": 0, "objective": {"kind": "plain"},
        "schedule": {"kind": "warmup", "steps": 100, "start": 0.0, "target": 1.0},
    }  # fmt: skip
    lines = error.splitlines()
    assert lines[1].removeprefix("predicted: ") == RACES["headline"].prediction
    assert "K = 100 on the first 297" in lines[2]
    assert sum(line.startswith(("held ", "did not hold")) for line in lines) == 7
    assert main(["race", "headline", "--seeds", "1"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line[:11].strip() for line in table] == ["", *(lane.name for lane in RACES["headline"].lanes)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["headlines"], "choose one of headline"), (["headline", "--seeds", "0"], "'0'"),
     (["headline", "--seeds", "101"], "at most 100"), ([], "PRESET")],
)  # fmt: skip
def test_a_bad_race_is_refused_in_one_sentence(arguments: list[str], says: str, capsys: pytest.CaptureFixture) -> None:
    try:
        code = main(["race", *arguments])
    except SystemExit as exit:
        code = exit.code
    out, error = capsys.readouterr()
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert says in error
