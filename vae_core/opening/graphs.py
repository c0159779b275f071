"""ONNX files: which are accepted, what they take and give, and the same network with our interface around it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from onnx import AttributeProto, ModelProto, TensorProto, helper

from vae_core.spec import InputError

LARGEST = 500 * 2**20
MEMORY = 4 * 2**30
SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
OLDEST, NEWEST = 9, 24
OWN = "own_"
DRAWS = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
# What networks of images are made of; nothing that loops, branches, or reads anything but its inputs.
OPERATORS = """
Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast CastLike Ceil Celu Clip Concat Constant ConstantOfShape
Conv ConvTranspose Cos CumSum DepthToSpace Div Dropout Einsum Elu Equal Erf Exp Expand Flatten Floor Gather
GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization
HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
LpNormalization MatMul Max MaxPool Mean Min Mish Mod Mul Neg Not Or PRelu Pad Pow RMSNormalization Range Reciprocal
ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape
Resize Round ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign SpaceToDepth
Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile Transpose Trilu Unsqueeze Upsample Where Xor
"""
KNOWN = frozenset(OPERATORS.split())


@dataclass(frozen=True)
class Graph:
    """A checked network: its file's name, the model, and the sizes of its one input (None where any fits)."""

    where: str
    model: ModelProto
    takes: tuple[int | None, ...]
    gives: tuple[str, ...]

    @property
    def last(self) -> str:
        """The last operator that changes a value, of the first output: Sigmoid, Tanh or another."""
        makers = {name: node for node in self.model.graph.node for name in node.output}
        name = self.model.graph.output[0].name
        while name in makers and makers[name].op_type in ("Reshape", "Flatten", "Transpose", "Identity", "Squeeze"):
            name = makers[name].input[0]
        return makers[name].op_type if name in makers else ""


def read_graph(path: Path) -> Graph:
    """A network from a file, after everything about it that can be checked without running it."""
    if not path.is_file():
        raise InputError(f"there is no file {path.name}", str(path.parent), fix="check the path")
    if path.stat().st_size > LARGEST:
        raise InputError("the file is too large", path.name, f"{LARGEST >> 20} MB are the limit")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        onnx.checker.check_model(model)
        if model.functions:  # which exporters write for composed operators
            model = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # protobuf, the checker and the inliner have many of their own
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"this is not a valid ONNX file ({reason})", path.name, fix="export it again") from None
    _check(model, path.name)
    (given,) = _inputs(model)
    shape = given.type.tensor_type.shape.dim
    takes = tuple(dim.dim_value or None for dim in shape)
    return Graph(path.name, model, takes, tuple(out.name for out in model.graph.output))


def _check(model: ModelProto, where: str) -> None:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if not OLDEST <= opset <= NEWEST:
        raise InputError(f"the file is of opset {opset}", where, f"{OLDEST} to {NEWEST} are read", "export it again")
    for node in model.graph.node:
        _check_node(node, where)
    tensors = [*model.graph.initializer, *(t for n in model.graph.node for a in n.attribute for t in (a.t, *a.tensors))]
    if any(tensor.data_location == TensorProto.EXTERNAL or tensor.external_data for tensor in tensors):
        raise InputError("its weights lie in another file", where, fix="export it with external_data=False")
    if model.graph.sparse_initializer:
        raise InputError("it has sparse weights", where, fix="export it with dense ones")
    inputs = _inputs(model)
    if len(inputs) != 1 or not model.graph.output:
        names = ", ".join(repr(value.name[:40]) for value in inputs) or "none"
        raise InputError(f"the network has {len(inputs)} inputs ({names})", where, "one is wanted")
    for value in (*inputs, *model.graph.output):
        if value.type.tensor_type.elem_type not in FLOATS:
            raise InputError(f"{value.name[:40]!r} is not made of real numbers", where, fix="export it in float32")


