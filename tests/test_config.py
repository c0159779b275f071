"""RunConfig: every preset survives JSON, every bad input is one sentence, and a run's calendar keeps its promise."""

from __future__ import annotations

import itertools
import json
import math
from typing import get_args

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from vae_core.config import PARAMETER_BUDGET, Cosine, Decay, NoDecay, RunConfig, StepDecay, parse_config, revise
from vae_core.datasets import Digits, LinearGaussian, Mnist
from vae_core.likelihoods import Bernoulli, Gaussian
from vae_core.nets import Conv, Mlp
from vae_core.objectives import Iwae
from vae_core.presets import PRESETS, preset
from vae_core.schedules import Constant, Piecewise, Warmup
from vae_core.spec import InputError, Variant

DECAYS: tuple[type[Variant], ...] = get_args(get_args(Decay)[0])
presets = pytest.mark.parametrize("name", PRESETS)
LENGTHS = [300, 1500, 4000, 9360, 10**6]
lengths = pytest.mark.parametrize("steps", LENGTHS)


def refusal(text: str | bytes) -> str:
    """The one sentence that refuses a config."""
    with pytest.raises(InputError) as error:
        parse_config(text)
    sentence = str(error.value)
    assert len(sentence.splitlines()) == 1
    assert "pydantic" not in sentence.lower()
    assert "http" not in sentence
    assert len(sentence) < 400
    return sentence


@presets
def test_every_preset_survives_json(name: str) -> None:
    config = PRESETS[name].config
    again = parse_config(config.model_dump_json())
    assert again == config
    assert hash(again) == hash(config)
    assert again.model_dump_json() == config.model_dump_json()


@presets
def test_every_preset_is_within_bounds_and_says_what_to_expect(name: str) -> None:
    chosen = preset(name)
    chosen.config.check()
    assert chosen.name == name
    assert chosen.title
    assert chosen.prediction.endswith(".")


@presets
def test_parameters_are_counted_without_building(name: str) -> None:
    config = PRESETS[name].config
    assert config.parameters() == sum(p.numel() for p in config.build().parameters())


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="digits-annealed"):
        preset("digits-anealed")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"learning_rate": NaN}', "learning_rate"),
        ('{"learning_rate": Infinity}', "learning_rate"),
        ('{"learning_rate": -Infinity}', "learning_rate"),
        ('{"learning_rate": 1e999}', "learning_rate"),
        ('{"learning_rate": 0}', "learning_rate"),
        ('{"learning_rate": 1.01}', "learning_rate"),
        ('{"beta": {"kind": "constant", "value": -1}}', "beta.value"),
        ('{"beta": {"kind": "constant", "value": NaN}}', "beta.value"),
        ('{"beta": {"kind": "warmup", "steps": 0}}', "beta.steps"),
        ('{"beta": {"kind": "linear"}}', "beta"),
        ('{"beta": {}}', "beta"),
        ('{"beta": 1}', "beta"),
        ('{"beta": {"kind": "piecewise", "points": [[3, 1], [2, 1]]}}', "beta"),
        ('{"latent": true}', "latent"),
        ('{"latent": 1000000000}', "latent"),
        ('{"latent": 0}', "latent"),
        ('{"latent": 10.5}', "latent"),
        ('{"latent": "10"}', "latent"),
        ('{"latent": null}', "latent"),
        ('{"steps": 1e7}', "steps"),
        ('{"steps": 10000001}', "steps"),
        ('{"seed": -1}', "seed"),
        ('{"seed": 2147483648}', "seed"),
        ('{"batch": -1}', "batch"),
        ('{"threads": 0}', "threads"),
        ('{"device": "tpu"}', "device"),
        ('{"log_every": 0}', "log_every"),
        ('{"evaluate_every": 0}', "evaluate_every"),
        ('{"checkpoint_every": 0}', "checkpoint_every"),
        ('{"net": {"kind": "mlp", "widths": [64, 0]}}', "net.widths.1"),
        ('{"net": {"kind": "mlp", "activation": "swish"}}', "net.activation"),
        ('{"likelihood": {"kind": "gaussian", "sigma": 0}}', "likelihood.sigma"),
        ('{"objective": {"kind": "free-bits", "nats": 99}}', "objective.nats"),
        ('{"decay": {"kind": "cosine", "final": 2}}', "decay.final"),
        ('{"dataset": {"kind": "linear-gaussian", "observed": 5}}', "dataset"),
        ('{"dataset": {"kind": "imagenet"}}', "dataset"),
        ('{"unknown": 1}', "unknown"),
        ('{"beta": {"kind": "constant", "unknown": 1}}', "beta.unknown"),
        ("nonsense", "the document"),
        ("", "the document"),
        ("[]", "the document"),
        ("null", "the document"),
        ('{"latent": 1', "the document"),
        (b"\xff\xfe", "the document"),
        ("[" * 100_000, "the document"),
        (f'{{"latent": {"9" * 5000}}}', ""),
    ],
    ids=lambda part: str(part)[:50],
)
def test_every_bad_input_is_one_sentence_that_names_the_field(text: str | bytes, field: str) -> None:
    assert refusal(text).removeprefix("there is no field ").startswith(field)


