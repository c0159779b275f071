"""The gradients of a VAE's encoder and decoder, measured: against plain backward passes, and by their laws."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from vae_core.gradients import EncoderGradient, Estimator, affordable, decoder_gradient, encoder_gradient
from vae_core.gradients import encoder as encoders
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian, Likelihood
from vae_core.nets import Conv, Linear, Mlp, Net
from vae_core.presets import preset
from vae_core.spec import InputError, Shape
from vae_core.training import fit
from vae_core.vae import VAE

LIKELIHOODS: list[Likelihood] = [Bernoulli(), Binomial(), ContinuousBernoulli(), Gaussian(noise="learned")]
DIGIT = Shape(1, 8, 8, 16)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(likelihood: Likelihood, net: Net | None = None, latent: int = 3) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VAE(net or Mlp(widths=(12,), activation="tanh"), likelihood, DIGIT, latent).eval()


def batch(vae: VAE, count: int = 8) -> Tensor:
    return vae.prepare(torch.randint(0, 17, (count, 1, 8, 8), dtype=torch.uint8, generator=seeded()), seeded())


def brute(vae: VAE, x: Tensor, repeats: int) -> tuple[float, float, float]:
    """By plain backward passes: the norm of the ELBO's gradient, and the total variances, pathwise and score."""
    parameters = list(vae.encoder.parameters())
    rows: dict[str, list[Tensor]] = {"path": [], "score": [], "price": []}
    for seed in range(repeats):
        q = vae.encode(x)
        z = q.sample(seeded(seed))
        log_q, value = q.log_prob(z.detach()), vae.likelihood.log_prob(vae.decode(z), x)
        goals = {"path": value.mean(), "score": (value.detach() * log_q).mean(), "price": -q.kl().sum() / len(x)}
        for name, goal in goals.items():
            found = torch.autograd.grad(goal, parameters, retain_graph=True, materialize_grads=True)
            rows[name].append(torch.cat([part.flatten() for part in found]))
    table = {name: torch.stack(parts).double() for name, parts in rows.items()}
    mean = (table["path"] + table["price"]).mean(0)
    variances = [float(table[name].var(0).sum()) for name in ("path", "score")]
    return math.sqrt(float(mean.square().sum()) - variances[0] / repeats), variances[0], variances[1]


@pytest.mark.parametrize(
    "net", [Mlp(widths=(12,), activation="tanh"), Linear(), Conv(channels=(2, 3))], ids=lambda n: n.kind
)
def test_the_encoder_is_measured_as_plain_backward_passes_measure_it(net: Net) -> None:
    vae = model(Bernoulli(), net)
    x = batch(vae)
    found = encoder_gradient(vae, x, 800, 100, seeded())
    norm, path, score = brute(vae, x, 300)
    assert found.norm == pytest.approx(norm, rel=0.1)
    assert found.row("pathwise", 1).variance == pytest.approx(path, rel=0.3)
    assert found.row("score", 1).variance == pytest.approx(score, rel=0.3)
    assert found.parameters == sum(part.numel() for part in vae.encoder.parameters())


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda value: value.kind)
def test_every_likelihood_is_measured_and_no_estimator_is_biased(likelihood: Likelihood) -> None:
    vae = model(likelihood)
    found = encoder_gradient(vae, batch(vae, 16), 1000, 100, seeded())
    assert len(found.rows) == 15
    for row in found.rows:
        assert row.repeats * row.samples == 1000 == found.codes
        error = float(row.along.std()) / math.sqrt(row.repeats)
        assert abs(float(row.along.mean()) - 1) < 4.5 * error + 1e-4
        # One-sided: what is biased lies far above one; few directions may carry most of the variance.
        assert row.bias is None or row.bias < 5
    for name in ("pathwise", "score"):
        ratio = found.row(name, 1).variance / found.row(name, 10).variance  # type: ignore[arg-type]
        assert ratio == pytest.approx(10, rel=0.5)


def ratios(found: EncoderGradient) -> list[float]:
    """Variances over that of the path with as many codes: score, batch mean as the baseline, leave-one-out of ten."""
    asked: list[tuple[Estimator, int]] = [("score", 1), ("baseline", 1), ("leave-one-out", 10)]
    return [found.row(name, s).variance / found.row("pathwise", s).variance for name, s in asked]


def test_a_model_of_digits_has_the_known_order_of_noises() -> None:
    given = preset("digits-annealed").config
    config = given.model_copy(update={"latent": 5, "net": Mlp(widths=(64, 64), activation="tanh")})
    train, test = config.dataset.load()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = config.build(train.images)
    x = vae.prepare(test.images[:64], seeded(99))
    score, baseline, left_out = ratios(encoder_gradient(vae.eval(), x, 1000, 64, seeded()))
    assert 1000 < score < 100_000  # 11,300 was measured for a net like this one, 259 and 29 for the others
    assert 25 < baseline < 2600
    assert 3 < left_out < 290
    for _ in zip(fit(vae.train(), train.images, config), range(300), strict=False):
        pass
    trained = ratios(encoder_gradient(vae.eval(), x, 1000, 64, seeded()))
    assert trained == sorted(trained, reverse=True)
    assert trained[-1] > 2


