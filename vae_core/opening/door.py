"""The door: files of a model that was trained elsewhere become a run, after all of them were checked."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from filelock import Timeout
from torch import Tensor

from vae_core.config import OpenedConfig
from vae_core.elsewhere import DECODER, ENCODER, OpenedImages, OpenedLikelihood, OpenedNet, Unknown
from vae_core.likelihoods import Bernoulli, Gaussian
from vae_core.opened import CARD, IMAGES, LABELS, LATENTS
from vae_core.opening import labels as label_files
from vae_core.opening.asking import check_answer
from vae_core.opening.graphs import read_graph
from vae_core.opening.labels import Labels
from vae_core.opening.latents import Latents, read_latents
from vae_core.opening.measuring import measure_opened
from vae_core.opening.networks import Network, open_decoder, open_encoder
from vae_core.opening.pictures import Pictures, read_pictures
from vae_core.runs import Run, RunStore, check_name, write_status
from vae_core.runs.run import OPENED
from vae_core.spec import InputError, Shape

TRIED = 64
MESSAGE = "Opened, not trained here."
Progress = Callable[[str], object]


@dataclass(frozen=True)
class Files:
    """What is opened, and what its owner says of it. Only the codes must be given.

    `likelihood` is "gaussian:σ", with σ in the units of the model's own pixels, or "bernoulli"; `range` is 0:1, -1:1
    or logits; `layout` nchw, nhwc, flat or flat-nhwc; `second` logvar or sigma. They are needed only if asked for.
    """

    latents: Path
    decoder: Path | None = None
    encoder: Path | None = None
    images: Path | None = None
    labels: Path | None = None
    likelihood: str | None = None
    range: str | None = None
    layout: str | None = None
    second: str | None = None


@dataclass(frozen=True)
class Model:
    """All that was read: checked, and fitting together."""

    latents: Latents
    pictures: Pictures | None
    labels: Labels | None
    decoder: Network | None
    encoder: Network | None
    likelihood: OpenedLikelihood

    @property
    def shape(self) -> Shape:
        """Of one image; 1 × 1 × 1 where nothing tells."""
        if self.pictures:
            return Shape(*self.pictures.images.shape[1:])
        return self.decoder.shape if self.decoder else Shape(1, 1, 1)

    @property
    def config(self) -> OpenedConfig:
        """The config of its run."""
        n, d = self.latents.posterior.mean.shape
        channels, height, width, _ = self.shape
        return OpenedConfig(
            dataset=OpenedImages(channels=channels, height=height, width=width, size=n),
            net=OpenedNet(decoder=bool(self.decoder), encoder=bool(self.encoder)),
            likelihood=self.likelihood,
            latent=d,
        )


def open_model(files: Files, store: RunStore, name: str | None = None, progress: Progress | None = None) -> Run:
    """A finished run of the store, with nothing trained. `progress` is told what is going on, in words.

    InputError says what is wrong with which file; a `Question` (one of them) names what only a person can say.
    """
    say = progress or (lambda words: None)
    if name is not None and (store.root / check_name(name)).exists():
        raise InputError(f"a run called {name!r} exists", str(store.root), fix="choose another name")
    model = read(files, say)
    with tempfile.TemporaryDirectory() as folder:
        say("Writing the run")
        draft = Path(folder)
        written = _write(model, draft / OPENED)
        say("Measuring")
        notes = measure_opened(draft, model.config, model.latents.posterior, *written)
        (draft / OPENED / CARD).write_text(json.dumps(_card(model, files, notes), indent=1))
        run = store.create(model.config, name, stem="opened", history=draft, state="done", step=1)
    _sign(run)
    return run


def read(files: Files, say: Progress) -> Model:
    """Everything in the files, in the order in which one helps to understand the next."""
    for option in ("second", "range", "layout"):
        check_answer(option, getattr(files, option))
    say("Reading the codes")
    latents = read_latents(files.latents, files.second)
    count = len(latents)
    labels = _labels(files, latents, count)
    if files.images:
        say("Reading the images")
    pictures = read_pictures(files.images, count, files.layout) if files.images else None
    decoder, encoder = _networks(files, latents, pictures, say)
    values = files.range or (decoder.reading.range if decoder else "0:1")
    likelihood = parse_likelihood(files.likelihood, values, pictures.images if pictures else None)
    return Model(latents, pictures, labels, decoder, encoder, likelihood)


def _labels(files: Files, latents: Latents, count: int) -> Labels | None:
    if files.labels:
        return label_files.read_csv(files.labels, count)
    if latents.labels is None:
        return None
    return label_files.of_array(latents.labels, count, f"labels of {files.latents.name}")


def _networks(
    files: Files, latents: Latents, pictures: Pictures | None, say: Progress
) -> tuple[Network | None, Network | None]:
    """Both networks, tried on 64 examples from all over the data."""
    places = spread(len(latents), TRIED)
    mean, logvar = (part[torch.from_numpy(places)].numpy() for part in _parts(latents))
    some = None if pictures is None else pictures.images[places].astype(np.float32) / 255
    decoder = encoder = None
    if files.decoder:
        say("Trying the decoder")
        decoder = open_decoder(read_graph(files.decoder), mean, some, files.range, files.layout)
    if files.encoder:
        if some is None:
            raise InputError(
                "the encoder cannot be checked without images", files.encoder.name, fix="give the images too"
            )
        say("Trying the encoder")
        values = files.range or (decoder.reading.range if decoder else None)
        encoder = open_encoder(read_graph(files.encoder), mean, logvar, some, values, files.layout)
    return decoder, encoder


def spread(count: int, most: int) -> np.ndarray:
    """At most so many places, evenly over all: files are often sorted by class."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _parts(latents: Latents) -> tuple[Tensor, Tensor]:
    return latents.posterior.mean, latents.posterior.logvar


