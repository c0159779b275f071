"""Every dataset obeys the same laws; then what each one promises, and every way a file can be bad."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from vae_core.datasets import Dataset, Digits, FashionMnist, LinearGaussian, Mnist, Shapes, Source, cache_dir, shapes
from vae_core.datasets.idx import header, read_idx
from vae_core.spec import InputError, Split

VARIANTS: tuple[type[Source], ...] = get_args(get_args(Dataset)[0])
MORE = [Mnist(train_size=100), Shapes(binary=False), LinearGaussian(observed=9, latent=2, size=200, seed=3)]
DATASETS: list[Source] = [variant.model_validate({}) for variant in VARIANTS] + MORE
SIZES = (3, 2, 2)
IMAGES = header(SIZES) + bytes(range(12))


def mnist_dir() -> Path | None:
    """The folder that holds mnist/: the user's own, else the one shared by the project's checkouts."""
    places = [Path(os.environ["VAE_DATA_DIR"])] if "VAE_DATA_DIR" in os.environ else []
    places.append(Path(__file__).parents[2] / "shared/data")
    return next((place for place in places if (place / "mnist").is_dir()), None)


DATA = mnist_dir()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """No test reads or writes the caches of whoever runs it."""
    monkeypatch.setenv("VAE_CACHE_DIR", str(cache))
    if DATA:
        monkeypatch.setenv("VAE_DATA_DIR", str(DATA))


@pytest.fixture
def loaded(dataset: Source) -> tuple[Split, Split]:
    if isinstance(dataset, Mnist | FashionMnist) and not dataset.ready():
        pytest.skip(f"no {dataset.title} files: set VAE_DATA_DIR to a folder that holds {dataset.kind}/")
    return dataset.load()


every = pytest.mark.parametrize("dataset", DATASETS, ids=lambda d: d.model_dump_json())


@every
def test_images_are_as_the_facts_say(dataset: Source, loaded: tuple[Split, Split]) -> None:
    for split, size in zip(loaded, dataset.sizes, strict=True):
        assert split.images.dtype == torch.uint8
        assert split.images.is_contiguous()
        assert split.shape == dataset.shape
        assert len(split) == size
        assert split.images.max() <= split.top
        assert split.images.float().std() > 0
    assert dataset.ready()


@every
def test_labels_are_indices_of_the_classes(dataset: Source, loaded: tuple[Split, Split]) -> None:
    for split in loaded:
        if split.labels is None:
            assert dataset.classes == ()
        else:
            assert (split.labels.dtype, split.labels.shape) == (torch.int64, (len(split),))
            assert split.labels.unique().tolist() == list(range(len(dataset.classes)))


@every
def test_loading_again_gives_the_same(dataset: Source, loaded: tuple[Split, Split]) -> None:
    for first, second in zip(loaded, dataset.model_copy().load(), strict=True):
        assert torch.equal(first.images, second.images)
        assert first.labels is None or (second.labels is not None and torch.equal(first.labels, second.labels))


@every
def test_a_dataset_survives_json(dataset: Source) -> None:
    assert TypeAdapter(Dataset).validate_json(dataset.model_dump_json()) == dataset


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.__name__)
def test_a_card_has_all_its_facts(variant: type[Source]) -> None:
    assert variant.title
    assert variant.values
    assert variant.about.endswith(".")
    assert variant.expects.endswith(".")
    for name, field in variant.model_fields.items():
        assert name == "kind" or field.title


@pytest.mark.parametrize(
    "wrong",
    [
        '{"kind": "cifar"}',
        '{"kind": "mnist", "train_size": 60001}',
        '{"kind": "mnist", "train_size": true}',
        '{"kind": "digits", "size": 3}',
        '{"kind": "shapes", "binary": 1}',
        '{"kind": "linear-gaussian", "sigma": NaN}',
        '{"kind": "linear-gaussian", "sigma": 0.1}',
    ],
)
def test_wrong_specs_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Dataset).validate_json(wrong)


def test_importing_and_loading_leaves_heavy_packages_out() -> None:
    code = (
        "import sys\nfrom vae_core.datasets import Digits, LinearGaussian\nDigits().load(), LinearGaussian().load()\n"
        "print(sorted({'pooch', 'requests', 'sklearn', 'pandas', 'scipy', 'streamlit'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_cache_is_where_pooch_would_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pooch = pytest.importorskip("pooch")
    monkeypatch.delenv("VAE_CACHE_DIR")
    assert cache_dir() == pooch.os_cache("elbo-room")


# Digits


def test_digits_are_those_of_scikit_learn() -> None:
    oracle = pytest.importorskip("sklearn.datasets").load_digits()
    order = np.random.RandomState(0).permutation(1797)
    train, test = Digits().load()
    for split, rows in ((train, order[:1500]), (test, order[1500:])):
        assert np.array_equal(split.images.flatten(1).numpy(), oracle.data[rows])
        assert split.labels is not None
        assert np.array_equal(split.labels.numpy(), oracle.target[rows])


@pytest.mark.parametrize(
    "content", [None, b"", b"not gzip", *(gzip.compress(s, mtime=0) for s in (b"1,2\n3\n", b"-1,2\n"))]
)
def test_missing_or_damaged_digits_are_one_sentence(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "digits.csv.gz"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr("vae_core.datasets.digits._path", lambda: path)
    assert Digits().ready() == (content is not None)
    with pytest.raises(InputError, match="pip install"):
        Digits().load()


def test_digits_without_scikit_learn_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not Digits().ready()
    with pytest.raises(InputError, match="scikit-learn is not installed"):
        Digits().load()


# IDX


def test_idx_files_are_read_plain_and_gzipped(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(IMAGES)
    (tmp_path / "zipped.gz").write_bytes(gzip.compress(IMAGES))
    for name in ("plain", "zipped.gz"):
        assert read_idx(tmp_path / name, SIZES).flatten().tolist() == list(range(12))
    (tmp_path / "labels").write_bytes(struct.pack(">2I", 2049, 2) + b"\x07\x03")
    assert read_idx(tmp_path / "labels", (2,)).tolist() == [7, 3]


FAULTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "only 0 bytes"),
    "header cut": (IMAGES[:9], "only 9 bytes"),
    "labels for images": (struct.pack(">4I", 2049, *SIZES) + IMAGES[16:], "magic number 2049.*2051"),
    "text": (b"<!DOCTYPE html><html>404</html>", "magic number"),
    "other sizes": (struct.pack(">4I", 2051, 3, 4, 1) + IMAGES[16:], "array of 3×4×1.*3×2×2"),
    "huge sizes": (struct.pack(">4I", 2051, *3 * [2**32 - 1]) + IMAGES[16:], "4294967295×4294967295×4294967295"),
    "cut": (IMAGES[:-1], "only 27 bytes.*28 bytes"),
    "too long": (IMAGES + bytes(1000), "at least 29 bytes.*28 bytes"),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_idx_file_is_one_sentence(fault: str, zipped: bool, tmp_path: Path) -> None:
    content, problem = FAULTS[fault]
    path = tmp_path / ("images.gz" if zipped else "images")
    path.write_bytes(gzip.compress(content) if zipped else content)
    _refused(path, problem)


def _broken(content: bytes) -> bytes:
    return content[:10] + bytes(b ^ 0xFF for b in content[10:20]) + content[20:]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda content: b"plain text", "damaged"),
        (lambda content: content[:-9], "cut short"),
        (_broken, "damaged"),
        (lambda content: content[:-8] + bytes(8), "damaged"),
        (lambda content: content + b"more", "damaged"),
    ],
    ids=["not gzip", "cut", "broken stream", "wrong CRC", "garbage after"],
)
def test_a_bad_gzip_file_is_one_sentence(spoil: Callable[[bytes], bytes], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(spoil(gzip.compress(IMAGES)))
    _refused(path, problem)


def test_a_zip_bomb_is_read_no_further_than_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(IMAGES + bytes(50_000_000)))
    asked: list[int] = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda file, size=-1: asked.append(size) or read(file, size))
    _refused(path, "at least 29 bytes")
    assert asked == [29]


def test_a_folder_in_place_of_a_file_is_one_sentence(tmp_path: Path) -> None:
    _refused(tmp_path, "cannot be read")


def _refused(path: Path, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        read_idx(path, SIZES)
    assert caught.value.where == str(path)
    assert caught.value.limit
    assert caught.value.fix == "delete the file and download it again"


# MNIST


def test_mnist_takes_the_first_training_images() -> None:
    if not Mnist().ready():
        pytest.skip("no MNIST files: set VAE_DATA_DIR to a folder that holds mnist/")
    some, test = Mnist(train_size=100).load()
    train, whole_test = Mnist().load()
    assert torch.equal(some.images, train.images[:100])
    assert torch.equal(test.images, whole_test.images)
    assert some.labels is not None
    assert some.labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.parametrize("variant", [Mnist, FashionMnist])
def test_missing_files_name_both_ways_to_get_them(
    variant: type[Mnist | FashionMnist], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAE_DATA_DIR", str(tmp_path))
    assert not variant().ready()
    with pytest.raises(InputError) as caught:
        variant().load()
    for word in (str(tmp_path), "VAE_DATA_DIR", "Download", f"python -m vae_core fetch {variant().kind}"):
        assert word in str(caught.value)


# Shapes


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no images left in memory."""
    monkeypatch.setenv("VAE_CACHE_DIR", str(tmp_path))
    shapes._images.cache_clear()
    return tmp_path / "shapes-1.npz"


