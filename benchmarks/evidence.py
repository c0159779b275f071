"""What ln p(x) costs: `python -m benchmarks.evidence [IMAGES]`. One thread; MNIST (see VAE_DATA_DIR).

First importance sampling with K = 5,000 codes an image against a plain loop over images that draws all K at once, both
on the same images of two models, the shipped `mnist-annealed` and an untrained MLP 784-400-20: images a second of
processor time, the median of rounds in turn, and the mean ln p̂ of both. Then, on Linux, the memory that K = 100 to
50,000 take in processes of their own, above what K = 1 takes. Last, IMAGES (1,000) of the shipped run as `evaluate`
measures them.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_core.config import RunConfig
from vae_core.datasets import Mnist
from vae_core.diagnostics import prepare_once
from vae_core.evaluation import evaluate
from vae_core.evidence import importance_log_evidence
from vae_core.likelihoods import Bernoulli
from vae_core.nets import Mlp
from vae_core.runs import ASSETS, Run
from vae_core.training.process import set_up
from vae_core.vae import VAE

SAMPLES, COMPARED, ROUNDS = 5000, 20, 5
COUNTS = (100, 1000, 5000, 50_000)


@torch.no_grad()
def plain(vae: VAE, x: Tensor, samples: int) -> Tensor:
    """ln p̂ of one image after the other, in plain torch."""
    found = []
    for image in x:
        q = vae.encode(image[None])
        noise = torch.randn(samples, vae.latent)
        z = q.mean + q.std * noise
        pixels = image.flatten().expand(samples, -1)
        log_p = -F.binary_cross_entropy_with_logits(vae.decoder(z), pixels, reduction="none").sum(1)
        weights = log_p - 0.5 * z.square().sum(1) + 0.5 * noise.square().sum(1) + 0.5 * q.logvar.sum()
        found.append(torch.logsumexp(weights, 0) - math.log(samples))
    return torch.stack(found)


def ours(vae: VAE, x: Tensor, samples: int) -> Tensor:
    """The same by the product's function."""
    return importance_log_evidence(vae, x, samples)


def compare(name: str, vae: VAE, x: Tensor) -> None:
    """Both ways in turn."""
    spent: dict[Callable[..., Tensor], list[float]] = {ours: [], plain: []}
    means = {}
    for _ in range(ROUNDS):
        for way, times in spent.items():
            begun = time.process_time()
            means[way] = float(way(vae, x, SAMPLES).mean())
            times.append(time.process_time() - begun)
    rates = {way: len(x) / sorted(times)[ROUNDS // 2] for way, times in spent.items()}
    print(
        f"{name:16} K = {SAMPLES:,}: {rates[ours]:6.2f} images/s, plain loop {rates[plain]:6.2f}, "
        f"ratio {rates[ours] / rates[plain]:.2f}; mean ln p̂ {means[ours]:.3f} and {means[plain]:.3f}"
    )


def models() -> tuple[dict[str, VAE], Tensor]:
    """Two models, and the images."""
    run = Run(ASSETS / "mnist-annealed")
    _, shipped = run.model()
    train, test = run.config.dataset.load()
    config = RunConfig(dataset=Mnist(), net=Mlp(widths=(400,), activation="relu"), latent=20)
    wide = config.build(train.images).eval()
    return {"mnist-annealed": shipped, "784-400-20": wide}, prepare_once(shipped, test.images[:COMPARED])


def peak(way: str, samples: int) -> float:
    """MiB at the most that a process takes which estimates ten images of noise."""
    vae = VAE(Mlp(widths=(400,), activation="relu"), Bernoulli(), (1, 28, 28), 20).eval()
    {"ours": ours, "plain": plain}[way](vae, (torch.rand(10, 1, 28, 28) > 0.8).float(), samples)
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def memory() -> None:
    """One line for each K, above the peak of K = 1."""
    command = [sys.executable, "-m", "benchmarks.evidence", "--peak"]

    def measured(way: str, samples: int) -> float:
        return float(subprocess.check_output([*command, way, str(samples)], text=True))

    first = measured("ours", 1)
    for k in COUNTS:
        ours_, plain_ = (measured(way, k) - first for way in ("ours", "plain"))
        print(f"K = {k:>6,}: {ours_:6.1f} MiB above the {first:.0f} of K = 1, plain loop {plain_:7.1f}")


def whole(images: int) -> None:
    """The evaluation of a user."""
    run = Run(ASSETS / "mnist-annealed")
    _, vae = run.model()
    begun, used = time.perf_counter(), time.process_time()
    numbers = evaluate(vae, run.config.dataset.load()[1], SAMPLES, images)
    spent = {"seconds": round(time.perf_counter() - begun, 1), "processor": round(time.process_time() - used, 1)}
    print(json.dumps({name: numbers[name] for name in ("elbo", "nll", "nll_standard_error", "images")} | spent))


def main(images: int) -> None:
    """Speed, memory, and a whole evaluation."""
    found, x = models()
    for name, vae in found.items():
        compare(name, vae, x)
    memory()
    whole(images)


if __name__ == "__main__":
    set_up(1)
    torch.manual_seed(0)
    if sys.argv[1:2] == ["--peak"]:
        print(peak(sys.argv[2], int(sys.argv[3])))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 1000)
