"""Checkpoints: bitwise there and back, and nothing damaged is ever trusted."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.optim import Adam

from vae_core import checkpoints
from vae_core.checkpoints import (
    BadCheckpoint,
    State,
    load_checkpoint,
    load_snapshot,
    load_weights,
    newest_state,
    read_tensors,
    restore,
    save_checkpoint,
    save_snapshot,
    save_state,
)
from vae_core.config import RunConfig
from vae_core.datasets import LinearGaussian
from vae_core.likelihoods import Bernoulli, Gaussian
from vae_core.nets import Conv, Linear, Mlp
from vae_core.training.fit import adam, fit
from vae_core.vae import VAE

DATA = LinearGaussian(size=100)
MODELS = [
    RunConfig(dataset=DATA, net=net, likelihood=likelihood, latent=3, steps=3, batch=20)
    for net, likelihood in itertools.product(
        [Linear(), Mlp(widths=(6,)), Conv(channels=(2, 3))],
        [Bernoulli(), Gaussian(noise="learned"), Gaussian(noise="optimal")],
    )
]
every = pytest.mark.parametrize("config", MODELS, ids=lambda c: f"{c.net.kind}-{c.likelihood}")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def trained(config: RunConfig = MODELS[0], steps: int = 3) -> tuple[VAE, Adam]:
    images = DATA.load()[0].images
    vae = config.build(images)
    optimiser = adam(vae, config)
    list(itertools.islice(fit(vae, images, config, optimiser=optimiser), steps))
    return vae, optimiser


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def moments(optimiser: Adam) -> dict[str, Tensor]:
    state = optimiser.state_dict()["state"]
    return {f"{index}.{name}": value for index, slot in state.items() for name, value in slot.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints after 1, 2 and 3 steps; the first is kept because it was asked for."""
    folder = tmp_path / "checkpoints"
    for step in (1, 2, 3):
        vae, optimiser = trained(steps=step)
        save_checkpoint(folder, step, vae, optimiser, asked=step == 1)
    return folder


def path_of(folder: Path, step: int) -> Path:
    return folder / f"ckpt-{step:08d}.safetensors"


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(b"<html>" * 100)


def lie_about_the_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])


def lose_the_checksum(path: Path) -> None:
    path.with_name(path.name + ".sha256").unlink()


def forge(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> None:
    """A file whose checksum is right, whatever is in it."""
    data = safetensors.torch.save(tensors, metadata)
    path.write_bytes(data)
    path.with_name(path.name + ".sha256").write_text(hashlib.sha256(data).hexdigest())


def put_a_nan_into_the_weights(path: Path) -> None:
    forge(path, {"m.decoder.0.bias": torch.tensor([1.0, float("nan")])}, {"step": "3"})


def leave_out_the_step(path: Path) -> None:
    forge(path, {"m.decoder.0.bias": torch.ones(2)}, {"torch": "2"})


DAMAGES = [
    flip_a_bit,
    truncate,
    empty,
    garbage,
    lie_about_the_header,
    lose_the_checksum,
    put_a_nan_into_the_weights,
    leave_out_the_step,
]
damaged = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)


@every
def test_a_checkpoint_comes_back_bitwise(tmp_path: Path, config: RunConfig) -> None:
    vae, optimiser = trained(config)
    state = load_checkpoint(save_checkpoint(tmp_path / "checkpoints", 3, vae, optimiser))
    assert state.step == 3
    assert same(state.model, vae.state_dict())
    assert same(state.optimiser, moments(optimiser))
    other = config.model_copy(update={"seed": 9}).build()
    fresh = adam(other, config)
    restore(state, other, fresh)
    assert same(other.state_dict(), vae.state_dict())
    assert same(moments(fresh), moments(optimiser))
    assert fresh.state_dict()["param_groups"] == optimiser.state_dict()["param_groups"]


@every
def test_a_snapshot_comes_back_in_half_precision(tmp_path: Path, config: RunConfig) -> None:
    vae, _ = trained(config)
    save_snapshot(tmp_path / "snapshots" / "3.safetensors", 3, vae)
    state = load_snapshot(tmp_path / "snapshots" / "3.safetensors")
    assert (state.step, state.optimiser) == (3, {})
    for name, tensor in vae.state_dict().items():
        torch.testing.assert_close(state.model[name], tensor, rtol=2**-11, atol=2**-24)
    other = config.build()
    restore(state, other, adam(other, config))
    x = vae.prepare(DATA.load()[1].images[:200], torch.Generator().manual_seed(0))
    with torch.no_grad():
        bounds = [
            model.eval().elbo(x, torch.Generator().manual_seed(0)).value().mean().item() for model in (vae, other)
        ]
    assert bounds[0] == pytest.approx(bounds[1], abs=0.05)


def test_a_state_without_moments_starts_the_optimiser_afresh(tmp_path: Path) -> None:
    vae, _ = trained()
    save_state(tmp_path / "checkpoints", State(7, vae.state_dict(), {}))
    state = newest_state(tmp_path / "checkpoints")
    assert state
    assert (state.step, state.optimiser) == (7, {})
    optimiser = adam(vae, MODELS[0])
    restore(state, vae, optimiser)
    assert optimiser.state_dict()["state"] == {}