def _draw_nothing() -> np.ndarray:
    raise AssertionError("the cache was not used")


def test_shapes_are_drawn_once_and_kept(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Shapes().ready()
    first, _ = Shapes(binary=False).load()
    assert [path.name for path in fresh.parent.iterdir()] == [fresh.name]
    shapes._images.cache_clear()
    monkeypatch.setattr(shapes, "_draw", _draw_nothing)
    assert Shapes().ready()
    second, _ = Shapes(binary=False).load()
    assert torch.equal(first.images, second.images)


def _npz(path: Path, **arrays: np.ndarray) -> bytes:
    np.savez_compressed(path, allow_pickle=True, **arrays)
    return path.read_bytes()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "fault", ["empty", "text", "cut", "flipped", "plain array", "other array", "other sizes", "objects"]
)
def test_a_bad_cache_is_drawn_again(fault: str, fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6144, 32, 32), dtype=np.uint8)
    good = _npz(fresh, images=images)
    middle = len(good) // 2
    spoilt = {
        "empty": lambda: b"",
        "text": lambda: b"not an archive",
        "cut": lambda: good[:middle],
        "flipped": lambda: good[:middle] + bytes([good[middle] ^ 0xFF]) + good[middle + 1 :],
        "plain array": lambda: _npy(images),
        "other array": lambda: _npz(fresh, pictures=images),
        "other sizes": lambda: _npz(fresh, images=images[:5]),
        "objects": lambda: _npz(fresh, images=np.array([{}], dtype=object)),
    }
    fresh.write_bytes(spoilt[fault]())
    monkeypatch.setattr(shapes, "_draw", lambda: images)
    assert not Shapes().ready()
    assert len(Shapes().load()[0]) == 5144
    shapes._images.cache_clear()
    assert Shapes().ready()
    shapes._images.cache_clear()


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VAE_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(shapes, "_draw", lambda: np.zeros((6144, 32, 32), np.uint8))
    shapes._images.cache_clear()
    assert len(Shapes(binary=False).load()[1]) == 1000
    shapes._images.cache_clear()


