"""Latents: clouds, maps, walks, densities and selections, against closed forms and against slower ways."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from scipy import stats

from tests.run_helpers import ROOT, copied, finish, tiny, wait_for
from vae_core import diagnostics
from vae_core.config import OpenedConfig
from vae_core.elsewhere import OpenedImages
from vae_core.latents import (
    Cloud,
    Projection,
    aggregate_log_density,
    aligned,
    attribute,
    axes,
    cache,
    cloud,
    histograms,
    inside,
    lerp,
    nearest,
    path_length,
    pca,
    prepare,
    progress,
    project,
    ready,
    shell,
    slerp,
    start,
    summarise,
    traverse,
    umap,
)
from vae_core.likelihoods import Bernoulli
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.spec import InputError


def made(mean: np.ndarray, logvar: np.ndarray | None = None, labels: np.ndarray | None = None) -> Cloud:
    """A cloud of these codes."""
    mean = mean.astype(np.float32)
    logvar = np.zeros_like(mean) if logvar is None else logvar.astype(np.float32)
    kl = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar)
    reconstruction = -np.arange(len(mean), dtype=np.float32)
    return Cloud("made", 7, "test", mean, logvar, kl, reconstruction, labels)


def some(n: int = 300, d: int = 5, seed: int = 0) -> Cloud:
    """A cloud that is longer in some directions than in others, away from the origin."""
    generator = np.random.default_rng(seed)
    mean = generator.normal(size=(n, d)) @ generator.normal(size=(d, d)) + generator.normal(size=d)
    return made(mean, generator.uniform(-3, 0, (n, d)), generator.integers(0, 3, n))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run."""
    run = RunStore(tmp_path_factory.mktemp("latents") / "runs").create(tiny().model_copy(update={"latent": 4}))
    assert finish(run) == 0
    return run


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    return copied(trained, tmp_path)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps whose model was loaded."""
    loaded: list[int] = []
    load = Run.model

    def model(self: Run, step: int | None = None):
        at, vae = load(self, step)
        loaded.append(at)
        return at, vae

    monkeypatch.setattr(Run, "model", model)
    return loaded


def same(one: Cloud, other: Cloud) -> bool:
    """To the last bit."""
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


# Clouds


@pytest.mark.parametrize("name", ["digits-annealed", "digits-collapsed", "digits-z2"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_cloud_is_what_evaluation_sees(name, split, tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_RUNS", str(tmp_path))
    run = Run(ASSETS / name)
    at, vae = run.model()
    images = run.config.dataset.load()[split == "test"]
    e = diagnostics.encode(vae, images.images, images.labels)
    seen = cloud(run, None, split)
    assert (seen.run, seen.step, seen.split, len(seen)) == (name, at, split, len(images))
    for mine, theirs in [
        (seen.mean, e.posterior.mean),
        (seen.logvar, e.posterior.logvar),
        (seen.elbo, diagnostics.elbo(e).value()),
        (seen.reconstruction, diagnostics.elbo(e).log_likelihood),
        (seen.kl_per_dimension, diagnostics.kl_per_dimension(e)),
    ]:
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
    assert seen.active.sum() == diagnostics.active_units(e)
    assert images.labels is not None
    assert seen.labels is not None
    assert np.array_equal(seen.labels, images.labels)
    assert (tmp_path / ".cache" / "latents" / name).is_dir()


def test_binarised_once_draws_the_same_coins_for_a_part_as_for_the_whole():
    images = torch.randint(0, 256, (2500, 1, 7, 7), dtype=torch.uint8)
    whole = Bernoulli().prepare(images, torch.Generator().manual_seed(99))
    coins = torch.Generator().manual_seed(99)
    assert torch.equal(whole, torch.cat([Bernoulli().prepare(part, coins) for part in images.split(1000)]))


def test_what_follows_from_a_cloud():
    seen = made(np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]), np.log(np.array([[4.0, 0.25, 1.0], [1.0, 1.0, 1.0]])))
    assert seen.norm.tolist() == [5.0, 0.0]
    np.testing.assert_allclose(seen.sigma, 1)
    assert seen.order.tolist() == [1, 0, 2]
    assert seen.active.tolist() == [True, True, False]
    np.testing.assert_allclose(seen.elbo, seen.reconstruction - seen.kl.sum(1))
    assert not made(np.full((50, 2), 3.0)).active.any()


def test_a_cloud_of_a_step_is_of_the_weights_before_it(run):
    steps = sorted(run.snapshots())
    assert cloud(run, steps[3]).step == steps[3]
    between = next(a for a, b in pairwise(steps) if b > a + 1)
    assert cloud(run, between + 1).step == between
    assert cloud(run).step == run.config.steps
    assert not np.array_equal(cloud(run).mean, cloud(run, steps[3]).mean)


def test_a_split_or_step_that_is_not_there_is_refused(run, store):
    with pytest.raises(InputError, match="no split"):
        cloud(run, None, "validation")
    with pytest.raises(InputError, match="no weights"):
        cloud(store.create(tiny()))


@pytest.fixture
def opened(store: RunStore) -> Run:
    """A model that was trained elsewhere, of which nothing but the codes was given."""
    run = store.create(OpenedConfig(dataset=OpenedImages(size=40), latent=3))
    (run.path / "opened").mkdir()
    given = some(40, 3)
    arrays = {"mean": given.mean, "logvar": given.logvar}
    (run.path / "opened" / "latents.safetensors").write_bytes(safetensors.numpy.save(arrays))
    return run


def test_the_cloud_of_an_opened_model_is_what_was_given(opened):
    given = some(40, 3)
    for _ in range(2):
        seen = cloud(opened)
        assert np.array_equal(seen.mean, given.mean)
        assert np.array_equal(seen.logvar, given.logvar)
        np.testing.assert_allclose(seen.kl, given.kl, atol=1e-5)
        assert np.isnan(seen.reconstruction).all()
        assert (seen.step, seen.labels) == (0, None)
    assert project(opened, None, "test", "pca").points.shape == (40, 2)
    with pytest.raises(InputError, match="no training images"):
        cloud(opened, None, "train")


# The cache


def test_a_hit_is_a_miss(run, counted):
    first = cloud(run, 30)
    again = cloud(run, 30)
    assert len(counted) == 1
    assert same(first, again)
    assert not same(first, cloud(run, 30, "train"))


def test_other_weights_are_other_entries(run):
    kept = cache.entry(run, 0, "x").path
    assert cache.entry(run, 0, "x").path == kept
    assert cache.entry(run, 0, "x", 1).path != kept
    assert cache.entry(run, 0, "y").path != kept
    assert cache.entry(run, run.config.steps, "x").path != kept
    os.utime(run.snapshots()[0], (1, 1))
    changed = cache.entry(run, 0, "x").path
    assert changed != kept
    card = run.path / "config.json"  # a run of the same name, created at another time
    card.write_text(card.read_text().replace(f'"created": {run.created}', f'"created": {run.created + 1}'))
    assert cache.entry(run, 0, "x").path not in (kept, changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: bytes(len(data)),
    ],
    ids=["torn", "empty", "of the checksum a part", "a flipped bit", "zeros"],
)
def test_a_damaged_file_is_thrown_away_and_made_again(damage, run, counted):
    first = cloud(run)
    (path,) = cache.folder(run).glob("cloud-*")
    path.write_bytes(damage(path.read_bytes()))
    assert same(cloud(run), first)
    assert same(cloud(run), first)
    assert len(counted) == 2


def test_the_least_recently_used_go_first(run, monkeypatch):
    places = [cache.entry(run, 0, "x", number) for number in range(4)]
    for number, place in enumerate(places[:3]):
        assert place.write(bytes(1000))
        os.utime(place.path, (number + 1, number + 1))
    assert places[0].read() == bytes(1000)
    monkeypatch.setattr(cache, "LARGEST", 3 * 1032)
    left = places[0].path.with_name(".x.tmp")
    left.touch()
    os.utime(left, (1, 1))
    places[3].write(bytes(1000))
    assert [place.present for place in places] == [True, False, True, True]
    assert not left.exists()
    monkeypatch.setattr(cache, "LARGEST", 10)
    places[1].write(bytes(1000))
    assert [place.present for place in places] == [False, True, False, False]


def test_a_cache_that_cannot_be_written_is_done_without(run, monkeypatch):
    cache.folder(run).parents[1].write_text("a file where the folder should be")
    assert same(cloud(run), cloud(run))
    assert isinstance(project(run, None, "test", "pca"), Projection)
    with pytest.raises(InputError, match="cannot be written"):
        prepare(run, None, "test", "pca")
    assert progress(run, None, "test", "pca")["state"] == "absent"


def test_the_cache_of_a_shipped_run_is_in_the_default_store(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "mine"))
    assert cache.folder(Run(ASSETS / "digits-z2")) == tmp_path / "mine" / ".cache" / "latents" / "digits-z2"
    assert cache.folder(Run(tmp_path / "a")) == tmp_path / ".cache" / "latents" / "a"


def test_a_store_does_not_take_its_cache_for_a_run(run):
    cloud(run)
    assert [own.name for own in RunStore(run.path.parent).own()] == [run.name]


# Maps


def test_pca_is_the_decomposition_of_the_covariance():
    seen = some()
    drawn = pca(seen)
    values, vectors = np.linalg.eigh(np.cov(seen.mean.astype(np.float64).T, bias=True))
    assert drawn.components is not None
    assert drawn.share is not None
    np.testing.assert_allclose(drawn.share, values[::-1][:2] / values.sum(), rtol=1e-6)
    np.testing.assert_allclose(np.abs(drawn.components @ vectors[:, ::-1])[:, :2], np.eye(2), atol=1e-6)
    np.testing.assert_allclose(drawn.points.mean(0), 0, atol=1e-5)
    assert (np.take_along_axis(drawn.components, np.abs(drawn.components).argmax(1)[:, None], 1) > 0).all()
    np.testing.assert_allclose(drawn.place(seen.mean), drawn.points, atol=1e-5)


@pytest.mark.parametrize("d", [2, 3, 20])
@pytest.mark.parametrize("method", ["axes", "pca", "aligned"])
def test_what_is_lifted_lies_where_it_should_and_moved_only_along_the_map(d, method):
    seen = some(200, d)
    drawn = {
        "axes": lambda: axes(seen, d - 1, 0),
        "pca": lambda: pca(seen),
        "aligned": lambda: aligned(seen, axes(seen, 0, 1)),
    }[method]()
    assert drawn.components is not None
    generator = np.random.default_rng(1)
    wanted, base = 5 * generator.normal(size=(40, 2)), generator.normal(size=d)
    z = drawn.lift(wanted, base)
    np.testing.assert_allclose(drawn.place(z), wanted, atol=1e-12)
    np.testing.assert_allclose(drawn.components @ drawn.components.T, np.eye(2), atol=1e-12)
    across = np.eye(d) - drawn.components.T @ drawn.components
    np.testing.assert_allclose((z - base) @ across, 0, atol=1e-12)
    np.testing.assert_allclose(drawn.lift(drawn.place(z), base), z, atol=1e-12)


def test_axes_are_two_columns():
    seen = some()
    drawn = axes(seen, 3, 1)
    assert np.array_equal(drawn.points, seen.mean[:, [3, 1]])
    for i, j in [(0, 0), (0, 5), (-1, 0)]:
        with pytest.raises(InputError, match="make no map"):
            axes(seen, i, j)


def test_a_code_of_one_dimension_is_a_line():
    seen = some(50, 1)
    drawn = pca(seen)
    np.testing.assert_allclose(drawn.points[:, 0], seen.mean[:, 0] - seen.mean.mean(), atol=1e-5)
    assert not drawn.points[:, 1].any()
    z = drawn.lift(np.array([[2.0, 9.0]]), np.zeros(1))
    np.testing.assert_allclose(drawn.place(z), [[2.0, 0.0]], atol=1e-12)


def test_a_collapsed_cloud_is_one_point():
    drawn = pca(made(np.full((20, 3), 0.5)))
    assert not drawn.points.any()
    assert drawn.share is not None
    assert drawn.share.tolist() == [0, 0]


@pytest.mark.parametrize("mirror", [1, -1])
def test_a_turned_and_mirrored_cloud_aligns_without_error(mirror):
    seen = some()
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(5, 5)))[0]
    turn[:, 0] *= mirror
    turned = made(seen.mean @ turn + 3)
    drawn = pca(seen)
    np.testing.assert_allclose(aligned(turned, drawn).points, drawn.points, atol=1e-4)


def test_alignment_is_the_best_turn_or_mirror_image():
    seen, other = some(seed=0), some(seed=1)
    reference = replace(pca(seen), points=pca(seen).points + np.float32([4, -2]))
    error = float(np.square(aligned(other, reference).points - reference.points).sum())
    own, wanted = pca(other).points.astype(np.float64), reference.points - reference.points.mean(0)
    tried = []
    for angle in np.linspace(0, 2 * np.pi, 3601):
        c, s = math.cos(angle), math.sin(angle)
        tried += [float(np.square(own @ turn - wanted).sum()) for turn in (np.array([[c, s], [-s, c]]),)]
        tried += [float(np.square(own @ turn - wanted).sum()) for turn in (np.array([[c, s], [s, -c]]),)]
    assert min(tried) * (1 - 1e-6) <= error <= min(tried) * (1 + 1e-5)
    with pytest.raises(InputError, match="same split"):
        aligned(some(40), reference)


def test_a_map_without_a_formula_says_so():
    drawn = Projection("umap", np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match="umap has no formula"):
        drawn.place(np.zeros((1, 2)))
    with pytest.raises(InputError, match="choose two dimensions or PCA"):
        drawn.lift(np.zeros((1, 2)), np.zeros(2))


def test_umap_keeps_groups_apart_repeats_itself_and_tells_its_stages():
    generator = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 40)
    seen = made(generator.normal(size=(120, 6)) + 20 * np.eye(6)[group])
    told: list[tuple[float | None, str]] = []
    drawn = umap(seen, 8, progress=lambda *stage: told.append(stage))
    own = [drawn.points[group == g] for g in range(3)]
    spread = max(float(np.linalg.norm(points - points.mean(0), axis=1).max()) for points in own)
    gap = min(float(np.linalg.norm(own[i].mean(0) - own[j].mean(0))) for i, j in [(0, 1), (0, 2), (1, 2)])
    assert gap > 2 * spread
    assert np.array_equal(umap(seen, 8).points, drawn.points)
    assert not np.array_equal(umap(seen, 8, seed=1).points, drawn.points)
    stages = list(dict.fromkeys(message.split(",")[0] for _, message in told))
    assert stages == [
        "Finding neighbours",
        "Loading UMAP",
        "Laying out",
    ]
    assert told[-1] == (1.0, "Laying out, epoch 500 of 500")
    assert all(share is None or 0 <= share <= 1 for share, _ in told)


@pytest.mark.parametrize(
    ("codes", "settings", "says"),
    [
        (some(30), {"neighbours": 30}, "2 to 29"),
        (some(30), {"neighbours": 1}, "2 to 29"),
        (some(30), {"min_dist": 2}, "0 to 1"),
        (made(np.full((30, 3), 0.5)), {}, "nothing to lay out"),
    ],
)
def test_umap_refuses_what_cannot_be(codes, settings, says):
    with pytest.raises(InputError, match=says):
        umap(codes, **settings)


# Maps by name


@pytest.mark.parametrize(
    ("method", "parameters"), [("axes", {"i": 2, "j": 0}), ("pca", {}), ("aligned", {"reference": 120})]
)
def test_a_map_by_name_is_the_map_and_is_kept(method, parameters, run):
    seen = cloud(run, 30)
    plain = {
        "axes": lambda: axes(seen, 2, 0),
        "pca": lambda: pca(seen),
        "aligned": lambda: aligned(seen, pca(cloud(run, 120))),
    }[method]()
    for _ in range(2):
        drawn = project(run, 30, "test", method, **parameters)
        assert drawn.method == method
        for name in ("points", "components", "centre", "share"):
            assert np.array_equal(getattr(drawn, name), getattr(plain, name))
    assert progress(run, 30, "test", method, **parameters)["state"] == ("absent" if method == "axes" else "ready")


@pytest.mark.parametrize(
    ("method", "parameters", "says"),
    [
        ("tsne", {}, "no map"),
        ("pca", {"neighbours": 3}, "takes no neighbours"),
        ("umap", {"neighbours": "3"}, "takes no neighbours"),
        ("umap", {"seed": True}, "takes no seed"),
        ("axes", {"i": 1, "j": 1}, "make no map"),
    ],
)
def test_a_map_that_is_not_there_is_refused(method, parameters, says, run):
    with pytest.raises(InputError, match=says):
        project(run, None, "test", method, **parameters)


def test_a_map_is_prepared_in_a_process_of_its_own_which_may_be_killed(run):
    wanted = (run, None, "test", "umap")
    assert progress(*wanted, neighbours=5) == {"state": "absent", "share": None, "message": ""}
    first = start(*wanted, neighbours=5)
    assert first is not None
    assert progress(*wanted, neighbours=5)["state"] == "working"
    assert start(*wanted, neighbours=5) is None
    assert ready(*wanted, neighbours=5) is None
    wait_for(lambda: "UMAP" in progress(*wanted, neighbours=5)["message"], 60)
    with pytest.raises(InputError, match="already"):
        prepare(*wanted, neighbours=5)
    first.kill()
    first.wait()
    told = progress(*wanted, neighbours=5)
    assert (told["state"], told["share"]) == ("failed", None)
    assert "without a word" in told["message"]
    second = start(*wanted, neighbours=5)
    assert second is not None
    assert second.wait(90) == 0
    assert progress(*wanted, neighbours=5) == {"state": "ready", "share": 1.0, "message": ""}
    assert start(*wanted, neighbours=5) is None
    drawn = ready(*wanted, neighbours=5)
    assert drawn is not None
    assert np.array_equal(drawn.points, umap(cloud(run), 5).points)
    assert {path.suffix for path in cache.folder(run).iterdir()} == {".bin"}


def test_a_map_that_cannot_be_prepared_tells_why(run):
    wanted = (run, None, "test", "umap")
    with pytest.raises(InputError):
        prepare(*wanted, neighbours=297)
    told = progress(*wanted, neighbours=297)
    assert told["state"] == "failed"
    assert "2 to 200 are possible" in told["message"]
    command = [sys.executable, "-m", "vae_core.latents", str(run.path), "--method", "umap", "--parameters"]
    done = subprocess.run(
        [*command, '{"neighbours": 1}'], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("vae_core.latents: 1 neighbours")
    assert len(done.stderr.splitlines()) == 1


# Walks


def test_slerp_is_the_published_formula():
    e1, e2 = np.eye(2)
    walk = slerp(e1, e2, 5)
    np.testing.assert_allclose(walk[2], [0.70710678, 0.70710678], atol=1e-8)
    np.testing.assert_allclose(walk[1], [0.92387953, 0.38268343], atol=1e-8)
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), 1, atol=1e-12)
    generator = np.random.default_rng(0)
    a, b = (3 * v / np.linalg.norm(v) for v in generator.normal(size=(2, 7)))
    angle = math.acos(a @ b / 9)
    t = np.linspace(0, 1, 11)[:, None]
    formula = np.sin((1 - t) * angle) / math.sin(angle) * a + np.sin(t * angle) / math.sin(angle) * b
    np.testing.assert_allclose(slerp(a, b, 11), formula, atol=1e-12)


@pytest.mark.parametrize("d", [2, 10, 50])
def test_slerp_turns_and_grows_at_constant_speed_between_the_very_ends(d):
    a, b = np.random.default_rng(d).normal(size=(2, d)) * [[1.0], [4.0]]
    walk = slerp(a, b, 9)
    assert np.array_equal(walk[[0, -1]], [a, b])
    norms = np.linalg.norm(walk, axis=1)
    np.testing.assert_allclose(np.diff(norms), (norms[-1] - norms[0]) / 8, atol=1e-12)
    directions = walk / norms[:, None]
    angles = np.arccos((directions[1:] * directions[:-1]).sum(1))
    np.testing.assert_allclose(angles, math.acos(directions[0] @ directions[-1]) / 8, atol=1e-9)


@pytest.mark.parametrize("near", [0.0, 1e-9, -1e-9])
def test_slerp_between_opposite_points_stays_on_the_sphere(near):
    a = np.array([3.0, 4.0, 0.0])
    walk = slerp(a, -a + near, 7)
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), 5, atol=1e-6)
    np.testing.assert_allclose(walk[3], [0, 0, 5], atol=1e-6)
    steps = np.linalg.norm(np.diff(walk, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)


def test_slerp_is_straight_where_there_is_no_angle():
    a, zero = np.array([1.0, 2.0]), np.zeros(2)
    for ends in [(a, zero), (zero, a), (zero, zero), (a, a), (a, 3 * a), (np.array([2.0]), np.array([-1.0]))]:
        np.testing.assert_allclose(slerp(*ends, 5), lerp(*ends, 5), atol=1e-15)


def test_a_walk_has_two_ends():
    for walk in (lerp, slerp):
        assert np.array_equal(walk(np.ones(3), np.zeros(3), 2), [np.ones(3), np.zeros(3)])
        with pytest.raises(InputError, match="at least 2"):
            walk(np.ones(3), np.zeros(3), 1)


def test_lerp_cuts_through_the_middle_which_slerp_does_not():
    generator = np.random.default_rng(0)
    pairs = generator.normal(size=(2000, 2, 50))
    for walk, expected in [(lerp, 4.975), (slerp, 7.02)]:
        middle = np.mean([np.linalg.norm(walk(a, b, 3)[1]) for a, b in pairs])
        assert middle == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("d", [1, 2, 3, 10, 50, 500])
def test_the_shell_is_the_chi_distribution(d):
    chosen = (0.001, 0.025, 0.25, 0.5, 0.75, 0.975, 0.999)
    mean, quantiles = shell(d, chosen)
    assert mean == pytest.approx(stats.chi(d).mean(), rel=1e-10)
    np.testing.assert_allclose(quantiles, stats.chi(d).ppf(chosen), rtol=1e-9)
    norms = np.linalg.norm(np.random.default_rng(d).normal(size=(20_000, d)), axis=1)
    assert mean == pytest.approx(norms.mean(), abs=5 * norms.std() / len(norms) ** 0.5)
    np.testing.assert_allclose((norms[:, None] < quantiles).mean(0), chosen, atol=0.015)


def test_the_shell_of_fifty_dimensions():
    assert shell(50)[0] == pytest.approx(7.035803, abs=1e-6)
    with pytest.raises(InputError):
        shell(0)


def test_a_traversal_sets_one_dimension_to_each_value_in_order():
    z = np.array([5.0, 6.0, 7.0])
    assert traverse(z, 1, [2.0, -1.0, 0.5]).tolist() == [[5, 2, 7], [5, -1, 7], [5, 0.5, 7]]
    assert z.tolist() == [5, 6, 7]
    for dimension in (-1, 3):
        with pytest.raises(InputError, match="no dimension"):
            traverse(z, dimension, [0.0])


def test_the_length_of_a_path_is_the_sum_of_its_steps():
    assert path_length(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [3.0, 5.0]])).tolist() == [0, 5, 5, 6]
    assert path_length(np.ones((1, 3))).tolist() == [0]
    assert path_length(np.ones((0, 3))).tolist() == []


def test_an_attribute_leads_from_one_class_to_another():
    seen = some()
    means = [seen.mean[seen.labels == label].mean(0) for label in range(3)]
    np.testing.assert_allclose(attribute(seen, 1, 2), means[1] - means[2], atol=1e-5)
    np.testing.assert_allclose(attribute(seen, 1), means[1] - seen.mean.mean(0), atol=1e-5)
    with pytest.raises(InputError, match="class 9"):
        attribute(seen, 0, 9)
    with pytest.raises(InputError, match="no labels"):
        attribute(replace(seen, labels=None), 0)


# Densities


@pytest.mark.parametrize("shift", [0, 300])
def test_the_aggregate_density_is_the_mixture(shift, monkeypatch):
    monkeypatch.setattr("vae_core.latents.density.AT_ONCE", 5 * 300)
    seen = some()
    seen = replace(seen, mean=seen.mean + np.float32(shift))
    z = seen.mean[:23] + np.random.default_rng(1).normal(size=(23, 5))
    sigma = np.exp(0.5 * seen.logvar.astype(np.float64))
    pairs = stats.norm(seen.mean.astype(np.float64), sigma).logpdf(z[:, None]).sum(-1)
    brute = np.logaddexp.reduce(pairs, 1) - math.log(300)
    np.testing.assert_allclose(aggregate_log_density(seen, z), brute, rtol=1e-10)


def test_the_aggregate_density_integrates_to_one():
    seen = some(200, 1)
    grid = np.linspace(-30, 30, 60_001)[:, None]
    density = np.exp(aggregate_log_density(seen, grid))
    assert np.trapezoid(density, grid[:, 0]) == pytest.approx(1, abs=1e-9)


def test_the_aggregate_of_the_prior_is_the_prior():
    z = np.random.default_rng(0).normal(size=(9, 4))
    prior = stats.norm.logpdf(z).sum(1)
    np.testing.assert_allclose(aggregate_log_density(made(np.zeros((50, 4))), z), prior, rtol=1e-12)


def test_histograms_are_the_marginals_of_the_aggregate(monkeypatch):
    monkeypatch.setattr("vae_core.latents.density.AT_ONCE", 50 * 41)
    seen = some(300, 3)
    drawn = histograms(seen, 40)
    width = np.diff(drawn.edges)
    assert np.allclose(width, width[0])
    sigma = np.exp(0.5 * seen.logvar.astype(np.float64))
    for j in range(3):
        below = stats.norm(seen.mean[:, j].astype(np.float64), sigma[:, j]).cdf(drawn.edges[:, None]).mean(1)
        np.testing.assert_allclose(drawn.density[j] * width, np.diff(below), atol=1e-12)
    np.testing.assert_allclose(drawn.prior * width, np.diff(stats.norm.cdf(drawn.edges)), atol=1e-12)
    assert ((drawn.density * width).sum(1) > 0.99).all()


def test_histograms_of_a_collapsed_cloud_are_the_prior():
    drawn = histograms(made(np.zeros((20, 2))), 16, 4)
    np.testing.assert_allclose(drawn.density, np.stack([drawn.prior] * 2), atol=1e-12)
    assert drawn.edges[[0, -1]].tolist() == [-4, 4]


# Selections


def test_the_nearest_are_the_nearest(monkeypatch):
    monkeypatch.setattr("vae_core.latents.selection.AT_ONCE", 7 * 300)
    seen = some()
    seen = replace(seen, mean=seen.mean + np.float32(100))
    z = seen.mean[:50] + 0.3 * np.random.default_rng(2).normal(size=(50, 5))
    distances = np.linalg.norm(z[:, None] - seen.mean.astype(np.float64), axis=-1)
    assert np.array_equal(nearest(seen, z, 6), np.argsort(distances, 1)[:, :6])
    assert nearest(seen, seen.mean)[:, 0].tolist() == list(range(300))
    for count in (0, 301):
        with pytest.raises(InputError, match="1 to 300"):
            nearest(seen, z, count)


def test_inside_follows_the_even_odd_rule():
    turns = 2 * np.pi * np.arange(5) * 2 / 5
    star = np.stack([np.cos(turns), np.sin(turns)], 1)  # a pentagram encloses its middle twice
    points = np.random.default_rng(0).uniform(-1.1, 1.1, (4000, 2))
    found = inside(points, star)
    crossings = np.array([_crossings(p, star) for p in points])
    assert np.array_equal(found, crossings % 2 == 1)
    assert not inside(np.zeros((1, 2)), star)[0]
    assert 0.1 < found.mean() < 0.5


def _crossings(point: np.ndarray, polygon: np.ndarray) -> int:
    """How often the ray to the right meets the line: each edge's intersection solved as two linear equations."""
    count = 0
    for one, two in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        along, right = np.linalg.solve(np.stack([two - one, [-1.0, 0.0]], 1), point - one)
        count += 0 <= along < 1 and right > 0
    return count


