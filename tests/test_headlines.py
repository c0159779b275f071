"""Headlines: what differs between two runs, in one line."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from vae_core.comparison import PARTS, headline
from vae_core.config import Cosine, RunConfig
from vae_core.datasets import Mnist
from vae_core.likelihoods import Gaussian
from vae_core.nets import Conv
from vae_core.objectives import FreeBits
from vae_core.schedules import Warmup

CHANGES: dict[str, Any] = {
    "dataset": Mnist(), "net": Conv(), "likelihood": Gaussian(), "latent": 2, "beta": Warmup(),
    "objective": FreeBits(), "steps": 7, "batch": 7, "learning_rate": 0.1, "decay": Cosine(), "seed": 7,
    "encoder_steps": 7,
}  # fmt: skip


def changed(*names: str) -> RunConfig:
    return RunConfig(**{name: CHANGES[name] for name in names})


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["beta"], "Same model, same data, same seed. Only β differs."),
        (["seed"], "Same model, same data, same β. Only the seed differs."),
        (["latent"], "Same data, same seed, same β. Only the number of latents differs."),
        (["dataset"], "Same model, same seed, same β. Only the data differ."),
        (["learning_rate"], "Same model, same data, same seed. Only the learning rate differs."),
        (["beta", "seed"], "β and the seed differ."),
        (["net", "beta", "steps"], "The networks, β and the length differ."),
        (["dataset", "net", "beta", "steps", "seed"], "The data, the networks and 3 more things differ."),
        ([], "Same model, same data, same seed, same β. No setting differs."),
    ],
)
def test_the_headline_of_two_runs_says_what_differs(names: list[str], sentence: str) -> None:
    assert headline(RunConfig(), changed(*names)) == sentence
    assert headline(changed(*names), RunConfig()) == sentence


def test_every_headline_is_one_line_and_names_what_differs() -> None:
    assert set(CHANGES) == set(PARTS)
    aside = {"threads", "device", "log_every", "evaluate_every", "checkpoint_every"}
    assert set(RunConfig.model_fields) - set(CHANGES) == aside
    for count in (1, 2, 3, 4, len(CHANGES)):
        for names in combinations(PARTS, count):
            said = headline(RunConfig(), changed(*names))
            assert len(said) <= 70, said
            assert count > 3 or all(PARTS[name] in said.replace("The ", "the ") for name in names), said


def test_cadences_and_threads_are_no_difference() -> None:
    assert "No setting differs" in headline(RunConfig(), RunConfig(threads=2, log_every=1, device="cpu"))