@pytest.mark.parametrize(
    "text",
    [
        r'{"line\nbreak": 1}',
        r'{"beta": {"kind": "line\nbreak"}}',
        r'{"beta": {"kind": "constant", "line\u2028break": 1}}',
        json.dumps({"k" * 5000: 1}),
        json.dumps({"beta": {"kind": "k" * 5000}}),
    ],
    ids=lambda text: text[:40],
)
def test_names_that_are_long_or_broken_still_make_one_short_sentence(text: str) -> None:
    refusal(text)


def test_the_budget_counts_every_parameter() -> None:
    wide = Mlp(widths=(4096,) * 8)
    config = RunConfig(latent=4096, net=wide)
    sentence = refusal(config.model_dump_json())
    assert f"{config.parameters():,}" in sentence
    assert f"{PARAMETER_BUDGET:,}" in sentence


@pytest.mark.parametrize(("batch", "samples"), [(64, 200), (500, 200), (0, 1)])
def test_as_many_codes_as_a_large_batch_has_are_decoded_in_an_update(batch: int, samples: int) -> None:
    RunConfig(dataset=Mnist(), batch=batch, objective=Iwae(samples=samples)).check()


@pytest.mark.parametrize(("batch", "samples", "codes"), [(0, 2, "120,000"), (501, 200, "100,200")])
def test_more_codes_than_that_are_refused(batch: int, samples: int, codes: str) -> None:
    config = RunConfig(dataset=Mnist(), batch=batch, objective=Iwae(samples=samples))
    with pytest.raises(InputError, match=f"would decode {codes} codes; the limit is 100,000; use fewer samples"):
        config.check()


def test_a_net_that_does_not_fit_the_images_is_refused() -> None:
    config = RunConfig(net=Conv(), dataset=LinearGaussian(observed=25))
    assert "divisible by 4" in refusal(config.model_dump_json())


@lengths
def test_evaluations_are_dense_early_and_then_regular(steps: int) -> None:
    when = RunConfig(steps=steps).evaluations()
    assert (when[0], when[-1]) == (0, steps)
    assert all(before < after for before, after in itertools.pairwise(when))
    assert 35 <= len(when) <= 60
    assert {0, 1, 2, 4, 8, 16} <= set(when)
    assert sum(step <= steps // 25 for step in when) >= 10
    assert all(after - before <= steps // 25 for before, after in itertools.pairwise(when))


@lengths
def test_snapshots_are_every_second_evaluation_and_the_last(steps: int) -> None:
    config = RunConfig(steps=steps)
    kept = config.snapshots()
    assert 18 <= len(kept) <= 32
    assert set(kept) <= set(config.evaluations())
    assert (kept[0], kept[-1]) == (0, steps)
    assert list(kept) == sorted(set(kept))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 29, 31, 100])
@pytest.mark.parametrize("every", [None, 1, 4, 10**9])
def test_short_runs_have_a_calendar_too(steps: int, every: int | None) -> None:
    config = RunConfig(steps=steps, **({"evaluate_every": every} if every else {}))
    when = config.evaluations()
    assert (when[0], when[-1]) == (0, steps)
    assert list(when) == sorted(set(when))
    assert when[0] in config.snapshots()
    assert when[-1] in config.snapshots()


@lengths
def test_rows_are_dense_early_and_then_regular(steps: int) -> None:
    config = RunConfig(steps=steps)
    assert all(config.logs(step) for step in range(50))
    logged = {step for step in range(50, min(steps, 20_000)) if config.logs(step)}
    every = config.log_every
    assert logged == {s for s in range(50, min(steps, 20_000)) if s % every == 0 or (s < 200 and s % 5 == 0)}


def test_cadences_follow_the_length_and_threads_the_data() -> None:
    config = RunConfig(steps=1500)
    assert (config.log_every, config.evaluate_every, config.checkpoint_every, config.threads) == (15, 60, 150, 1)
    assert RunConfig(steps=1).checkpoint_every == 1
    assert RunConfig(dataset=Mnist()).threads == 2
    assert RunConfig(steps=1500, log_every=7).log_every == 7


@pytest.mark.parametrize("decay", [variant.model_validate({}) for variant in DECAYS], ids=lambda d: d.kind)
def test_every_decay_starts_at_the_learning_rate_and_never_rises(decay: Decay) -> None:
    assert TypeAdapter(Decay).validate_json(decay.model_dump_json()) == decay
    config = RunConfig(steps=200, learning_rate=0.01, decay=decay)
    rates = [config.rate(step) for step in range(200)]
    assert rates[0] == 0.01
    assert all(0 < after <= before for before, after in itertools.pairwise(rates))


