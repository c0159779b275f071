"""A model that was trained elsewhere: what a run's config says of it, and a VAE whose two networks are ONNX files.

Both files have one interface, whatever the model's own was (it is written around them when they are opened):
`decoder.onnx` takes "z" [n, d] and gives "x" [n, c, h, w], 0 for black and 1 for white; `encoder.onnx` takes "x" and
gives "mean" and "logvar" [n, d]. All float32, any n.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from vae_core.datasets.source import Source
from vae_core.heads import Normal
from vae_core.likelihoods import Bernoulli, Gaussian, Pixels
from vae_core.spec import InputError, Shape, Split, Variant
from vae_core.vae import VAE

MOST_LATENTS, MOST_CODES = 512, 200_000
BATCH = 64
DECODER, ENCODER = "decoder.onnx", "encoder.onnx"
NOT_HERE = "an opened model is not trained here"
TRAIN_THERE = "train it where it comes from, and open it again"


class OpenedImages(Source):
    """Images that came with an opened model; they lie in the run's own directory."""

    title: ClassVar[str] = "Opened images"
    about: ClassVar[str] = "Images that came with a model trained elsewhere. They stay in the run's directory."
    values: ClassVar[str] = "0–255"
    expects: ClassVar[str] = "The likelihood that the model was trained with."

    kind: Literal["opened"] = "opened"
    channels: int = Field(default=1, ge=1, le=3, description="1 or 3.")
    height: int = Field(default=1, ge=1, le=4096)
    width: int = Field(default=1, ge=1, le=4096)
    size: int = Field(ge=2, le=MOST_CODES)

    @property
    def shape(self) -> Shape:
        """The shape of one image; 1 × 1 × 1 where neither images nor a decoder were given."""
        return Shape(self.channels, self.height, self.width)

    @property
    def sizes(self) -> tuple[int, int]:
        """None to train on; what was given counts as held out."""
        return 0, self.size

    def ready(self) -> bool:
        """Never: a config does not know where its run lies."""
        return False

    def load(self) -> tuple[Split, Split]:
        """InputError: `Opened.of(run)` has what there is, and nothing of it is there to train on."""
        raise InputError(NOT_HERE, fix=TRAIN_THERE)


class OpenedNet(Variant):
    """Networks that were trained elsewhere, as ONNX files; which of them there are."""

    title: ClassVar[str] = "Opened"
    kind: Literal["opened"] = "opened"
    decoder: bool = False
    encoder: bool = False


class Unknown(Pixels):
    """A likelihood that nobody told: the decoder's output is the picture, and ln p(x|z) is not a number."""

    title: ClassVar[str] = "Not told"
    kind: Literal["unknown"] = "unknown"

    @property
    def normalised(self) -> bool:
        """False: there is no ln p(x) to speak of."""
        return False

    def outputs(self, mean: Float[Tensor, "*n c h w"]) -> Float[Tensor, "*n c h w"]:
        """The picture itself."""
        return mean

    def mean(self, parameters: Tensor | Normal) -> Float[Tensor, "*n c h w"]:
        """The picture, cut to what a screen can show."""
        return _mean(parameters).clamp(0, 1)

    def log_prob(self, parameters: Tensor | Normal, x: Float[Tensor, "*n c h w"]) -> Float[Tensor, "*n"]:
        """Not a number, for each image."""
        return torch.full(x.shape[:-3], torch.nan)


OpenedLikelihood = Bernoulli | Gaussian | Unknown


class OnnxNet(nn.Module):
    """An ONNX file as a module on the CPU; without a file it only says that there is none."""

    def __init__(self, file: bytes | None, name: str) -> None:
        super().__init__()
        self.name = name
        self.session = None if file is None else session(file)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """All outputs side by side, computed in batches of 64; nothing is differentiated through it."""
        if self.session is None:
            raise InputError(
                f"this model came without {self.name}", fix=f"open it again with its {self.name.split()[1]}"
            )
        (given,) = self.session.get_inputs()
        batches = np.split(x.detach().cpu().float().numpy(), range(BATCH, len(x), BATCH))
        parts = [self.session.run(None, {given.name: batch}) for batch in batches]
        return torch.cat([torch.cat([torch.from_numpy(out) for out in part], -1) for part in parts]).to(x.device)


def session(file: bytes) -> Any:
    """An onnxruntime session on the CPU, with as many threads as torch has."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # builds for Windows have some
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


class OpenedVAE(VAE):
    """A VAE to look at: it encodes and decodes as far as it came with the files; it cannot be trained."""

    def __init__(
        self, shape: Shape, latent: int, likelihood: OpenedLikelihood, decoder: bytes | None, encoder: bytes | None
    ) -> None:
        nn.Module.__init__(self)
        self.shape, self.latent, self.likelihood = shape, latent, likelihood
        self.encoder = OnnxNet(encoder, "an encoder")
        self.decoder = OnnxNet(decoder, "a decoder")
        self.head = likelihood.head(shape)
        # Some ask a model's parameters which device they are on.
        self.nowhere = nn.Parameter(torch.empty(0), requires_grad=False)

    @classmethod
    def read(cls, folder: Path, shape: Shape, latent: int, likelihood: OpenedLikelihood) -> OpenedVAE:
        """From the files in a run's `opened/`."""
        files = (path.read_bytes() if path.is_file() else None for path in (folder / DECODER, folder / ENCODER))
        return cls(shape, latent, likelihood, *files)

    def decode(self, z: Float[Tensor, "n d"], x: Tensor | None = None) -> Tensor | Normal:
        """The parameters of p(x|z) for each code: logits under a Bernoulli, else the picture."""
        picture = self.decoder(z).view(-1, *self.shape[:3])
        # Wider than `outputs`, which cuts off at 0.001: a model's certainty is its own.
        return self.head(torch.logit(picture, 1e-6) if isinstance(self.likelihood, Bernoulli) else picture)


def _mean(parameters: Tensor | Normal) -> Tensor:
    return parameters.mean if isinstance(parameters, Normal) else parameters