def parse_likelihood(text: str | None, values: str, images: np.ndarray | None) -> OpenedLikelihood:
    """The likelihood that is told. A σ is in the model's own pixel units, so in -1:1 it is half as much of ours."""
    if not text:
        return Unknown()
    kind, sign, sigma = text.partition(":")
    if kind == "bernoulli" and not sign:
        black_and_white = images is not None and bool(np.isin(images, (0, 255)).all())
        return Bernoulli(binarise="threshold" if black_and_white else "never")
    try:
        number = float(sigma) / (2 if values == "-1:1" else 1)
    except ValueError:
        number = math.nan
    if kind != "gaussian" or not 1e-3 <= number <= 100:
        raise InputError(
            f"the likelihood {text[:40]!r} is not known", limit="σ is from 0.001 to 100 where white is 1",
            fix="give gaussian:0.1, with your σ, or bernoulli",
        )  # fmt: skip
    return Gaussian(sigma=number)


def _write(model: Model, folder: Path) -> tuple[Tensor | None, Tensor | None]:
    """The files of `opened/` but its card; returns images and labels as tensors."""
    folder.mkdir()
    mean, logvar = _parts(model.latents)
    safetensors.torch.save_file({"mean": mean, "logvar": logvar}, folder / LATENTS)
    images = None if model.pictures is None else torch.from_numpy(model.pictures.images)
    if images is not None:
        safetensors.torch.save_file({"images": images}, folder / IMAGES)
    labels = model.labels
    if labels:
        (folder / LABELS).write_text(json.dumps({"names": labels.names, "labels": labels.values.tolist()}))
    for name, network in ((DECODER, model.decoder), (ENCODER, model.encoder)):
        if network:
            (folder / name).write_bytes(network.file)
    return images, None if labels is None else labels.values


def _card(model: Model, files: Files, notes: list[str]) -> dict[str, Any]:
    """What was decided, and why."""
    n, d = model.latents.posterior.mean.shape
    card: dict[str, Any] = {"examples": n, "latent": d, "shape": model.shape[:3], "notes": notes}
    card["second"] = {"is": model.latents.second, "why": model.latents.why}
    card["likelihood"] = {"told": files.likelihood, "is": model.likelihood.model_dump(mode="json")}
    if model.pictures:
        card["images"] = {"read_as": model.pictures.read_as}
    for name, network in (("decoder", model.decoder), ("encoder", model.encoder)):
        if network:
            card[name] = network.reading._asdict() | {"why": network.why, "errors": network.errors}
    if model.encoder:
        card["encoder"]["second"] = model.encoder.second
    return card


def _sign(run: Run) -> None:
    """Say on every page that shows a run's message that nobody trained it here."""
    status = run.status()
    # The run is whole without it.
    with contextlib.suppress(Timeout, OSError), run.lock().acquire(timeout=1.0):
        write_status(run, dataclasses.replace(status, message=MESSAGE))
