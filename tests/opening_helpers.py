"""What the tests of opening share: a small model whose files can be written in every way there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

SIGMA = 0.25


@dataclass(frozen=True)
class Own:
    """x = sigmoid(z W + b): codes, images [n, c, h, w] of 0 to 1, and what writes the files, into one folder."""

    folder: Path
    mean: np.ndarray
    sigma: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    shape: tuple[int, int, int]

    @classmethod
    def make(cls, folder: Path, shape: tuple[int, int, int] = (3, 4, 6), count: int = 90, latent: int = 3) -> Own:
        """A model with random weights, the same each time."""
        draw = np.random.default_rng(5)
        mean = draw.standard_normal((count, latent)).astype(np.float32)
        sigma = np.full_like(mean, SIGMA) * draw.uniform(0.5, 2, mean.shape).astype(np.float32)
        weight = 0.6 * draw.standard_normal((latent, int(np.prod(shape)))).astype(np.float32)
        folder.mkdir(exist_ok=True)
        return cls(folder, mean, sigma, weight, draw.standard_normal(weight.shape[1]).astype(np.float32), shape)

    @property
    def images(self) -> np.ndarray:
        return self.decode(self.mean)

    @property
    def bytes(self) -> np.ndarray:
        return (self.images * 255).round().astype(np.uint8)

    def decode(self, z: np.ndarray) -> np.ndarray:
        return (1 / (1 + np.exp(-(z @ self.weight + self.bias)))).reshape(-1, *self.shape)

    def latents(self, name: str = "z.npz", **arrays: Any) -> Path:
        arrays = arrays or {"mean": self.mean, "logvar": 2 * np.log(self.sigma)}
        np.savez(self.folder / name, **arrays)
        return self.folder / name

    def npy(self, array: np.ndarray | None = None, name: str = "x.npy") -> Path:
        np.save(self.folder / name, self.bytes if array is None else array)
        return self.folder / name

    def decoder(self, layout: str = "nchw", values: str = "0:1", batch: str | int = "n", name: str = "d.onnx") -> Path:
        c, h, w = self.shape
        sizes = {"nchw": [c, h, w], "nhwc": [h, w, c], "nhw": [h, w]}.get(layout, [c * h * w])
        nodes = [("Gemm", ["z", "W", "b"], "logits"), ("Reshape", ["logits", "nchw"], "image")]
        if layout in ("nhwc", "flat-nhwc"):
            nodes.append(("Transpose", ["image"], "turned"))
        nodes.append(("Reshape", [nodes[-1][2], "sizes"], "laid"))
        nodes += {"0:1": [("Sigmoid", ["laid"], "x")], "logits": [("Identity", ["laid"], "x")]}.get(
            values, [("Mul", ["laid", "half"], "halved"), ("Tanh", ["halved"], "x")]
        )
        weights = {"W": self.weight, "b": self.bias, "nchw": np.array([-1, c, h, w]), "sizes": np.array([-1, *sizes])}
        weights["half"] = np.array(0.5, np.float32)
        return write(self.folder / name, nodes, weights, ("z", [batch, len(self.weight)]), {"x": [batch, *sizes]})

    def encoder(self, layout: str = "nchw", values: str = "0:1", second: str = "logvar", name: str = "e.onnx") -> Path:
        """The inverse: logit(x), less b, times the pseudoinverse of W. `second` may be `joined` with the mean."""
        (c, h, w), d = self.shape, len(self.weight)
        sizes = {"nchw": [c, h, w], "nhwc": [h, w, c]}.get(layout, [c * h * w])
        nodes = [("Mul", ["x", "scale"], "scaled"), ("Add", ["scaled", "shift"], "whole")]
        if layout == "nhwc":
            nodes.append(("Transpose", ["whole"], "turned"))
        nodes += [
            ("Reshape", [nodes[-1][2], "flat"], "p"), ("Clip", ["p", "low", "high"], "q"), ("Sub", ["one", "q"], "r"),
            ("Log", ["q"], "s"), ("Log", ["r"], "t"), ("Sub", ["s", "t"], "u"), ("Sub", ["u", "b"], "v"),
            ("MatMul", ["v", "V"], "mean"), ("Mul", ["mean", "zero"], "none"), ("Add", ["none", "spread"], "second"),
        ]  # fmt: skip
        spread = SIGMA if second == "sigma" else 2 * np.log(SIGMA)
        outputs: dict[str, list[Any]] = {"mean": ["n", d], "second": ["n", d]}
        if second == "joined":
            nodes.append(("Concat", ["mean", "second"], "both"))
            outputs = {"both": ["n", 2 * d]}
        scale, shift = (0.5, 0.5) if values == "-1:1" else (1.0, 0.0)
        small = {"scale": scale, "shift": shift, "low": 1e-4, "high": 1 - 1e-4, "one": 1, "zero": 0, "spread": spread}
        weights = {key: np.array(value, np.float32) for key, value in small.items()}
        weights |= {"b": self.bias, "V": np.linalg.pinv(self.weight), "flat": np.array([-1, c * h * w])}
        return write(self.folder / name, nodes, weights, ("x", ["n", *sizes]), outputs, perm=[0, 3, 1, 2])


def write(
    path: Path,
    nodes: Sequence[tuple[str, list[str], str]],
    weights: dict[str, np.ndarray],
    given: tuple[str, list[Any]],
    outputs: dict[str, list[Any]],
    perm: Sequence[int] = (0, 2, 3, 1),
    domain: str = "",
) -> Path:
    """An ONNX file of these nodes."""
    more: dict[str, dict[str, Any]] = {"Transpose": {"perm": list(perm)}, "Concat": {"axis": -1}}
    made = [helper.make_node(kind, ins, [out], domain=domain, **more.get(kind, {})) for kind, ins, out in nodes]
    graph = helper.make_graph(
        made, "own", [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, given[1])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path