def test_polygons_that_tile_the_plane_claim_each_point_once():
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    grid = np.stack(np.meshgrid(np.arange(0, 3, 0.25), np.arange(0, 3, 0.25)), -1).reshape(-1, 2)
    claims = sum(inside(grid, corners + np.array([i, j])).astype(int) for i in range(3) for j in range(3))
    assert (claims == 1).all()


@pytest.mark.parametrize("polygon", [np.zeros((0, 2)), np.zeros((1, 2)), np.array([[0.0, 0], [1, 1]])])
def test_a_line_that_encloses_nothing_has_nothing_inside(polygon):
    assert not inside(np.random.default_rng(0).uniform(-1, 2, (50, 2)), polygon).any()


def test_a_summary_is_of_the_selection_alone():
    seen = some()
    chosen = np.array([3, 8, 200])
    told = summarise(seen, chosen)
    assert seen.labels is not None
    assert told.count == 3
    assert sum(told.classes.values()) == 3
    assert told.classes == {label: int((seen.labels[chosen] == label).sum()) for label in told.classes}
    assert list(told.classes.values()) == sorted(told.classes.values(), reverse=True)
    assert told.elbo == pytest.approx(float(seen.elbo[chosen].mean()), rel=1e-5)
    assert told.kl == pytest.approx(float(seen.kl[chosen].sum(1).mean()), rel=1e-5)
    assert told.reconstruction == pytest.approx(-(3 + 8 + 200) / 3)
    assert told.norm == pytest.approx(float(seen.norm[chosen].mean()), rel=1e-5)
    assert told.sigma == pytest.approx(float(seen.sigma[chosen].mean()), rel=1e-5)
    np.testing.assert_allclose(told.mean, seen.mean[chosen].mean(0))


def test_a_summary_of_nothing_and_of_what_is_not_known():
    seen = some()
    told = summarise(seen, np.array([], np.int64))
    assert (told.count, told.classes, told.elbo, told.mean) == (0, {}, None, None)
    unknown = replace(seen, labels=None, reconstruction=np.full(300, np.nan, np.float32))
    told = summarise(unknown, np.arange(5))
    assert (told.classes, told.elbo, told.reconstruction) == ({}, None, None)
    assert told.kl is not None


def test_latents_load_neither_umap_nor_sklearn():
    names = ("umap", "sklearn", "numba", "scipy", "onnx", "streamlit", "plotly")
    code = f"import vae_core.latents, sys; print(*[name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, [])
