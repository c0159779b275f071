"""Making a report: the model of a step is looked at once, and its log is read up to there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from vae_core import diagnostics
from vae_core.config import OpenedConfig, RunConfig
from vae_core.datasets import Dataset
from vae_core.diagnostics import PAIRS, Encoded, broken_bounds, encode
from vae_core.elsewhere import Unknown
from vae_core.gaussian import DiagonalGaussian
from vae_core.history import History, Point, baseline
from vae_core.likelihoods import Gaussian, Likelihood
from vae_core.opened import Opened
from vae_core.records import Record, number
from vae_core.report.values import Codes, Listening, Past, Price, Report
from vae_core.runs import LIVE, Run

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
THRESHOLDS = tuple(10 ** (exponent / 10) for exponent in range(-40, 11))  # 0.0001 to 10, ten a decade
SAMPLE = 5000  # training images that the eigenvalues are taken of


def report(run: Run, step: int | None = None) -> Report:
    """Every diagnostic of the run, with the newest weights at or before `step` (None: the newest of all).

    Costs about a tenth of a second for MNIST, of which the networks take most. InputError where there are no weights
    at that step or the images are not on this computer.
    """
    config = run.config
    at, e = _encoded(run, step)
    rows = run.rows()
    opened = isinstance(config, OpenedConfig)
    live = not opened and (run.state in LIVE or any(row["step"] > at for row in rows))
    past = _past([row for row in rows if row["step"] <= at] if live else rows)
    codes, reconstruction = _codes(e), _reconstruction(e, config)
    known = baseline([row for row in rows if row["split"] == "test"])
    return Report(
        run=run.name,
        step=at,
        steps=config.steps,
        live=live,
        opened=opened,
        count=len(e.images),
        kl=sum(codes.kl),
        elbo=None if reconstruction is None else reconstruction - sum(codes.kl),
        reconstruction=reconstruction,
        baseline=known if math.isfinite(known) else None,
        codes=codes,
        listening=_listening_opened(e, config) if isinstance(config, OpenedConfig) else _listening(e, config),
        price=_price(e, config, past.beta),
        past=past,
        faults=_faults(codes),
    )


def _faults(codes: Codes) -> list[str]:
    return broken_bounds(
        kl_per_dimension=codes.kl,
        mutual_information=codes.mutual_information,
        ceiling=codes.mutual_information_ceiling,
        error=codes.mutual_information_error,
    )


def _encoded(run: Run, step: int | None) -> tuple[int, Encoded]:
    """The test images as evaluation sees them, with this model's codes; of an opened run the codes as given."""
    opened = Opened.of(run)
    if opened is None:
        at, vae = run.model(step)
        _, test = run.config.dataset.load()
        images = vae.likelihood.once(test.images[:PAIRS], test.top)
        return at, encode(vae, images)
    vae, q, images = opened.vae(), opened.posterior(), opened.images()
    places = torch.linspace(0, len(q.mean) - 1, min(PAIRS, len(q.mean))).round().long()
    x = torch.zeros(len(places), 1, 1, 1) if images is None else vae.prepare(images[places])
    return 0, Encoded(DiagonalGaussian(q.mean[places], q.logvar[places]), x, vae)


def _codes(e: Encoded) -> Codes:
    regime, information = diagnostics.polarised_regime(e), diagnostics.mutual_information_bracket(e)
    kl, thresholds = diagnostics.kl_per_dimension(e).tolist(), torch.tensor(THRESHOLDS)
    return Codes(
        kl=kl,
        kl_levels=[*LEVELS],
        kl_quantiles=diagnostics.kl_quantiles(e, torch.tensor(LEVELS)).tolist(),
        variance=regime.variance.tolist(),
        noise=regime.noise.tolist(),
        sigma=diagnostics.sigma_per_dimension(e).tolist(),
        regime=regime.names,
        active_units=int(diagnostics.active_units(e)),
        thresholds=[*THRESHOLDS],
        active_units_curve=diagnostics.active_units_curve(e, thresholds).tolist(),
        collapsed_fraction=float(diagnostics.collapsed_fraction(e)),
        collapsed_curve=diagnostics.collapsed_curve(e, thresholds).tolist(),
        mutual_information=information.low,
        mutual_information_high=information.high,
        mutual_information_error=information.error,
        mutual_information_ceiling=diagnostics.mutual_information_ceiling(e),
        marginal_kl=sum(kl) - information.low,
    )


