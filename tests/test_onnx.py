"""ONNX: onnxruntime computes what the run's own networks compute."""

from __future__ import annotations

import logging
import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tests.run_helpers import copied, finish, tiny
from vae_core.cli import main
from vae_core.config import OpenedConfig
from vae_core.elsewhere import OpenedImages, OpenedNet
from vae_core.latents import cache
from vae_core.likelihoods import Bernoulli, Gaussian, Likelihood
from vae_core.nets import ACTIVATIONS, Conv, Mlp, Net
from vae_core.onnx_export import Decoder, Encoder, decoder_bytes, export, to_onnx
from vae_core.runs import ASSETS, Run, RunStore
from vae_core.spec import InputError, Shape
from vae_core.vae import VAE

# What onnxruntime-web 1.30 reads.
NEWEST_OPSET, NEWEST_FORMAT = 21, 10
NETS = [variant() for variant in get_args(get_args(Net)[0])]
LIKELIHOODS = [
    *(variant() for variant in get_args(get_args(Likelihood)[0])),
    Gaussian(noise="learned"),
    Gaussian(noise="optimal"),
]
SHAPES = {"linear": Shape(1, 5, 7), "mlp": Shape(3, 4, 4), "conv": Shape(1, 8, 8)}
SHIPPED = ["digits-annealed", "digits-z2", "mnist-annealed", "mnist-z2"]  # one of each architecture


def computed(file: bytes, given: Tensor) -> list[np.ndarray]:
    """The outputs of a file for an input, by onnxruntime."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (name,) = (one.name for one in session.get_inputs())
    return session.run(None, {name: given.numpy()})


def names(file: bytes) -> tuple[list[str], list[str]]:
    """The inputs and outputs of a file."""
    graph = onnx.load_from_string(file).graph
    return [one.name for one in graph.input], [one.name for one in graph.output]


@torch.no_grad()
def check_decoder(file: bytes, vae: VAE) -> None:
    """The same picture for a batch of any size, near the prior and far from it."""
    # Far out a pixel is the small rest of large terms, and either side rounds those in its own way.
    for count, scale, error in [(1, 1.0, 1e-5), (7, 1.0, 1e-5), (3, 20.0, 2e-4)]:
        z = scale * torch.randn(count, vae.latent, generator=torch.Generator().manual_seed(count))
        (x,) = computed(file, z)
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, vae.picture(z).numpy(), rtol=0, atol=error)
        assert x.min() >= 0
        assert x.max() <= 1


@torch.no_grad()
def check_encoder(file: bytes, vae: VAE) -> None:
    """The same posterior for a batch of any size."""
    for count in (1, 5):
        x = torch.rand(count, *vae.shape[:3], generator=torch.Generator().manual_seed(count))
        mean, logvar = computed(file, x)
        q = vae.encode(x)
        np.testing.assert_allclose(mean, q.mean.numpy(), atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(logvar, q.logvar.numpy(), atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run."""
    run = RunStore(tmp_path_factory.mktemp("onnx") / "runs").create(tiny())
    assert finish(run) == 0
    return run


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    return copied(trained, tmp_path)


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were started."""
    started: list[list[str]] = []
    start = subprocess.run

    def run(command, **options):
        started.append(command)
        return start(command, **options)

    monkeypatch.setattr("vae_core.onnx_export.subprocess.run", run)
    return started


def random(vae: VAE) -> VAE:
    """The same random weights each time, biases and σ among them."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return vae.eval()


@pytest.mark.parametrize(
    ("net", "likelihood"),
    [*product(NETS, LIKELIHOODS[:1]), *product(NETS[:1], LIKELIHOODS[1:])],  # a likelihood sees what any net gives
    ids=lambda value: value.kind + (f"-{value.noise}" if isinstance(value, Gaussian) else ""),
)
def test_every_decoder_is_the_picture(net, likelihood):
    vae = random(VAE(net, likelihood, SHAPES[net.kind], 3))
    check_decoder(export(Decoder(vae), ("z", "x"), {}), vae)


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.kind)
def test_every_encoder_is_the_posterior(net):
    vae = random(VAE(net, Bernoulli(), SHAPES[net.kind], 3))
    check_encoder(export(Encoder(vae), ("x", "mean", "logvar"), {}), vae)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_has_its_operator(activation):
    vae = random(VAE(Mlp(widths=(5,), activation=activation), Bernoulli(), Shape(1, 3, 3), 1))
    check_decoder(export(Decoder(vae), ("z", "x"), {}), vae)