def test_the_same_seed_measures_the_same() -> None:
    vae = model(Bernoulli())
    one, other = (encoder_gradient(vae, batch(vae), 40, 5, seeded()) for _ in range(2))
    assert [row.variance for row in one.rows] == [row.variance for row in other.rows]
    draws = [decoder_gradient(vae, batch(vae), 100, seeded()) for _ in range(2)]
    assert draws[0] == draws[1]
    assert all(parameter.grad is None for parameter in vae.parameters())


def test_few_numbers_are_held_at_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 20 <= encoders.HELD // (64 * 2 * 4096) < 200  # of the most latents, the fewest codes that are asked for
    vae = model(Bernoulli(), latent=40)
    x, sizes, draw = batch(vae), [], torch.randn

    def noted(*shape: Any, **options: Any) -> Tensor:
        sizes.append(draw(*shape, **options))
        return sizes[-1]

    a_code = 8 * 2 * 40
    monkeypatch.setattr(encoders, "HELD", 57 * a_code)
    monkeypatch.setattr(encoders, "AT_ONCE", 29 * a_code)
    monkeypatch.setattr(encoders, "DRAWN", 1)
    monkeypatch.setattr(torch, "randn", noted)
    found = encoder_gradient(vae, x, 200, 3, seeded())
    assert found.codes == 50
    assert [tuple(size.shape) for size in sizes] == [(20, 8, 40), (20, 8, 40), (10, 8, 40)] + 3 * [
        (1, found.parameters)
    ]


def test_codes_in_small_parts_measure_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = model(Bernoulli(), latent=4)
    whole = encoder_gradient(vae, batch(vae), 100, 20, seeded())
    monkeypatch.setattr(encoders, "AT_ONCE", 1)
    parts = encoder_gradient(vae, batch(vae), 100, 20, seeded())
    assert parts.norm == pytest.approx(whole.norm, rel=1e-5)
    for one, other in zip(parts.rows, whole.rows, strict=True):
        assert one.variance == pytest.approx(other.variance, rel=1e-4)
        assert one.bias == (None if other.bias is None else pytest.approx(other.bias, rel=1e-3))
        torch.testing.assert_close(one.along, other.along, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda value: value.kind)
def test_the_decoder_s_variance_falls_as_one_over_the_codes(likelihood: Likelihood) -> None:
    vae = model(likelihood)
    found = decoder_gradient(vae, batch(vae), 600, seeded())
    scaled = [variance * samples for samples, variance in zip(found.samples, found.variance, strict=True)]
    assert scaled == pytest.approx([scaled[0]] * 5, rel=0.6)
    assert found.parameters >= sum(part.numel() for part in vae.decoder.parameters())


def test_a_decoder_that_hears_nothing_has_no_noise() -> None:
    vae = model(Bernoulli(), Linear())
    torch.nn.init.zeros_(vae.decoder[0].weight)  # type: ignore[index]
    x = batch(vae)
    found = encoder_gradient(vae, x, 20, 4, seeded())
    assert found.row("pathwise", 1).variance == 0
    assert found.row("leave-one-out", 10).variance < 1e-6 < found.row("score", 1).variance


def test_too_few_of_anything_is_one_sentence() -> None:
    vae = model(Bernoulli())
    for codes, images, directions in ((19, 8, 4), (20, 1, 4), (20, 8, 0)):
        with pytest.raises(InputError, match="at least 20"):
            encoder_gradient(vae, batch(vae, images), codes, directions)
    with pytest.raises(InputError, match="at least 100"):
        decoder_gradient(vae, batch(vae), 99)
    for parameter in vae.parameters():
        parameter.requires_grad_(False)
    for measure in (encoder_gradient, decoder_gradient):
        with pytest.raises(InputError, match="no gradient"):
            measure(vae, batch(vae))


@pytest.mark.parametrize("net", [Mlp(widths=(12,)), Linear(), Conv(channels=(2, 3))], ids=lambda n: n.kind)
def test_larger_networks_afford_fewer_codes(net: Net) -> None:
    vae = model(Bernoulli(), net)
    counts = [affordable(vae, images, 100, 10**9) for images in (64, 128)]
    assert counts[0] == pytest.approx(2 * counts[1], abs=100)
    assert counts[0] % 50 == 0
    assert affordable(vae, 64, 100, 1000) == 1000
    assert affordable(vae, 10**12, 100, 1000) == 100


@pytest.mark.parametrize("net", [Mlp(widths=(12,)), Conv(channels=(2, 3))], ids=lambda n: n.kind)
def test_others_may_decode_while_it_is_counted(net: Net) -> None:
    vae = model(Bernoulli(), net)
    alone, calls = affordable(vae, 64, 0, 10**9), []

    def meanwhile(*_: Any) -> None:
        calls.append(None)
        if len(calls) == 1:
            vae.decode(torch.zeros(7, 3))

    with vae.decoder.register_forward_pre_hook(meanwhile):
        assert affordable(vae, 64, 0, 10**9) == alone
    assert len(calls) == 2
