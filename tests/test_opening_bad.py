"""Files that cannot be opened: each is refused in one sentence, nothing of them is executed, and no run is made."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, load, numpy_helper, save
from PIL import Image

from tests.opening_helpers import Own, write
from tests.run_helpers import call
from vae_core.opened import Opened
from vae_core.opening import graphs
from vae_core.opening.door import Files, open_model
from vae_core.opening.labels import classes
from vae_core.runs import RunStore
from vae_core.spec import InputError
from vae_core.system import WINDOWS


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own.make(tmp_path / "own")


def refused(files: Files, store: RunStore, says: str) -> None:
    """In one short sentence, and without a trace in the store."""
    with pytest.raises(InputError, match=says) as error:
        open_model(files, store)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    assert not store.root.exists() or os.listdir(store.root) == []


class Bomb:
    """What it does when it is unpickled would be seen."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


# The codes

Arrays = Callable[[Own], dict[str, Any]]
CODES: list[tuple[str, Arrays, str]] = [
    ("no mean", lambda own: {"logvar": own.mean, "z": own.mean}, "no array called mean in .*found are 'logvar', 'z'"),
    ("no second", lambda own: {"mean": own.mean}, "no array called logvar .*wanted are mean, and logvar or sigma"),
    ("both", lambda own: {"mean": own.mean, "logvar": own.mean, "sigma": own.sigma}, "there are both logvar and sigma"),
    ("unlike", lambda own: {"mean": own.mean, "sigma": own.sigma[:4]}, r"mean is \(90, 3\) and sigma is \(4, 3\)"),
    ("flat", lambda own: {"mean": own.mean[0], "sigma": own.sigma[0]}, r"mean is float32 of shape \(3,\)"),
    ("one", lambda own: {"mean": own.mean[:1], "sigma": own.sigma[:1]}, "1 examples in z.npz; 2 to 200,000"),
    ("many", lambda own: dict.fromkeys(("mean", "sigma"), np.ones((200_001, 1), np.float16)), "200,001 examples"),
    ("long", lambda own: dict.fromkeys(("mean", "sigma"), np.ones((3, 513), np.float32)), "513 dimensions .* 512 are"),
    ("nan", lambda own: {"mean": np.array([[1, 2], [3, np.nan]]), "sigma": np.ones((2, 2))}, r"first at \[1, 1\]"),
    ("text", lambda own: dict.fromkeys(("mean", "sigma"), np.array([["a"], ["b"]])), "mean is <U1"),
    ("complex", lambda own: dict.fromkeys(("mean", "sigma"), np.ones((3, 2), complex)), "of type complex128"),
    ("negative σ", lambda own: {"mean": own.mean, "sigma": -own.sigma}, "sigma is not above 0 at example 0"),
    ("variance", lambda own: {"mean": own.mean, "logvar": 1e4 * own.sigma}, "is logvar ln σ²"),
    ("labels", lambda own: {"mean": own.mean, "sigma": own.sigma, "y": np.arange(4)}, "4 labels for 90 examples"),
    ("odd labels", lambda own: {"mean": own.mean, "sigma": own.sigma, "y": own.mean}, "the labels are float32"),
]  # fmt: skip


@pytest.mark.parametrize(("arrays", "says"), [case[1:] for case in CODES], ids=[case[0] for case in CODES])
def test_codes_are_refused(own: Own, store: RunStore, arrays: Arrays, says: str) -> None:
    refused(Files(own.latents(**arrays(own))), store, says)