def test_the_decays_have_their_known_values() -> None:
    assert [NoDecay()(share) for share in (0.0, 0.5, 1.0)] == [1, 1, 1]
    assert [Cosine(final=0.02)(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.51, 0.02], abs=1e-15)
    steps = StepDecay(at=(0.5, 0.9), factors=(0.3, 0.1))
    assert [steps(share) for share in (0.0, 0.499, 0.5, 0.899, 0.9, 1.0)] == [1, 1, 0.3, 0.3, 0.1, 0.1]


@pytest.mark.parametrize(
    "wrong",
    [
        '{"kind": "exponential"}',
        '{"kind": "cosine", "final": -0.1}',
        '{"kind": "steps", "at": []}',
        '{"kind": "steps", "at": [0]}',
        '{"kind": "steps", "at": [1]}',
        '{"kind": "steps", "factors": [0]}',
        '{"kind": "steps", "at": [0.7], "factors": [0.5, 0.1]}',
        '{"kind": "steps", "at": [0.9, 0.7]}',
    ],
)
def test_wrong_decays_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Decay).validate_json(wrong)


def test_the_seed_decides_the_weights_and_nothing_else_is_touched() -> None:
    before = torch.get_rng_state()
    first, again = (RunConfig(seed=3).build() for _ in range(2))
    other = RunConfig(seed=4).build()
    assert torch.equal(torch.get_rng_state(), before)
    states = [torch.cat([p.flatten() for p in vae.parameters()]) for vae in (first, again, other)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_a_built_model_starts_at_the_mean_image_if_its_net_says_so() -> None:
    images = torch.full((4, 1, 8, 8), 4, dtype=torch.uint8)
    for start in (True, False):
        vae = RunConfig(net=Mlp(start_at_mean=start)).build(images)
        expected = math.log(0.25 / 0.75) if start else 0.0
        assert vae.decoder[-1].bias.tolist() == pytest.approx([expected] * 64, rel=1e-5)


def test_notes_name_what_is_probably_not_meant() -> None:
    assert RunConfig().notes() == []
    assert "β ends at 0.50" in RunConfig(steps=501, beta=Warmup(steps=1000)).notes()[0]
    assert "no ln p(x)" in RunConfig(likelihood=Bernoulli(binarise="never")).notes()[0]
    assert "1,500" in RunConfig(batch=1501).notes()[0]
    assert RunConfig(batch=1500, beta=Constant(value=4.0), likelihood=Gaussian()).notes() == []


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().latent = 3


def test_settings_change_a_config_at_any_depth() -> None:
    config = RunConfig(beta=Warmup(steps=10))
    changed = revise(config, ["beta.steps=750", "latent=3", "net.widths=[8, 4]", "device=cpu"])
    assert changed.beta == Warmup(steps=750)
    assert changed.net == Mlp(widths=(8, 4))
    assert (changed.latent, changed.device) == (3, "cpu")
    assert revise(config, []) == config


def test_a_changed_kind_starts_from_its_defaults_in_any_order() -> None:
    config = RunConfig(net=Mlp(gain=0.5))
    for settings in (["beta.steps=9", "beta.kind=warmup"], ["beta.kind=warmup", "beta.steps=9"]):
        assert revise(config, settings).beta == Warmup(steps=9)
    assert revise(config, ["net.kind=conv"]).net == Conv()
    assert revise(config, ["net.kind=mlp"]).net == Mlp(gain=0.5)
    points = revise(config, ["beta.kind=piecewise", "beta.points=[[0, 0], [9, 1]]"]).beta
    assert points == Piecewise(points=((0, 0.0), (9, 1.0)))


def test_derived_fields_follow_unless_they_were_given() -> None:
    assert revise(RunConfig(), ["steps=3000"]).log_every == 30
    assert revise(RunConfig(log_every=7), ["steps=3000"]).log_every == 7
    assert revise(RunConfig(), ["dataset.kind=mnist"]).threads == 2
    assert revise(RunConfig(dataset=Mnist()), ["dataset.kind=digits"]).dataset == Digits()


@pytest.mark.parametrize(
    "setting",
    [
        "latent",
        "=3",
        "latent.x=3",
        "a.b=1",
        "latent=0",
        "latent=NaN",
        "latent=abc",
        "kind=x",
        "beta.kind=3",
        "beta..x=1",
    ],
)
def test_a_wrong_setting_is_one_sentence(setting: str) -> None:
    with pytest.raises(InputError) as error:
        revise(RunConfig(), [setting])
    assert len(str(error.value).splitlines()) == 1


def test_a_setting_nested_without_end_is_refused() -> None:
    with pytest.raises(InputError):
        revise(RunConfig(), ["beta=" + "[" * 100_000])