def test_shapes_hold_every_combination_of_factors_once() -> None:
    factors = Shapes().factors()
    assert factors.shape == (6144, len(Shapes.factor_names))
    assert len(factors.unique(dim=0)) == 6144
    assert (factors.amax(0) + 1).tolist() == [3, 4, 8, 8, 8]
    labels = [split.labels for split in Shapes().load()]
    assert torch.equal(torch.cat([label for label in labels if label is not None]), factors[:, 0])


def test_shapes_lie_where_their_factors_say() -> None:
    images = torch.cat([split.images for split in Shapes(binary=False).load()]).double().squeeze(1)
    factors = Shapes().factors()
    middles = (torch.arange(32, dtype=torch.float64) + 0.5) / 32
    mass = images.sum((1, 2))
    places = torch.from_numpy(shapes.PLACES)
    symmetric = factors[:, 0] < 2  # a heart's centre of mass is not the middle of its circle
    for axis, factor in ((1, 3), (2, 4)):
        centre = (images.sum(axis) * middles).sum(1) / mass
        assert (centre - places[factors[:, factor]])[symmetric].abs().max() < 0.5 / 32
        assert (centre - places[factors[:, factor]]).abs().max() < 1 / 32


def test_bigger_shapes_cover_more_and_none_is_cut_off() -> None:
    images = torch.cat([split.images for split in Shapes(binary=False).load()]).double()
    mass, factors = images.sum((1, 2, 3)) / 255 / 32**2, Shapes().factors()
    scales = torch.from_numpy(shapes.SCALES)
    areas = mass / scales[factors[:, 1]] ** 2
    for shape, area in enumerate((1.4**2, np.pi * 0.8 * 0.45, None)):
        chosen = areas[factors[:, 0] == shape]
        assert chosen.std() / chosen.mean() < 0.08
        assert area is None or chosen.mean().item() == pytest.approx(area, rel=0.02)


