"""A run's two networks as ONNX, for other programs and for the browser.

`decoder.onnx` takes "z" [b, d] and gives "x" [b, c, h, w], the mean E[x|z] between 0 and 1. `encoder.onnx` takes "x"
[b, c, h, w] as the likelihood prepares it and gives "mean" and "logvar" [b, d]. All float32, any b, no file beside.
"""

from __future__ import annotations

import contextlib
import logging
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock
from torch import Tensor, nn

from vae_core.exports import explained
from vae_core.latents.cache import Entry, entry, entry_of_kind
from vae_core.opened import Opened
from vae_core.runs import Run
from vae_core.spec import InputError, atomic_write
from vae_core.vae import VAE

if TYPE_CHECKING:
    from onnx import ModelProto

ROOT = Path(__file__).resolve().parents[1]
# What onnxruntime-web 1.30 reads, and torch writes by itself.
OPSET, NEWEST_FORMAT = 20, 10
DECODER, ENCODER = "decoder.onnx", "encoder.onnx"


class Decoder(nn.Module):
    """z to E[x|z]."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, z: Tensor) -> Tensor:
        """The picture."""
        return self.vae.picture(z)


class Encoder(nn.Module):
    """x to the mean and ln σ² of q(z|x)."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior's two parameters."""
        q = self.vae.encode(x)
        return q.mean, q.logvar


def to_onnx(run: Run, folder: Path, step: int | None = None) -> None:
    """Write both networks, from the newest weights at or before `step`, into a folder.

    An opened model's files are copied. InputError names the operator that ONNX does not have, if there is one.
    """
    opened = _opened_files(run)
    files = _files(run, step) if opened is None else opened
    if not files:
        raise InputError("this model came without networks", run.name, fix="open it again with them")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            atomic_write(folder / name, data)


def decoder_bytes(run: Run, step: int | None = None) -> bytes:
    """The decoder as ONNX, from the cache if it can be; for a server, whose threads must not export.

    Of an opened model it is the file that it came with, whose pictures may leave 0 to 1.
    The first of its kind is exported in another process. Other steps, and other runs of the same networks, differ in
    their weights alone, and those are put into the first one's place.
    """
    if (opened := _opened_files(run)) is not None:
        if DECODER not in opened:
            raise InputError("this model came without a decoder", run.name, fix="open it again with its decoder")
        return opened[DECODER]
    place = entry(run, step, "decoder")
    if (kept := place.read()) is not None:
        return kept
    template = entry_of_kind(run, "decoder-template")
    with _one_at_a_time(template):
        made = _refilled(run, step, template) or _exported_elsewhere(run, step, template)
    if _step(made) == place.step:
        place.write(made)
    return made


def export(module: Decoder | Encoder, names: tuple[str, ...], card: dict[str, str]) -> bytes:
    """One of the two networks as an ONNX file; `names` are its input's and its outputs'.

    Torch patches itself while it exports: nothing else may run a model in this process meanwhile.
    """
    vae = module.eval().vae
    shape = (vae.latent,) if isinstance(module, Decoder) else vae.shape[:3]
    try:
        with _quiet():
            program = torch.onnx.export(
                module, (torch.zeros(2, *shape),), None, dynamo=True, external_data=False, verbose=False,
                input_names=names[:1], output_names=names[1:], opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("b")},),
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise _refused(error) from None
    assert program is not None
    return _cleaned(program.model_proto, card).SerializeToString(deterministic=True)


def _files(run: Run, step: int | None) -> dict[str, bytes]:
    at, vae = run.model(step)
    card = _card(run, at, vae)
    decoder = export(Decoder(vae), ("z", "x"), card)
    return {DECODER: decoder, ENCODER: export(Encoder(vae), ("x", "mean", "logvar"), card)}


def _opened_files(run: Run) -> dict[str, bytes] | None:
    """The files that an opened model came with; None of a run that was trained here."""
    if (opened := Opened.of(run)) is None:
        return None
    paths = {DECODER: opened.decoder, ENCODER: opened.encoder}
    try:
        return {name: path.read_bytes() for name, path in paths.items() if path is not None}
    except OSError as error:
        raise InputError(f"its networks cannot be read ({error.strerror})", run.name, fix="open it again") from None


def _card(run: Run, step: int, vae: VAE) -> dict[str, str]:
    shape = "x".join(map(str, vae.shape[:3]))
    values = {"run": run.name, "step": step, "latent": vae.latent, "shape": shape, "likelihood": vae.likelihood.kind}
    return {f"elbo_room.{key}": str(value) for key, value in values.items()}


def _cleaned(model: ModelProto, card: dict[str, str]) -> ModelProto:
    """The model with our card, and without the exporter's notes, which name files of this computer."""
    from onnx.helper import set_model_props

    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    model.doc_string = ""
    model.ir_version = min(model.ir_version, NEWEST_FORMAT)
    set_model_props(model, card)
    return model


def _refilled(run: Run, step: int | None, template: Entry) -> bytes | None:
    """The kept export with the weights of this step in place of its own; None if there is none that fits."""
    import onnx

    if (kept := template.read()) is None:
        return None
    model = onnx.load_from_string(kept)
    at, weights = run.weights(step)
    places = {tensor.name.removeprefix("vae."): tensor for tensor in model.graph.initializer}
    for name, weight in weights.items():
        if name in places:
            places[name].raw_data = weight.float().numpy().tobytes()
        elif name.startswith("decoder."):  # folded into something else
            return None
    told = {"elbo_room.step": str(at), "elbo_room.run": run.name}
    for prop in model.metadata_props:
        prop.value = told.get(prop.key, prop.value)
    return model.SerializeToString(deterministic=True)


def _exported_elsewhere(run: Run, step: int | None, template: Entry) -> bytes:
    """The decoder, exported by the command line; kept as a template if its weights are the run's own, unchanged."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "vae_core", "export", str(run.path.resolve()), "--to", "onnx", "--out", folder]
        command += [] if step is None else ["--step", str(step)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["the export ended without a word"]
            raise InputError(lines[-1].removeprefix("vae_core: "))
        data = (Path(folder) / DECODER).read_bytes()
    template.write(data)
    if _refilled(run, step, template) != data:
        template.remove()
    return data


def _step(data: bytes) -> int:
    import onnx

    return next(int(p.value) for p in onnx.load_from_string(data).metadata_props if p.key == "elbo_room.step")


@contextlib.contextmanager
def _one_at_a_time(template: Entry) -> Iterator[None]:
    """Several servers, or threads of one, wait for the first; where there can be no lock, there is none."""
    lock = FileLock(template.path.with_name(template.path.name + ".lock"), thread_local=False)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            template.path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock.acquire(timeout=60))
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells what it could not import, and what of itself is deprecated: of no use to anybody here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _refused(error: BaseException) -> InputError:
    """What of a network ONNX does not have: the operator's name is somewhere in the chain of errors."""
    told: list[Any] = []
    cause: BaseException | None = error
    while cause is not None:
        told.append(cause)
        cause = cause.__cause__ or cause.__context__
    found = re.search(r"\b(?:aten|prims)[:.]+(\w+)", " ".join(map(str, told)))
    what = f"ONNX has no operator for {found[1]}" if found else "the network cannot be written as ONNX"
    return InputError(what, fix="use the run in Python instead")
