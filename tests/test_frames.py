"""What replay shows: small pictures, enough of them, and not too many bytes."""

import io

import pytest
import torch
from PIL import Image

from tests.run_helpers import finish, tiny
from vae_core import frames
from vae_core.config import RunConfig
from vae_core.datasets import Digits, Shapes
from vae_core.diagnostics import encode
from vae_core.likelihoods import Bernoulli, Gaussian
from vae_core.nets import Mlp
from vae_core.spec import Shape, Split
from vae_core.vae import VAE


def size(path) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of 1,500 steps on noise of MNIST's size, which compresses worst."""
    from vae_core.runs import RunStore

    noise = torch.randint(0, 256, (300, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    splits = Split(noise[:100], torch.arange(100) % 10), Split(noise[100:], torch.arange(200) % 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Digits, "load", lambda _: splits)
        patch.setattr(Digits, "shape", Shape(1, 28, 28))
        config = RunConfig(
            net=Mlp(widths=(8,)), latent=2, steps=1500, batch=16, likelihood=Bernoulli(), learning_rate=0.01
        )
        run = RunStore(tmp_path_factory.mktemp("frames") / "runs").create(config)
        assert finish(run) == 0
    return run


def test_a_run_has_forty_frames_in_less_than_400_kilobytes(finished):
    pictures = sorted((finished.path / "frames").glob("*.png"))
    steps = [int(path.stem) for path in pictures if path.stem != "inputs"]
    assert len(steps) >= 40
    assert (steps[0], steps[-1]) == (0, 1500)
    assert sum(step <= 100 for step in steps) >= 8, "the first steps are where it happens"
    assert sum(path.stat().st_size for path in pictures) <= frames.BUDGET
    assert {size(path) for path in pictures if path.stem != "inputs"} == {(8 * 28, 3 * 28)}
    assert size(finished.path / "frames" / "inputs.png") == (8 * 28, 2 * 28)


def test_there_are_about_twenty_snapshots_denser_early(finished):
    steps = list(finished.snapshots())
    assert 18 <= len(steps) <= 30
    assert (steps[0], steps[-1]) == (0, 1500)
    assert sum(step <= 150 for step in steps) > sum(750 <= step < 900 for step in steps)


def test_every_frame_of_a_run_that_evaluates_at_each_step_fits_too(store):
    run = store.create(tiny(steps=300, evaluate_every=1))
    assert finish(run) == 0
    pictures = list((run.path / "frames").glob("*.png"))
    assert 40 <= len(pictures) <= frames.MOST + 2
    assert sum(path.stat().st_size for path in pictures) <= frames.BUDGET


@pytest.mark.parametrize("count", [1, 2, 59, 60, 61, 119, 1000, 12345])
def test_frames_are_kept_at_sixty_steps_or_fewer_the_first_and_last_among_them(count):
    kept = frames.steps(tuple(range(count)))
    assert {0, count - 1} <= kept
    assert min(count, 30) <= len(kept) <= frames.MOST + 1


@pytest.mark.parametrize("side", [4, 28, 32, 64])
def test_even_noise_fits_the_budget_of_a_frame(tmp_path, side):
    vae = VAE(Mlp(widths=(4,)), Gaussian(), Shape(1, side, side), 2)
    noise = torch.rand(24, 1, side, side, generator=torch.Generator().manual_seed(0))
    images = (255 * noise[:8]).to(torch.uint8)
    budget = frames.BUDGET * 9 // 10 // (frames.MOST + 1)
    vae.picture = lambda z: noise[: len(z)]
    frames.write_frame(tmp_path, 7, vae, encode(vae, images), torch.arange(8), budget)
    path = tmp_path / "00000007.png"
    assert path.stat().st_size <= budget
    assert size(path) == (8 * min(side, 32), 3 * min(side, 32))


def test_the_inputs_are_shown_as_they_are_and_as_the_model_saw_them(tmp_path):
    images = torch.zeros(8, 1, 4, 4, dtype=torch.uint8)
    images[0] = 255
    vae = VAE(Mlp(widths=(4,)), Bernoulli(binarise="threshold"), Shape(1, 4, 4), 2)
    frames.write_inputs(tmp_path, Split(images), encode(vae, images))
    with Image.open(io.BytesIO((tmp_path / "inputs.png").read_bytes())) as picture:
        pixels = torch.tensor(list(picture.tobytes())).view(8, 32)
    assert (pixels[:4] == pixels[4:]).all()
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:] == 0).all()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ([3, 3, 1, 1, 2, 2, 0, 0, 4, 5, 6, 7], [0, 2, 4, 6, 8, 9, 10, 11]),
        ([0] * 12, [0, 1, 2, 3, 4, 5, 6, 7]),
        ([0, 1, 0], [0, 1, 2]),
    ],
)
def test_the_shown_images_are_of_as_many_classes_as_there_are(labels, expected):
    count = 12 if labels is None else len(labels)
    split = Split(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), None if labels is None else torch.tensor(labels))
    assert frames.chosen(split).tolist() == expected


def test_fewer_test_images_than_columns_leave_tiles_blank(tmp_path):
    images = torch.full((3, 1, 4, 4), 255, dtype=torch.uint8)
    vae = VAE(Mlp(widths=(4,)), Bernoulli(), Shape(1, 4, 4), 2)
    frames.write_inputs(tmp_path, Split(images), encode(vae, images))
    assert size(tmp_path / "inputs.png") == (32, 8)


def test_shapes_are_framed_in_their_own_size(tmp_path):
    vae = VAE(Mlp(widths=(4,)), Bernoulli(), Shapes().shape, 2)
    images = torch.zeros(8, 1, 32, 32, dtype=torch.uint8)
    frames.write_frame(tmp_path, 0, vae, encode(vae, images), torch.arange(8), 10_000)
    assert size(tmp_path / "00000000.png") == (256, 96)