def test_saving_a_state_again_changes_no_number(tmp_path: Path, folder: Path) -> None:
    state = newest_state(folder)
    assert state
    save_state(tmp_path / "copy", state)
    again = newest_state(tmp_path / "copy")
    assert again
    assert same(again.model, state.model)
    assert same(again.optimiser, state.optimiser)


def test_there_is_no_state_before_the_first_checkpoint(tmp_path: Path) -> None:
    assert newest_state(tmp_path) is None
    assert newest_state(tmp_path / "missing") is None


def test_the_newest_checkpoint_is_used(folder: Path) -> None:
    state = newest_state(folder)
    assert state
    assert state.step == 3


@damaged
def test_a_damaged_checkpoint_is_set_aside_and_the_previous_one_used(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(path_of(folder, 3))
    for _ in range(2):
        state = newest_state(folder)
        assert state
        assert state.step == 2
    assert path_of(folder, 3).with_suffix(".corrupt").exists()
    assert not path_of(folder, 3).exists()


@damaged
def test_when_all_are_damaged_each_is_named_and_nothing_starts_from_zero(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    for step in (1, 2, 3):
        damage(path_of(folder, step))
    with pytest.raises(BadCheckpoint) as error:
        newest_state(folder)
    sentence = str(error.value)
    assert len(sentence.splitlines()) == 1
    assert all(path_of(folder, step).name in sentence for step in (1, 2, 3))
    with pytest.raises(BadCheckpoint, match="set aside before"):
        newest_state(folder)


def test_a_new_checkpoint_after_a_bad_one_is_used(folder: Path) -> None:
    flip_a_bit(path_of(folder, 3))
    newest_state(folder)
    save_checkpoint(folder, 3, *trained())
    state = newest_state(folder)
    assert state
    assert state.step == 3


def test_numbers_that_are_none_are_not_saved(tmp_path: Path) -> None:
    for where in ("weights", "moments"):
        vae, optimiser = trained()
        broken = next(vae.parameters()) if where == "weights" else next(iter(optimiser.state.values()))["exp_avg"]
        broken.data.flatten()[0] = float("inf")
        with pytest.raises(BadCheckpoint, match="non-finite"):
            save_checkpoint(tmp_path / "checkpoints", 3, vae, optimiser)
    assert newest_state(tmp_path / "checkpoints") is None


def test_weights_of_another_architecture_are_refused_by_the_tensor_that_differs(folder: Path) -> None:
    state = newest_state(folder)
    assert state
    for config, name in (
        (MODELS[3], r"decoder\.0\.bias"),
        (MODELS[0].model_copy(update={"latent": 4}), r"decoder\.0\.weight"),
    ):
        other = config.build()
        before = {key: tensor.clone() for key, tensor in other.state_dict().items()}
        with pytest.raises(BadCheckpoint, match=name) as error:
            restore(state, other, adam(other, config))
        assert len(str(error.value).splitlines()) == 1
        assert same(before, other.state_dict())


def test_missing_and_additional_tensors_are_refused() -> None:
    vae, _ = trained()
    weights = dict(vae.state_dict())
    with pytest.raises(BadCheckpoint, match="surplus"):
        load_weights(vae, weights | {"surplus": torch.ones(1)}, "the file")
    weights.pop("decoder.0.bias")
    with pytest.raises(BadCheckpoint, match=r"decoder\.0\.bias has shape None"):
        load_weights(vae, weights, "the file")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="not there"):
        read_tensors(tmp_path / "nothing.safetensors")


def test_only_the_last_two_and_those_asked_for_are_kept(tmp_path: Path) -> None:
    vae, optimiser = trained()
    folder = tmp_path / "checkpoints"
    for step in range(1, 8):
        save_checkpoint(folder, step, vae, optimiser, asked=step in (2, 5))
        assert path_of(folder, step).exists()
    assert checkpoints.checkpoints(folder) == [path_of(folder, step) for step in (2, 5, 6, 7)]
    assert len(list(folder.glob("*.sha256"))) == 4
    assert not list(folder.glob("*.tmp"))


def test_a_checkpoint_asked_for_at_a_step_that_has_one_is_kept_too(tmp_path: Path) -> None:
    vae, optimiser = trained()
    folder = tmp_path / "checkpoints"
    for step, asked in ((1, False), (1, True), (2, False), (3, False), (4, False)):
        save_checkpoint(folder, step, vae, optimiser, asked=asked)
    assert checkpoints.checkpoints(folder) == [path_of(folder, step) for step in (1, 3, 4)]


@pytest.mark.parametrize("crash_at", [1, 2])
def test_a_crash_while_writing_leaves_the_previous_checkpoint(
    folder: Path, crash_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = checkpoints.atomic_write, itertools.count(1)

    def dying(path: Path, data: bytes) -> None:
        if next(calls) == crash_at:
            raise OSError(28, "no space left")
        write(path, data)

    monkeypatch.setattr(checkpoints, "atomic_write", dying)
    with pytest.raises(OSError, match="space"):
        save_checkpoint(folder, 4, *trained())
    state = newest_state(folder)
    assert state
    assert state.step == 3
