"""The one row of numbers, and the one sheet of pictures, that an opened run begins and ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from vae_core import diagnostics, frames, records
from vae_core.config import OpenedConfig
from vae_core.diagnostics import PAIRS, Encoded
from vae_core.elsewhere import OpenedVAE, Unknown
from vae_core.evaluation import baseline
from vae_core.gaussian import DiagonalGaussian
from vae_core.runs.run import OPENED
from vae_core.spec import Split

PART = 4096
FAR = 1.0  # of the images' variance about their mean: a decoder that is worse does not belong to them
TOP = 255


def measure_opened(
    folder: Path,
    config: OpenedConfig,
    q: DiagonalGaussian,
    images: UInt8[Tensor, "n c h w"] | None,
    labels: Int[Tensor, "n"] | None,
) -> list[str]:
    """Write `metrics.jsonl` and `frames/` into a run's folder; returns what its owner should know.

    The KL is that of all examples. Reconstruction and ELBO, which have to decode, are of at most 1,000 from all over
    them, and null where decoder, images or likelihood are missing.
    """
    places = torch.linspace(0, len(q.mean) - 1, min(PAIRS, len(q.mean))).round().long()
    vae = config.model(folder / OPENED).eval()
    x = torch.zeros(len(places), 1, 1, 1) if images is None else vae.prepare(images[places])
    some = DiagonalGaussian(q.mean[places], q.logvar[places])
    e = Encoded(some, x, vae, None if labels is None else labels[places])
    row, notes = _numbers(q, e), []
    if images is not None and config.net.decoder:
        notes = _compared(vae, e)
        _pictures(folder / "frames", vae, e, Split(images[places], e.labels))
        row |= _bound(vae, e, row["kl"], images)
    log = records.Log(folder / "metrics.jsonl")
    log.append(row)
    log.close()
    return notes


def _numbers(q: DiagonalGaussian, e: Encoded) -> dict[str, Any]:
    """What the codes alone tell: KL and latents in use of all examples, mutual information of some."""
    parts = zip(q.mean.split(PART), q.logvar.split(PART), strict=True)
    kl = sum((DiagonalGaussian(*part).kl().double().sum(0) for part in parts), torch.zeros(())) / len(q.mean)
    units = (q.mean.double().var(0, correction=0) > diagnostics.ACTIVE).sum()
    return {
        "step": 0, "split": "test", "beta": 1.0, "elbo": None, "reconstruction": None, "kl": float(kl.sum()),
        "kl_per_dimension": kl.tolist(), "active_units": int(units),
        "mutual_information": float(diagnostics.mutual_information(e)),
        "mutual_information_ceiling": diagnostics.mutual_information_ceiling(e), "count": len(q.mean),
    }  # fmt: skip


@torch.no_grad()
def _compared(vae: OpenedVAE, e: Encoded) -> list[str]:
    """Whether what comes back is nearer to its image than the mean image is."""
    error = float((vae.picture(e.posterior.mean) - e.images).square().mean())
    far = float((e.images - e.images.mean(0)).square().mean())
    if error < FAR * far or far == 0:
        return []
    return [
        f"What comes back is no nearer to the images than their mean is (squared error {error:.3g} and {far:.3g}): "
        "either the decoder ignores its code, or codes and images are not in one order."
    ]


def _pictures(folder: Path, vae: OpenedVAE, e: Encoded, split: Split) -> None:
    frames.write_inputs(folder, split, e)
    frames.write_frame(folder, 0, vae, e, frames.chosen(split), frames.BUDGET * 9 // 10)


def _bound(vae: OpenedVAE, e: Encoded, kl: float, images: UInt8[Tensor, "n c h w"]) -> dict[str, Any]:
    """Reconstruction, ELBO and the baseline, in nats per image; nothing where the likelihood is not known."""
    if isinstance(vae.likelihood, Unknown):
        return {}
    reconstruction = float(diagnostics.elbo(e).log_likelihood.mean())
    known = baseline(vae.likelihood, images, e.images, TOP)
    terms = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "baseline": known}
    return terms | {"reconstruction_count": len(e.images)}
