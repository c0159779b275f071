"""The cloud: where the encoder puts every image of a split, and what each of them costs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Bool, Float32, Float64, Int64

from vae_core.diagnostics import ACTIVE, EVALUATION_SEED, PAIRS
from vae_core.gaussian import DiagonalGaussian
from vae_core.latents.cache import entry
from vae_core.opened import Opened
from vae_core.runs import Run
from vae_core.spec import InputError, Split
from vae_core.vae import VAE

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Cloud:
    """The posteriors N(mean, exp(logvar)) of the n images of a split, from the weights after `step` updates.

    Shapes: mean, logvar and kl [n, d], reconstruction [n], labels [n] or none. `kl` and `reconstruction` (ln p(x|z)
    for one z, drawn with fixed noise) are in nats; images are binarised once, with the noise that evaluation takes.
    For an opened model mean and logvar are as given, and `reconstruction` is nan where it does not follow from them.
    """

    run: str
    step: int
    split: str
    mean: Float32[np.ndarray, "n d"]
    logvar: Float32[np.ndarray, "n d"]
    kl: Float32[np.ndarray, "n d"]
    reconstruction: Float32[np.ndarray, "n"]
    labels: Int64[np.ndarray, "n"] | None = None

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def latent(self) -> int:
        """The number d of latent dimensions."""
        return self.mean.shape[1]

    @property
    def norm(self) -> Float32[np.ndarray, "n"]:
        """‖μ‖ of each image."""
        return np.linalg.norm(self.mean, axis=1)

    @property
    def sigma(self) -> Float32[np.ndarray, "n"]:
        """The geometric mean of the σ_j of each image: 1 where the code says nothing."""
        return np.exp(0.5 * self.logvar.mean(1))

    @property
    def elbo(self) -> Float32[np.ndarray, "n"]:
        """The bound of each image at β = 1, in nats."""
        return self.reconstruction - self.kl.sum(1)

    @property
    def kl_per_dimension(self) -> Float64[np.ndarray, "d"]:
        """The mean over the images of each dimension's KL, in nats."""
        return self.kl.mean(0, dtype=np.float64)

    @property
    def order(self) -> Int64[np.ndarray, "d"]:
        """The dimensions by their mean KL, the largest first."""
        return np.argsort(-self.kl_per_dimension, kind="stable")

    @property
    def active(self) -> Bool[np.ndarray, "d"]:
        """Which dimensions move with the image: Var_x(μ_j) > 0.01, population variance."""
        return self.mean.var(0, dtype=np.float64) > ACTIVE


def cloud(run: Run, step: int | None = None, split: str = "test") -> Cloud:
    """Every image of a split, encoded with the newest weights at or before `step` (None: the newest of all).

    Kept in the store's cache. InputError where there are no weights, or the images are not on this computer.
    """
    if split not in SPLITS:
        raise InputError(f"{split!r} is no split", limit="train and test are", fix="choose one of them")
    place = entry(run, step, f"cloud-{split}")
    kept = place.read()
    if kept is not None:
        return _unpacked(run, split, kept)
    made = _encoded(run, step, split)
    if made.step == place.step:  # else the newest weights cannot be read, and these are of an earlier step
        place.write(_packed(made))
    return made


def _encoded(run: Run, step: int | None, split: str) -> Cloud:
    opened = Opened.of(run)
    if opened is None:
        at, vae = run.model(step)
        return encode_split(vae, run.config.dataset.load()[split == "test"], run.name, at, split)
    if split == "train":
        raise InputError("an opened model has no training images", run.name, fix="look at the test split")
    given, labels, images = opened.posterior(), opened.labels(), opened.images()
    if images is not None and opened.decoder is not None:
        return encode_split(opened.vae(), Split(images, labels), run.name, 0, split, given)
    unknown = np.full(len(given.mean), np.nan, np.float32)
    mean, logvar, kl = (tensor.numpy() for tensor in (given.mean, given.logvar, given.kl()))
    return Cloud(run.name, 0, split, mean, logvar, kl, unknown, None if labels is None else labels.numpy())


@torch.no_grad()
def encode_split(
    vae: VAE, images: Split, run: str, step: int, split: str, given: DiagonalGaussian | None = None
) -> Cloud:
    """The cloud of these images, a thousand at a time; the same noise as `diagnostics.encode` and `.elbo` take.

    With posteriors `given`, the encoder is not asked.
    """
    pixels = vae.likelihood.once(images.images, images.top)
    coins, normals = (torch.Generator().manual_seed(EVALUATION_SEED) for _ in range(2))
    noise = torch.randn(len(pixels), vae.latent, generator=normals)
    parts = []
    for start in range(0, len(pixels), PAIRS):
        rows = slice(start, start + PAIRS)
        x = vae.prepare(pixels[rows], coins).to(next(vae.parameters()).device)
        q = vae.encode(x) if given is None else DiagonalGaussian(given.mean[rows], given.logvar[rows])
        codes = q.mean + q.std * noise[rows].to(q.mean.device)
        parts.append((q.mean, q.logvar, q.kl(), vae.likelihood.log_prob(vae.decode(codes), x)))
    mean, logvar, kl, reconstruction = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    labels = None if images.labels is None else images.labels.numpy().astype(np.int64)
    return Cloud(run, step, split, mean, logvar, kl, reconstruction, labels)


def _arrays(made: Cloud) -> dict[str, np.ndarray]:
    """What of a cloud is an array."""
    values = {field.name: getattr(made, field.name) for field in fields(made)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _packed(made: Cloud) -> bytes:
    arrays = {name: np.ascontiguousarray(array) for name, array in _arrays(made).items()}
    return safetensors.numpy.save({**arrays, "step": np.array([made.step])})


def _unpacked(run: Run, split: str, data: bytes) -> Cloud:
    arrays = safetensors.numpy.load(data)
    return Cloud(run.name, int(arrays.pop("step")[0]), split, **arrays)