def test_a_pickle_is_not_read(own: Own, store: RunStore, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    bomb = np.array([[Bomb(mark)]], object)
    refused(Files(own.latents(mean=bomb, sigma=bomb)), store, "'mean' of z.npz; save plain numbers")
    plain = own.folder / "plain.npz"
    plain.write_bytes(pickle.dumps(Bomb(mark)))
    refused(Files(plain), store, "not what numpy writes in plain.npz")
    refused(Files(own.latents(), images=own.npy(bomb, "bomb.npy")), store, "Python objects")
    assert not mark.exists()


def test_damaged_files_are_refused(own: Own, store: RunStore) -> None:
    whole = own.latents().read_bytes()
    damages = (
        b"", b"not a zip", whole[: len(whole) // 2], whole.replace(own.mean.tobytes()[:9], b"\0" * 9),
        whole.replace(b"(90, 3)", b"(99, 3)"), whole.replace(b"'<f4'", b"'<f\xff'"),
    )  # fmt: skip
    for damage in damages:
        path = own.folder / "bad.npz"
        path.write_bytes(damage)
        refused(Files(path), store, "bad.npz")
    refused(Files(own.folder / "none.npz"), store, "there is no file none.npz")
    refused(Files(own.folder), store, "there is no file own")


def test_a_header_that_promises_the_world_costs_nothing(own: Own, store: RunStore) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (65536, 65536), }"
    path = own.folder / "z.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n")
    refused(Files(own.latents(), images=path), store, r"78 bytes are no array of shape \(65536, 65536\)")
    with zipfile.ZipFile(own.folder / "big.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for at in range(65):
            archive.writestr(f"{at}.npy", b"0")
    refused(Files(own.folder / "big.npz"), store, "64 arrays and 2 GB are the limit")


# Images and labels


def pictures(folder: Path, sizes: list[tuple[int, int]], **files: bytes) -> Path:
    folder.mkdir()
    for at, size in enumerate(sizes):
        Image.new("RGB", size).save(folder / f"{at}.png")
    for name, data in files.items():
        (folder / f"{name}.png").write_bytes(data)
    return folder


def test_images_are_refused(own: Own, store: RunStore) -> None:
    arrays = [
        (own.bytes[:7], "7 images for 90 codes"),
        (own.images * 9000, "the images go from"),
        (np.where(own.images > 0.5, np.nan, 0), "not finite"),
        (own.bytes[..., None], "has shape .*; n × c × h × w"),
        (own.bytes.transpose(0, 2, 1, 3), "1 or 3 channels"),
        (own.bytes.reshape(90, -1)[:, :50], "50 numbers are no square images"),
        (np.zeros((90, 3, 8, 3), np.uint8), "say which with --layout"),
        (np.zeros((90, 48), np.uint8), "may hold colours in two orders .*--layout"),
        (own.bytes.astype(str), "the images are of type <U"),
    ]
    for array, says in arrays:
        refused(Files(own.latents(), images=own.npy(array)), store, says)
    two = own.latents("two.npz", mean=own.mean[:2], sigma=own.sigma[:2])
    folders: list[tuple[Path, str]] = [
        (pictures(own.folder / "few", [(4, 4)]), "1 images for 2 codes in few"),
        (pictures(own.folder / "unlike", [(4, 4), (4, 5)]), "'1.png' is 4 × 5 and the first is 4 × 4"),
        (pictures(own.folder / "text", [(4, 4)], x=b"<html>"), "not a picture that can be read in x.png"),
        (pictures(own.folder / "eps", [(4, 4)], x=b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "x.png"),
        (pictures(own.folder / "wide", [(4, 4), (5000, 1)]), "5,000 × 1"),
    ]
    for folder, says in folders:
        refused(Files(two, images=folder), store, says)


def test_a_zip_with_anything_but_pictures_is_refused(own: Own, store: RunStore) -> None:
    two = own.latents("two.npz", mean=own.mean[:2], sigma=own.sigma[:2])
    link = zipfile.ZipInfo("1.png")
    link.external_attr = 0o120777 << 16
    for member, data in ((link, b"/etc/passwd"), (zipfile.ZipInfo("1.png"), b"\0" * 10_000_000)):
        with zipfile.ZipFile(own.folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("0.png", b"")
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
        refused(Files(two, images=own.folder / "x.zip"), store, "a member is not a plain picture")
    (own.folder / "x.zip").write_bytes(b"PK nothing")
    refused(Files(two, images=own.folder / "x.zip"), store, "the zip cannot be read")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no line"),
        ("a\n" * 80, "80 labels for 90 examples"),
        ("x,y_true\n" + "1,2\n" * 90, "none of the 2 columns is called label"),
        ("id,label\n" + "1,2\n" * 89 + "1\n", "row 91 has 1 cells and the first has 2"),
        ('"a\n' * 90, "not a CSV file"),
        (b"\xff\xfe" * 90, "not a CSV file in UTF-8"),
        ("a" * 200_000, "not a CSV file"),
    ],
)
def test_labels_are_refused(own: Own, store: RunStore, text: str | bytes, says: str) -> None:
    path = own.folder / "y.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(Files(own.latents(), labels=path), store, says)


def test_a_measurement_is_no_class() -> None:
    with pytest.raises(InputError, match="2,000 different labels in y; 1,000 are the limit"):
        classes([str(at / 7) for at in range(2000)], 2000, "y")


# Networks

Node = tuple[str, list[str], str]
GRAPHS: list[tuple[str, dict[str, Any], str]] = [
    ("custom operator", {"nodes": [("Evil", ["z"], "x")], "domain": "evil.example"}, "'Evil' is of 'evil.example'"),
    ("random", {"nodes": [("RandomNormalLike", ["z"], "x")]}, "draws random numbers"),
    ("no image", {"nodes": [("Relu", ["z"], "x")], "sizes": [5]}, "gives 3 and the images are 3 × 4 × 6"),
    ("other codes", {"nodes": [("Relu", ["z"], "x")], "given": ["n", 7]}, r"takes \[n, 7\] .*codes of 3 numbers"),
    ("fixed batch", {"nodes": [("Relu", ["z"], "x")], "given": [1, 3]}, "takes exactly 1 at a time"),
    ("does not run", {"nodes": [("MatMul", ["z", "W"], "x")], "weights": {"W": np.ones((5, 2), "f4")}}, "not run"),
    ("not finite", {"nodes": [("Div", ["z", "o"], "x")], "weights": {"o": np.zeros(1, np.float32)}}, "not finite"),
    ("two pictures", {"nodes": [("Relu", ["z"], "x"), ("Neg", ["z"], "y")], "more": {"y": ["n", 3]}}, "gives 2 arrays"),
    (
        "batch norm", {"nodes": [("ReduceMean", ["z", "a"], "m"), ("Sub", ["z", "m"], "x")],
                       "weights": {"a": np.array([0])}}, "depends on the other examples of a batch.*model.eval",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "says"), [case[1:] for case in GRAPHS], ids=[case[0] for case in GRAPHS])
def test_decoders_are_refused(own: Own, store: RunStore, parts: dict[str, Any], says: str) -> None:
    given, outputs = ("z", parts.get("given", ["n", 3])), {"x": ["n", None]} | parts.get("more", {})
    path = write(
        own.folder / "d.onnx", parts["nodes"], parts.get("weights", {}), given, outputs, domain=parts.get("domain", "")
    )
    refused(Files(own.latents(), path, images=own.npy()), store, says)


def test_files_that_are_no_onnx_are_refused(own: Own, store: RunStore) -> None:
    path = own.folder / "bad.onnx"
    whole = own.decoder().read_bytes()
    for data in (b"", b"garbage", os.urandom(4000), whole[: len(whole) // 2]):
        path.write_bytes(data)
        refused(Files(own.latents(), path), store, "not a valid ONNX file|opset 0")
    refused(Files(own.latents(), own.folder / "none.onnx"), store, "there is no file none.onnx")


def test_weights_in_another_file_are_not_fetched(own: Own, store: RunStore) -> None:
    path = own.decoder()
    model = load(path)
    (own.folder / "W.bin").write_bytes(own.weight.tobytes())
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "W")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="W.bin")
    path.write_bytes(model.SerializeToString())
    refused(Files(own.latents(), path), store, "d.onnx")


def test_a_loop_is_refused_before_it_runs(own: Own, store: RunStore) -> None:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["v"], ["w"])], "body",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, None)],
        [value("d", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, None)],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("Loop", ["many", "", "z"], ["x"], body=body)], "own",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.array(10**12), "many")],
    )  # fmt: skip
    path = own.folder / "loop.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    refused(Files(own.latents(), path), store, "the operator 'Loop' is not accepted in loop.onnx")


