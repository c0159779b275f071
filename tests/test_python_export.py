"""A run as plain PyTorch: short, without this package, and with the same losses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from tests.run_helpers import tiny
from vae_core.cli import main
from vae_core.config import Cosine, RunConfig, StepDecay
from vae_core.datasets import FashionMnist, LinearGaussian, Mnist, Shapes
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian
from vae_core.nets import ACTIVATIONS, Linear, Mlp
from vae_core.objectives import FreeBits, Iwae, OfTerms
from vae_core.presets import PRESETS
from vae_core.python_export import program, python_text
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.schedules import Constant, Cyclical, Delayed, Piecewise, Sigmoid, Warmup
from vae_core.spec import InputError
from vae_core.training import fit
from vae_core.training.course import Course

STEPS, FEW = 50, 16  # of a preset, and of a config of this test
# Runs programs where vae_core cannot be imported, and prints what each one printed.
RUNNER = """
import contextlib, io, json, runpy, sys
sys.modules["vae_core"] = None
said = {}
for name, arguments in json.load(sys.stdin).items():
    sys.argv = [name, *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runpy.run_path(name, run_name="__main__")
    said[name] = out.getvalue()
print(json.dumps(said))
"""
PLANS = {
    "constant": Constant(value=0.7),
    "warmup": Warmup(steps=12, start=0.2, target=1.5),
    "falling": Warmup(steps=7, start=2.0, target=0.0),
    "delayed": Delayed(wait=5, ramp=7, target=0.8),
    "jump": Delayed(wait=9, ramp=0, target=3.0),
    "sigmoid": Sigmoid(middle=7, rate=0.3),
    "cyclical": Cyclical(period=6, ramp=0.4),
    "points": Piecewise(points=((3, 0.1), (8, 1e-05), (14, 1.0))),
    "many-points": Piecewise(points=tuple((2 * i, round((i % 7) / 3, 3)) for i in range(20))),
}
CHANGES = [
    (5, Constant(value=0.3)),
    (13, Delayed(wait=14, ramp=5)),
    (7, PLANS["many-points"]),
    (11, Warmup(steps=25)),
    (11, PLANS["sigmoid"]),
]


def few(**changes) -> RunConfig:
    """A few epochs of two batches of digits."""
    return RunConfig(**({"net": Mlp(widths=(16, 8)), "latent": 3, "batch": 700, "steps": FEW} | changes))


VARIANTS = {
    **{name: few(net=Mlp(widths=(9,), activation=name, gain=0.8)) for name in ACTIVATIONS},
    **{f"binarise-{how}": few(likelihood=Bernoulli(binarise=how)) for how in ("fixed", "threshold", "never")},
    **{f"beta-{name}": few(beta=plan) for name, plan in PLANS.items()},
    **{f"sigma-{how}": few(likelihood=Gaussian(noise=how, sigma=0.4)) for how in ("fixed", "learned", "optimal")},
    "binomial": few(likelihood=Binomial()),
    "binomial-of-5": few(likelihood=Binomial(trials=5)),
    "free-bits": few(objective=FreeBits(nats=0.3), beta=Warmup(steps=20)),
    "cosine": few(decay=Cosine(final=0.1)),
    "falls": few(decay=StepDecay(at=(0.2, 0.5, 0.85), factors=(0.5, 0.25, 0.01))),
    "linear": few(net=Linear(scale=0.2)),
    "linear-zero": few(net=Linear(start_at_mean=False), likelihood=Gaussian(noise="learned")),
    "from-zero": few(net=Mlp(start_at_mean=False), seed=2**31 - 1, latent=1),
    "whole": few(batch=0),
    "larger-than-the-data": few(batch=5000),
}
CHANGED = few(beta=Warmup(steps=20))
ON_DIGITS = {name: preset.config for name, preset in PRESETS.items() if name.startswith("digits")} | VARIANTS
ON_MNIST = {name: p.config for name, p in PRESETS.items() if name.startswith("mnist") and p.config.net.kind == "mlp"}
ON_MNIST = {name: config for name, config in ON_MNIST.items() if isinstance(config.objective, OfTerms)}
ON_MNIST["mnist-some"] = few(dataset=Mnist(train_size=300), batch=64, likelihood=Bernoulli(binarise="fixed"))


@cache
def printed(mnist: bool) -> dict[str, list[float]]:
    """The losses that each program prints; all in one process, for it takes seconds to begin."""
    programs = {name: program(config, name) for name, config in (ON_MNIST if mnist else ON_DIGITS).items()}
    if not mnist:
        programs["changed"] = program(CHANGED, "changed", CHANGES)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in programs.items():
            (Path(folder) / name).write_text(text, "utf-8")
        asked = {name: [str(STEPS)] if name in PRESETS else [] for name in programs}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", RUNNER], input=json.dumps(asked), cwd=folder, text=True,
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: losses(said) for name, said in json.loads(done.stdout).items()}


def losses(said: str) -> list[float]:
    """Those of the first steps, each of which has a line."""
    rows = [line.split() for line in said.splitlines()]
    assert [int(row[1]) for row in rows] == [*range(len(rows))]
    return [float(row[5]) for row in rows]


def ours(config: RunConfig, beta=None) -> list[float]:
    """The first losses of the loop."""
    train, _ = config.dataset.load()
    vae = config.build(train.images)
    return [float(step.loss) for step in islice(fit(vae, train.images, config, beta=beta), STEPS)]


@pytest.mark.parametrize("name", ON_DIGITS)
def test_the_losses_on_digits_are_ours(name: str) -> None:
    assert printed(mnist=False)[name] == pytest.approx(ours(ON_DIGITS[name]), rel=1e-5)


@pytest.mark.usefixtures("mnist")
@pytest.mark.parametrize("name", ON_MNIST)
def test_the_losses_on_mnist_are_ours(name: str) -> None:
    assert printed(mnist=True)[name] == pytest.approx(ours(ON_MNIST[name]), rel=1e-5)


@pytest.mark.parametrize("name", [*ON_DIGITS, *ON_MNIST])
def test_a_program_is_short_and_says_no_more_than_its_config_needs(name: str) -> None:
    config = (ON_DIGITS | ON_MNIST)[name]
    text = program(config, name)
    assert text.count("\n") <= 80
    assert max(map(len, text.splitlines())) <= 105 or name == "beta-many-points"
    assert "vae_core" not in text
    for module in ("gzip", "math", "os", "sys", "np", "F", "nn"):
        imported = f"import {module}\n" in text or f" as {module}\n" in text
        assert imported == (f"{module}." in text), module


def test_fashion_mnist_differs_from_mnist_in_its_folder_alone() -> None:
    one, other = (program(RunConfig(dataset=data, threads=1), "x") for data in (Mnist(), FashionMnist()))
    assert other == one.replace("MNIST", "Fashion-MNIST").replace('"mnist/', '"fashion-mnist/')


def test_changes_of_a_running_beta_are_followed(tmp_path: Path) -> None:
    run = RunStore(tmp_path).create(CHANGED, "changed")
    course = Course(run)
    for place, (step, schedule) in enumerate(CHANGES):
        course.change(step, schedule, str(place))
    text = python_text(run)
    heard = re.findall(r"if\s+step\s+>=\s+(\d+)\s+else\s+beta", text)
    assert heard == ["5", "7", "11"]  # the change at 13 was replaced from 7 on
    assert "# Set while the run trained:" in text
    assert text.splitlines()[1:] == program(CHANGED, "changed", CHANGES).splitlines()[1:]
    assert printed(mnist=False)["changed"] == pytest.approx(ours(run.config, course), rel=1e-5)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (PRESETS["mnist-conv10"].config, "Convolutional"),
        (few(likelihood=ContinuousBernoulli()), "Continuous Bernoulli"),
        (RunConfig(dataset=Shapes()), "Shapes"),
        (RunConfig(dataset=LinearGaussian(), likelihood=Gaussian()), "Linear-Gaussian"),
        (few(encoder_steps=5), "runs ahead"),
        (few(objective=Iwae()), "Importance-weighted bound"),
    ],
)
def test_what_is_not_covered_is_refused_in_a_sentence(config: RunConfig, says: str) -> None:
    with pytest.raises(InputError, match=f"{says}.* in x; covered are linear nets and MLPs"):
        program(config, "x")


def test_too_many_changes_are_refused() -> None:
    changes = [(step, Constant(value=step / 100)) for step in range(30)]
    with pytest.raises(InputError, match=r"would take .* lines in x; at most 80 are written"):
        program(few(), "x", changes)


def test_a_branch_is_refused_for_it_starts_elsewhere(tmp_path: Path) -> None:
    child = RunStore(tmp_path).create(tiny(), "child", origin={"run": "root", "step": 60, "optimiser": "kept"})
    with pytest.raises(InputError, match=r"a branch does not start from step 0.* in child; covered"):
        python_text(child)


def test_a_run_of_a_race_is_a_program_as_any_other(tmp_path: Path) -> None:
    member = RunStore(tmp_path).create(tiny(), "member", origin={"race": "headline", "lane": "constant 1"})
    assert python_text(member) == program(tiny(), "member")


def test_the_command_writes_the_program_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, shipped = tmp_path / "run.py", Run(ASSETS / "digits-annealed")
    command = ["export", shipped.name, "--to", "python", "--out", str(out), "--runs", str(tmp_path / "runs")]
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == str(out.resolve())
    assert out.read_text("utf-8") == program(shipped.config, shipped.name)
    told = printed(mnist=False)[shipped.name][:5]
    assert told == pytest.approx([row["loss"] for row in shipped.rows("train")[:5]], rel=1e-4)


def test_the_command_says_why_it_writes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--to", "python", "--out", str(tmp_path / "x.py"), "--runs", str(tmp_path / "runs")]
    for asked, says in (
        (["digits-z2", "--step", "3"], "only onnx takes one"),
        (["digits-z2", "digits-annealed"], "python takes one"),
        (["mnist-conv10"], "“Convolutional” in mnist-conv10"),
    ):
        assert main(["export", *asked, *command]) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "x.py").exists()