def test_colour_pictures_have_three_channels():
    vae = random(VAE(Conv(channels=(3, 4)), Bernoulli(), Shape(3, 12, 12), 2))
    file = export(Decoder(vae), ("z", "x"), {})
    check_decoder(file, vae)
    assert computed(file, torch.zeros(2, 2))[0].shape == (2, 3, 12, 12)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_files_of_a_shipped_run_are_its_networks(name, tmp_path):
    run = Run(ASSETS / name)
    step, vae = run.model()
    to_onnx(run, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["decoder.onnx", "encoder.onnx"]
    decoder, encoder = ((tmp_path / "out" / f"{part}coder.onnx").read_bytes() for part in ("de", "en"))
    check_decoder(decoder, vae)
    check_encoder(encoder, vae)
    assert names(decoder) == (["z"], ["x"])
    assert names(encoder) == (["x"], ["mean", "logvar"])
    card = {prop.key: prop.value for prop in onnx.load_from_string(decoder).metadata_props}
    assert card == {
        "elbo_room.run": name,
        "elbo_room.step": str(step),
        "elbo_room.latent": str(vae.latent),
        "elbo_room.shape": "x".join(map(str, vae.shape[:3])),
        "elbo_room.likelihood": vae.likelihood.kind,
    }


def test_the_browser_can_load_a_file_and_nothing_in_it_names_this_computer(run, tmp_path):
    to_onnx(run, tmp_path)
    for name in ("decoder.onnx", "encoder.onnx"):
        data = (tmp_path / name).read_bytes()
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        assert model.ir_version <= NEWEST_FORMAT
        assert [(one.domain, one.version <= NEWEST_OPSET) for one in model.opset_import] == [("", True)]
        assert not any(tensor.external_data for tensor in model.graph.initializer)
        assert b".py" not in data
        assert str(Path.cwd()).encode() not in data


class Odd(nn.Module):
    """A layer with an operator that ONNX does not have."""

    def forward(self, z: Tensor) -> Tensor:
        """A Bessel function."""
        return torch.special.bessel_j0(z)


def test_a_net_that_onnx_has_no_words_for_is_refused_by_the_operators_name():
    vae = VAE(Mlp(widths=(4,)), Bernoulli(), Shape(1, 2, 2), 4)
    vae.decoder = Odd()
    with pytest.raises(InputError, match=r"ONNX has no operator for (special_)?bessel_j0; "):
        export(Decoder(vae), ("z", "x"), {})


def test_exporting_is_silent_and_leaves_no_setting_behind(run, tmp_path, capfd):
    before = logging.getLogger("torch.onnx").level
    to_onnx(run, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("torch.onnx").level == before


def test_the_server_exports_once_and_then_changes_the_weights(run, exports):
    for _ in range(2):
        for step in (None, *run.snapshots()):
            at, vae = run.model(step)
            file = decoder_bytes(run, step)
            check_decoder(file, vae)
            card = {prop.key: prop.value for prop in onnx.load_from_string(file).metadata_props}
            assert card["elbo_room.step"] == str(at)
    assert len(exports) == 1
    first = decoder_bytes(run)
    for path in cache.folder(run).parent.rglob("*.bin"):
        path.write_bytes(path.read_bytes()[:-1])
    assert decoder_bytes(run) == first
    assert len(exports) == 2


def test_another_run_of_the_same_networks_needs_no_export(run, store, exports):
    decoder_bytes(run)
    other = store.create(run.config.model_copy(update={"seed": 7}))
    assert finish(other) == 0
    file = decoder_bytes(other)
    check_decoder(file, other.model()[1])
    card = {prop.key: prop.value for prop in onnx.load_from_string(file).metadata_props}
    assert card["elbo_room.run"] == other.name
    assert len(exports) == 1


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.kind)
def test_the_weights_of_every_net_can_be_exchanged(net, store, exports):
    run = store.create(tiny().model_copy(update={"net": net, "steps": 4}))
    assert finish(run) == 0
    to_onnx(run, store.root)
    cache.entry_of_kind(run, "decoder-template").write((store.root / "decoder.onnx").read_bytes())
    check_decoder(decoder_bytes(run, 0), run.model(0)[1])
    assert not exports


def test_weights_that_are_folded_into_others_are_never_exchanged(run, tmp_path, exports):
    to_onnx(run, tmp_path, 0)
    model = onnx.load(tmp_path / "decoder.onnx")
    for part in (*model.graph.initializer, *model.graph.node):
        if isinstance(part, onnx.TensorProto) and part.name == "vae.decoder.0.weight":
            part.name = "val_0"
        elif isinstance(part, onnx.NodeProto):
            part.input[:] = ["val_0" if name == "vae.decoder.0.weight" else name for name in part.input]
    cache.entry_of_kind(run, "decoder-template").write(model.SerializeToString())
    check_decoder(decoder_bytes(run), run.model()[1])
    assert len(exports) == 1


@pytest.mark.parametrize("given", [True, False], ids=["with a decoder", "without one"])
def test_an_opened_models_own_files_are_given(given, run, store, tmp_path):
    to_onnx(run, tmp_path / "own")
    images = OpenedImages(size=2, height=8, width=8)
    opened = store.create(OpenedConfig(dataset=images, net=OpenedNet(decoder=given), latent=2))
    (opened.path / "opened").mkdir()
    shutil.copy(tmp_path / "own" / "decoder.onnx", opened.path / "opened")
    if given:
        assert decoder_bytes(opened) == (tmp_path / "own" / "decoder.onnx").read_bytes()
        to_onnx(opened, tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["decoder.onnx"]
        return
    for ask in (lambda: decoder_bytes(opened), lambda: to_onnx(opened, tmp_path / "out")):
        with pytest.raises(InputError, match="came without"):
            ask()


def test_a_run_without_weights_is_refused(store, tmp_path):
    run = store.create(tiny())
    for ask in (lambda: decoder_bytes(run), lambda: to_onnx(run, tmp_path / "out")):
        with pytest.raises(InputError, match="no weights"):
            ask()
    assert not (tmp_path / "out").exists()


def test_an_export_that_fails_says_why(run, monkeypatch):
    monkeypatch.setattr("vae_core.onnx_export.ROOT", run.path)  # so that there is no program to call
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(InputError, match="No module named"):
        decoder_bytes(run)


def test_the_command_line_exports_a_step(run, tmp_path, capsys):
    assert main(["export", str(run.path), "--to", "onnx", "--out", str(tmp_path / "out"), "--step", "30"]) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'out'}\n", "")
    at, vae = run.model(30)
    assert at <= 30
    check_decoder((tmp_path / "out" / "decoder.onnx").read_bytes(), vae)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "csv", "--step", "3"], "only onnx takes one"),
        (["--to", "onnx", "--out", "/dev/null/x"], "could not be written"),
    ],
)
def test_the_command_line_refuses_in_one_line(arguments, says, run, tmp_path, capsys):
    assert main(["export", str(run.path), "--out", str(tmp_path / "out"), *arguments]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