def test_grey_shapes_are_all_different_and_binary_ones_black_and_white() -> None:
    grey = torch.cat([split.images for split in Shapes(binary=False).load()])
    binary = torch.cat([split.images for split in Shapes().load()])
    assert len(grey.flatten(1).unique(dim=0)) == 6144
    assert binary.unique().tolist() == [0, 255]
    assert torch.equal(binary == 255, grey > 127)


# Linear-Gaussian


@pytest.mark.parametrize(("latent", "sigma"), [(1, 0.05), (4, 0.05), (4, 0.005), (16, 0.08)])
def test_the_covariance_is_that_of_the_truth(latent: int, sigma: float) -> None:
    dataset = LinearGaussian(latent=latent, sigma=sigma, size=100_000)
    weight, bias, true_sigma = dataset.truth()
    assert true_sigma == sigma
    x = dataset.load()[0].images.flatten(1).double() / 255
    covariance = weight @ weight.T + (sigma**2 + 1 / (12 * 255**2)) * torch.eye(16, dtype=torch.float64)
    tolerance = 5 * covariance.diagonal().max() * 2**0.5 / 100_000**0.5
    assert (x.T.cov() - covariance).abs().max() < tolerance
    assert (x.mean(0) - bias).abs().max() < 5 * 0.1 / 100_000**0.5


@pytest.mark.parametrize("dataset", [LinearGaussian(size=100_000), LinearGaussian(observed=64, latent=64, sigma=0.08)])
def test_hardly_a_value_leaves_the_range(dataset: LinearGaussian) -> None:
    weight, _, sigma = dataset.truth()
    assert (weight.square().sum(1) + sigma**2).sqrt().max().item() == pytest.approx(0.1)
    images = dataset.load()[0].images
    assert ((images == 0) | (images == 255)).sum() <= 3


def test_the_eigenvalues_are_well_separated() -> None:
    weight, _, sigma = LinearGaussian().truth()
    eigenvalues = torch.linalg.svdvals(weight).square()
    assert (eigenvalues[:-1] / eigenvalues[1:]).min() > 1.3
    assert eigenvalues[-1] > 0.3 * sigma**2


def test_more_images_change_neither_the_truth_nor_the_test() -> None:
    few, many = LinearGaussian(size=100), LinearGaussian(size=200)
    assert torch.equal(few.truth()[0], many.truth()[0])
    assert torch.equal(few.load()[1].images, many.load()[1].images)
    assert not torch.equal(few.load()[1].images, LinearGaussian(size=100, seed=1).load()[1].images)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"observed": 15}, "perfect square, and 15 is none"), ({"latent": 17}, "17 latent dimensions are more than")],
)
def test_impossible_sizes_are_one_sentence(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LinearGaussian.model_validate(fields)
