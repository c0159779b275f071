"""Annealed importance sampling, against exact evidences; and the process that does it for a run."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.run_helpers import ROOT, copied, finish, tiny, wait_for
from vae_core import slow_checks
from vae_core.diagnostics import prepare_once
from vae_core.evidence import anneal, annealed_evidence, image_posterior
from vae_core.evidence.annealing import schedule
from vae_core.latents import cache
from vae_core.likelihoods import Bernoulli
from vae_core.nets import Linear
from vae_core.oracle import LinearGaussian
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.spec import InputError
from vae_core.vae import VAE


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


MODEL = LinearGaussian(noise(10, 5, seed=3), noise(10, seed=4), 0.5)
X = MODEL.bias + noise(4, 5, seed=5) @ MODEL.weight.T + 0.5 * noise(4, 10, seed=6)


def log_likelihood(z: Tensor) -> Tensor:
    return MODEL.log_likelihood(X, z)


def test_annealing_finds_the_evidence_of_a_linear_model() -> None:
    found = anneal(log_likelihood, noise(16, 4, 5), 500, generator=seeded(1))
    off = found.log_evidence - MODEL.log_evidence(X)
    assert float(off.abs().mean()) < 0.6
    assert ((found.acceptance - 0.65).abs() < 0.05).all()
    assert found.log_weights.shape == (16, 4)
    fewer = anneal(log_likelihood, noise(16, 4, 5), 5, generator=seeded(1))
    assert float((fewer.log_evidence - MODEL.log_evidence(X)).abs().mean()) > 0.6
    assert (fewer.error > found.error).all()


def test_one_temperature_is_importance_sampling_from_the_prior() -> None:
    start = noise(16, 4, 5)
    found = anneal(log_likelihood, start, 1, generator=seeded())
    torch.testing.assert_close(found.log_weights, log_likelihood(start))


def test_what_does_not_depend_on_the_code_is_its_own_evidence() -> None:
    found = anneal(lambda z: 0 * z.sum(-1) - 3.0, noise(4, 2, 3), 20, generator=seeded())
    torch.testing.assert_close(found.log_evidence, torch.full((2,), -3.0).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.error, torch.zeros(2).double(), rtol=0, atol=1e-6)


def test_temperatures_rise_from_none_to_all() -> None:
    betas = schedule(50)
    assert (betas[0], betas[25], betas[-1], len(betas)) == (0.0, pytest.approx(0.5), 1.0, 51)
    steps = [after - before for before, after in pairwise(betas)]
    assert min(steps) == pytest.approx(steps[0])
    assert max(steps) == pytest.approx(steps[24])


def test_a_move_that_runs_away_is_refused() -> None:
    found = anneal(lambda z: -1e5 * z.pow(4).sum(-1), noise(4, 2, 3), 30, generator=seeded())
    assert found.log_weights.isfinite().all()
    assert (found.acceptance < 1).all()


def test_annealing_agrees_with_the_grid_on_a_trained_model_and_tells_how_far_it_is() -> None:
    run = Run(ASSETS / "digits-z2")
    _, vae = run.model()
    vae.requires_grad_(False)
    x = prepare_once(vae, run.config.dataset.load()[1].images[:3])
    told: list[float] = []
    found = annealed_evidence(vae, x, 100, 16, seeded(), told.append)
    again = annealed_evidence(vae, x, 100, 16, seeded())
    assert torch.equal(found.log_weights, again.log_weights)
    exact = torch.tensor([image_posterior(vae, image[None]).log_evidence for image in x])
    assert float((found.log_evidence - exact).abs().mean()) < 0.6
    assert told == [pytest.approx(step / 100) for step in range(1, 101)]


def test_many_images_and_grey_ones_are_refused() -> None:
    vae = VAE(Linear(), Bernoulli(), (1, 1, 1), 1)
    with pytest.raises(InputError, match="16 at the most"):
        annealed_evidence(vae, torch.zeros(17, 1, 1, 1))
    with pytest.raises(InputError, match=r"no ln p\(x\)"):
        annealed_evidence(VAE(Linear(), Bernoulli(binarise="never"), (1, 1, 1), 1), torch.zeros(1, 1, 1, 1))


# As work of a process of its own

SMALL = {"images": 3, "chains": 4, "temperatures": 12}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = RunStore(tmp_path_factory.mktemp("store")).create(tiny())
    assert finish(run) == 0
    return run


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    return copied(trained, tmp_path)


def test_a_check_is_made_in_a_process_of_its_own_which_may_be_killed(run: Run) -> None:
    long = SMALL | {"temperatures": 100_000}
    first = slow_checks.start(run, **long)
    assert first is not None
    assert slow_checks.start(run, **long) is None
    wait_for(lambda: slow_checks.progress(run, **long)["share"] is not None, 60)
    with pytest.raises(InputError, match="already"):
        slow_checks.prepare(run, **long)
    first.kill()
    first.wait()
    assert slow_checks.progress(run, **long)["state"] == "failed"
    assert slow_checks.progress(run, **SMALL)["state"] == "absent"
    assert slow_checks.ready(run, **SMALL) is None
    second = slow_checks.start(run, **SMALL)
    assert second is not None
    assert second.wait(90) == 0
    assert slow_checks.progress(run, **SMALL) == {"state": "ready", "share": 1.0, "message": ""}
    assert slow_checks.start(run, **SMALL) is None


def test_a_check_is_kept_and_is_what_annealing_finds(run: Run) -> None:
    slow_checks.prepare(run, **SMALL)
    kept = slow_checks.ready(run, **SMALL)
    assert kept is not None
    _, vae = run.model()
    x = prepare_once(vae, run.config.dataset.load()[1].images[:3])
    made = annealed_evidence(vae, x, 12, 4, seeded(slow_checks.SEED))
    torch.testing.assert_close(kept.log_weights, made.log_weights)
    torch.testing.assert_close(kept.acceptance, made.acceptance)
    assert kept.temperatures == 12
    assert {path.suffix for path in cache.folder(run).iterdir()} == {".bin"}
    assert slow_checks.ready(run, 60, **SMALL) is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"images": 17}, "1 to 16"), ({"chains": 0}, "a chain"), ({"leaps": 3}, "it takes images")],
)
def test_a_check_that_there_is_not_is_refused(settings: dict[str, int], says: str, run: Run) -> None:
    for function in (slow_checks.ready, slow_checks.prepare, slow_checks.start, slow_checks.progress):
        with pytest.raises(InputError, match=says):
            function(run, **settings)


def test_a_check_that_cannot_be_made_tells_why(tmp_path: Path) -> None:
    run = RunStore(tmp_path / "runs").create(tiny(likelihood=Bernoulli(binarise="never")))
    assert finish(run) == 0
    command = [sys.executable, "-m", "vae_core.slow_checks", str(run.path), "--images", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("vae_core.slow_checks: grey values")
    told = slow_checks.progress(run, images=2)
    assert told["state"] == "failed"
    assert "no ln p(x)" in told["message"]