@pytest.mark.skipif(WINDOWS, reason="there is no limit of memory on Windows")
def test_a_network_that_wants_all_memory_is_stopped(own: Own, store: RunStore) -> None:
    nodes: list[Node] = [("Expand", ["z", "huge"], "big"), ("ReduceSum", ["big"], "x")]
    weights = {"huge": np.array([100_000, 100_000, 1, 3])}
    path = write(own.folder / "d.onnx", nodes, weights, ("z", ["n", 3]), {"x": ["n", None]})
    refused(Files(own.latents(), path), store, "does not run")


def test_a_network_that_takes_too_long_is_stopped(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    side = np.ones((4000, 4000), np.float32)
    nodes: list[Node] = [("MatMul", ["z", "W"], "0")]
    nodes += [("MatMul", [str(at), "S"], str(at + 1)) for at in range(400)]
    path = write(
        own.folder / "d.onnx", [*nodes, ("Identity", ["400"], "x")], {"W": np.ones((3, 4000), np.float32), "S": side},
        ("z", ["n", 3]), {"x": ["n", 4000]},
    )  # fmt: skip
    with pytest.raises(InputError, match=r"needs too long in d\.onnx; 4000 examples in 1 s"):
        graphs.run_apart(graphs.read_graph(path), [np.zeros((4000, 3), np.float32)], seconds=1)


def test_encoders_are_refused(own: Own, store: RunStore) -> None:
    refused(Files(own.latents(), encoder=own.encoder()), store, "cannot be checked without images")
    other = own.latents("other.npz", mean=own.mean[::-1], sigma=own.sigma)
    refused(Files(other, encoder=own.encoder(), images=own.npy()), store, "does not give these codes .*in one order")
    five = own.latents("five.npz", mean=np.repeat(own.mean, 2, 1), sigma=np.repeat(own.sigma, 2, 1))
    refused(Files(five, encoder=own.encoder(), images=own.npy()), store, "mean and ln σ² of 6 numbers are wanted")
    smaller = Own.make(own.folder / "smaller", (3, 4, 4))
    refused(Files(own.latents(), encoder=smaller.encoder(), images=own.npy()), store, r"takes \[n, 3, 4, 4\]")


@pytest.mark.parametrize("text", ["gaussian", "gaussian:0", "gaussian:nan", "gaussian:x", "poisson", "bernoulli:1"])
def test_a_likelihood_that_is_none_is_refused(own: Own, store: RunStore, text: str) -> None:
    refused(Files(own.latents(), likelihood=text), store, "likelihood .* is not known")


# The command line, and a run whose files were tampered with


def test_the_command_line_refuses_with_2_and_one_line(own: Own, store: RunStore) -> None:
    for words in (
        ["open", "x", "--latents", own.folder / "none.npz"],
        ["open", "x", "--latents", own.latents(), "--range", "0:255"],
        ["open", "../x", "--latents", own.latents()],
        ["open", "x"],
    ):
        done = call(*words, "--runs", store.root)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert len([line for line in done.stderr.splitlines() if line.startswith("vae_core: ")]) == 1
        assert "Traceback" not in done.stderr
    assert not store.root.exists()


def test_a_run_whose_files_are_gone_or_others_says_so(own: Own, store: RunStore) -> None:
    run = open_model(Files(own.latents(), images=own.npy()), store)
    opened = Opened.of(run)
    assert opened
    other = Opened.of(open_model(Files(own.latents(mean=own.mean[:9], sigma=own.sigma[:9])), store))
    assert other
    (opened.folder / "latents.safetensors").write_bytes((other.folder / "latents.safetensors").read_bytes())
    with pytest.raises(InputError, match="the codes are not those of the run's config"):
        opened.posterior()
    (opened.folder / "images.safetensors").write_bytes(b"bad")
    with pytest.raises(InputError, match=r"the file cannot be read .*open the model again"):
        opened.images()
    (opened.folder / "labels.json").write_text("[")
    with pytest.raises(InputError, match="the file cannot be read"):
        opened.labels()