def _reconstruction(e: Encoded, config: RunConfig) -> float | None:
    """The mean of ln p(x|z), where there is a decoder, images, and a likelihood that was told."""
    return float(diagnostics.elbo(e).log_likelihood.mean()) if _decodes(e, config) else None


def _decodes(e: Encoded, config: RunConfig) -> bool:
    if not isinstance(config, OpenedConfig):
        return True
    return config.net.decoder and not isinstance(config.likelihood, Unknown) and e.images.shape[1:] == e.vae.shape[:3]


def _listening(e: Encoded, config: RunConfig) -> Listening:
    start = config.build().eval().decoder
    return Listening(
        shuffle_cost=float(diagnostics.shuffle_cost(e)),
        zeroing_cost=diagnostics.zeroing_cost(e).tolist(),
        response=diagnostics.decoder_responses(e, e.vae.decoder).tolist(),
        first_response=diagnostics.decoder_responses(e, start).tolist(),
        silent=diagnostics.silent_units(e, start).tolist(),
        dead=diagnostics.dead_units(e).tolist(),
        dead_encoder=diagnostics.dead_units(e, "encoder").tolist(),
        encoder_signal=float(diagnostics.encoder_signal(e)),
    )


def _listening_opened(e: Encoded, config: OpenedConfig) -> Listening:
    """As far as a file that nobody trained here lets itself be asked."""
    known = _decodes(e, config)
    return Listening(
        shuffle_cost=float(diagnostics.shuffle_cost(e)) if known else None,
        zeroing_cost=diagnostics.zeroing_cost(e).tolist() if known else [],
        response=diagnostics.decoder_responses(e, e.vae.decoder).tolist() if config.net.decoder else [],
        first_response=[], silent=[], dead=[], dead_encoder=[], encoder_signal=None,
    )  # fmt: skip


def _price(e: Encoded, config: RunConfig, beta: float) -> Price | None:
    if isinstance(config, OpenedConfig) or beta <= 0:
        return None
    eigenvalues = _eigenvalues(Problem(config.dataset, _unit(config.likelihood)))
    sigma_squared = diagnostics.noise_variance(e)
    noise = 1.0 if sigma_squared is None else sigma_squared
    worth = diagnostics.worth_of_a_code(eigenvalues, beta, noise)
    return Price(float(eigenvalues[0]), beta * noise, worth, sigma_squared)


@dataclass(frozen=True)
class Problem:
    """What the eigenvalues of the data depend on."""

    dataset: Dataset
    likelihood: Likelihood


def _unit(likelihood: Likelihood) -> Likelihood:
    """Without σ, which the eigenvalues do not depend on."""
    return Gaussian() if isinstance(likelihood, Gaussian) else likelihood


@lru_cache(maxsize=16)
def _eigenvalues(problem: Problem) -> Tensor:
    train, _ = problem.dataset.load()
    images = problem.likelihood.once(train.images[:SAMPLE], train.top)
    return diagnostics.data_eigenvalues(problem.likelihood, images, train.top)


def _past(rows: Sequence[Record]) -> Past:
    tests = [row for row in rows if row["split"] == "test"]
    points = [Point.of(row) for row in tests]
    batches = [row for row in rows if row["split"] == "train"]
    whole = History.of(points, baseline(tests), "running")
    newest, first = (batches[place] if batches else {} for place in (-1, 0))
    trained = whole.trained if whole.points else ()
    betas = [point.beta for point in trained[-1:]] + [number(row["beta"]) for row in batches[-1:]]
    highest = max((point.beta for point in trained), default=max(betas, default=1.0))
    silent = whole.silent_since
    return Past(
        beta=max(betas, default=1.0),
        highest=max(highest, *betas) if betas else highest,
        full=next((point.step for point in trained if point.beta >= 0.9 * highest), 0),
        collapsed_since=silent.step if silent else None,
        used=bool(trained and whole.used),
        broken=None if points and all(row.get("elbo") is None for row in tests) else whole.broken,
        rise=_rise(trained),
        gradient_norm_encoder=_norm(newest, "encoder"),
        gradient_norm_decoder=_norm(newest, "decoder"),
        first_gradient_norm_encoder=_norm(first, "encoder"),
    )


def _rise(trained: Sequence[Point]) -> float:
    """Nats that the ELBO gained over the last third of the rows' steps."""
    earlier = [point for point in trained if point.step <= 2 / 3 * trained[-1].step]
    return trained[-1].elbo - earlier[-1].elbo if earlier else 0.0


def _norm(row: Record, part: str) -> float | None:
    value = number(row.get(f"gradient_norm_{part}"))
    return value if math.isfinite(value) else None