def _check_node(node: onnx.NodeProto, where: str) -> None:
    if node.domain not in ("", "ai.onnx"):
        raise InputError(f"the operator {node.op_type[:40]!r} is of {node.domain[:40]!r}", where, "only ONNX's own run")
    if node.op_type in DRAWS:
        raise InputError("it draws random numbers", where, fix="export the network alone, without the sampling of z")
    kinds = {attribute.type for attribute in node.attribute}
    if node.op_type not in KNOWN or kinds & {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
        raise InputError(
            f"the operator {node.op_type[:40]!r} is not accepted", where, f"{len(KNOWN)} are, none of them loops",
            "export the plain network, in evaluation mode",
        )  # fmt: skip


def _inputs(model: ModelProto) -> list[onnx.ValueInfoProto]:
    """Those that have no value of their own: old files list weights among the inputs."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def run_apart(graph: Graph, inputs: Sequence[np.ndarray], seconds: float | int = SECONDS) -> list[list[np.ndarray]]:
    """The outputs for each of the inputs, computed in a process with limits of memory and time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(graph.model.SerializeToString())
        for at, array in enumerate(inputs):
            np.save(folder / f"{at}.in.npy", array.astype(_type(_inputs(graph.model)[0])))
        command = [sys.executable, "-m", "vae_core.opening.trial", name, str(MEMORY)]
        try:
            done = subprocess.run(command, cwd=ROOT, timeout=seconds, capture_output=True, check=False)
        except subprocess.TimeoutExpired:
            raise InputError(
                "the network needs too long", graph.where, f"{len(inputs[0])} examples in {seconds:.0f} s are wanted"
            ) from None
        error = _said(folder, done.returncode)
        if error:
            raise InputError(f"the network does not run ({error})", graph.where, f"{_sizes(inputs[0])} were given")
        return [_outputs(folder / f"{at}.out.npz", graph) for at in range(len(inputs))]


def _said(folder: Path, code: int) -> str:
    """What the trial said; if it could say nothing, how it ended."""
    try:
        return json.loads((folder / "said.json").read_text())["error"] or ""
    except (OSError, ValueError, KeyError):
        return f"it ended with code {code}, which may be for want of memory: {MEMORY >> 30} GB are given"


def _outputs(path: Path, graph: Graph) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        outputs = [found[key].astype(np.float32) for key in found.files]
    if not all(np.isfinite(output).all() for output in outputs):
        raise InputError("the network gives numbers that are not finite", graph.where, fix="export it in float32")
    return outputs


def _type(value: onnx.ValueInfoProto) -> np.dtype[np.generic]:
    return helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def _sizes(array: np.ndarray) -> str:
    return f"[n, {', '.join(map(str, array.shape[1:]))}]"


class Wrapper:
    """A graph with our nodes before and after its own, whose names get a prefix."""

    def __init__(self, graph: Graph, name: str, sizes: Sequence[int]) -> None:
        self.model = onnx.compose.add_prefix(graph.model, OWN)
        own = self.model.graph
        (self._given,) = _inputs(self.model)
        self._count = 0
        self._before: list[onnx.NodeProto] = []
        self._after: list[onnx.NodeProto] = []
        self._name = self._last = name
        self._sizes, self._inside = sizes, False
        self.outputs = [out.name for out in own.output]
        self._float = [out.type.tensor_type.elem_type == TensorProto.FLOAT for out in own.output]

    def add(self, kind: str, *constants: np.ndarray, **attributes: Any) -> None:
        """One more node on the way: before the network, or after it once `enter` was called."""
        names = [self._constant(value) for value in constants]
        self._node(kind, [self._last, *names], self._fresh(), **attributes)

    def enter(self) -> None:
        """Hand what there is to the network."""
        kind = self._given.type.tensor_type.elem_type
        self._before.append(helper.make_node("Cast", [self._last], [self._given.name], to=kind))
        self._inside = True

    def leave(self, index: int) -> None:
        """Go on with one of its outputs."""
        self._last = self.outputs[index]
        if not self._float[index]:
            self.add("Cast", to=TensorProto.FLOAT)

    def end(self, name: str) -> None:
        """What there is gets this name."""
        self._node("Identity", [self._last], name)

    def split(self, first: str, second: str, size: int) -> None:
        """What there is, [n, 2 size], becomes two; the way goes on with the second."""
        halves = [(0, size, first), (size, 2 * size, second)]
        source = self._last
        for low, high, name in halves:
            bounds = [self._constant(np.array([value], np.int64)) for value in (low, high, 1)]
            self._node("Slice", [source, *bounds], name)

    def written(self, outputs: dict[str, Sequence[int]]) -> bytes:
        """The file, with `outputs` by name and the sizes of one example."""
        graph = self.model.graph
        nodes = [*self._before, *graph.node, *self._after]
        del graph.node[:], graph.value_info[:], graph.output[:]
        graph.node.extend(nodes)
        kept = [value for value in graph.input if value.name != self._given.name]
        del graph.input[:]
        graph.input.extend([_value(self._name, self._sizes), *kept])
        graph.output.extend(_value(name, sizes) for name, sizes in outputs.items())
        self.model.ir_version = min(self.model.ir_version, 10)
        onnx.checker.check_model(self.model)
        return self.model.SerializeToString()

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        (self._after if self._inside else self._before).append(helper.make_node(kind, inputs, [output], **attributes))
        self._last = output

    def _constant(self, value: np.ndarray) -> str:
        name = self._fresh()
        self.model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        return name

    def _fresh(self) -> str:
        self._count += 1
        return f"our_{self._count}"


def _value(name: str, sizes: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *sizes])
