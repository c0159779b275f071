"""The loop: the same config gives the same numbers, whole or in parts, and every image its turn."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.optim import Adam

from vae_core.checkpoints import newest_state, restore, save_checkpoint
from vae_core.config import Cosine, Decay, RunConfig, StepDecay
from vae_core.datasets import Digits, LinearGaussian
from vae_core.diagnostics import encode
from vae_core.evaluation import evaluate
from vae_core.likelihoods import Bernoulli, Binomial, ContinuousBernoulli, Gaussian
from vae_core.nets import Conv, Linear, Mlp
from vae_core.objectives import FreeBits, Iwae, Objective, OfTerms, Plain
from vae_core.oracle import ppca_optimum
from vae_core.schedules import Constant, Warmup
from vae_core.spec import Split
from vae_core.training.fit import Batches, Step, adam, fit, seed_of, train_step
from vae_core.vae import VAE

DATA = LinearGaussian(size=100)
IMAGES = DATA.load()[0].images[:50]
EPOCH = 3  # updates an epoch: 50 images in batches of 16
CONFIG = RunConfig(
    dataset=DATA, net=Mlp(widths=(8,), activation="tanh"), latent=2, steps=12, batch=16, beta=Warmup(steps=8)
)
LIKELIHOODS = [Bernoulli(), Bernoulli(binarise="fixed"), Binomial(), ContinuousBernoulli()]
LIKELIHOODS += [Gaussian(noise=noise) for noise in ("fixed", "learned", "optimal")]
CONFIGS = [CONFIG.model_copy(update={"likelihood": likelihood}) for likelihood in LIKELIHOODS]
CONFIGS += [CONFIG.model_copy(update={"net": net}) for net in (Linear(), Conv(channels=(2, 3)))]
CONFIGS += [CONFIG.model_copy(update={"batch": 0}), CONFIG.model_copy(update={"decay": Cosine()})]
OBJECTIVES = [FreeBits(), Iwae(samples=3), Iwae(samples=3, sticking_the_landing=True)]
CONFIGS += [CONFIG.model_copy(update={"objective": objective}) for objective in OBJECTIVES]
every = pytest.mark.parametrize("config", CONFIGS, ids=[str(index) for index in range(len(CONFIGS))])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other at every small operation when the machine is busy (restored for all tests)."""
    torch.set_num_threads(1)


def changed(**changes: object) -> RunConfig:
    return CONFIG.model_copy(update=changes)


def trained(config: RunConfig, images: Tensor = IMAGES) -> tuple[list[Step], VAE]:
    vae = config.build(images)
    return list(fit(vae, images, config)), vae


def losses(steps: list[Step]) -> list[float]:
    return [float(step.loss) for step in steps]


def same(first: VAE, second: VAE) -> bool:
    other = second.state_dict()
    return all(torch.equal(tensor, other[name]) for name, tensor in first.state_dict().items())


@every
def test_the_same_config_gives_the_same_numbers(config: RunConfig) -> None:
    first, second = trained(config), trained(config)
    assert losses(first[0]) == losses(second[0])
    assert same(first[1], second[1])


@every
def test_training_touches_no_global_generator(config: RunConfig) -> None:
    before = torch.get_rng_state()
    trained(config)
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_another_seed_gives_other_numbers(config: RunConfig) -> None:
    other = config.model_copy(update={"seed": 1})
    assert losses(trained(config)[0])[0] != losses(trained(other)[0])[0]


@every
def test_seed_decides_noise_and_not_only_weights(config: RunConfig) -> None:
    vae, twin = config.build(IMAGES), config.build(IMAGES)
    first = next(fit(vae, IMAGES, config)).loss
    second = next(fit(twin, IMAGES, config.model_copy(update={"seed": 1}))).loss
    assert first != second


@pytest.mark.parametrize("stop", [0, 1, EPOCH, EPOCH + 1, 2 * EPOCH, 11])
@every
def test_training_in_two_parts_is_training_as_a_whole(tmp_path: Path, config: RunConfig, stop: int) -> None:
    whole, expected = trained(config)
    vae = config.build(IMAGES)
    optimiser = adam(vae, config)
    first = list(itertools.islice(fit(vae, IMAGES, config, optimiser=optimiser), stop))
    save_checkpoint(tmp_path / "checkpoints", stop, vae, optimiser)
    again = config.model_copy(update={"seed": 5}).build(IMAGES)
    fresh = adam(again, config)
    state = newest_state(tmp_path / "checkpoints")
    assert state
    restore(state, again, fresh)
    rest = list(fit(again, IMAGES, config, optimiser=fresh, start=state.step))
    assert losses(first + rest) == losses(whole)
    assert [step.index for step in first + rest] == list(range(12))
    assert same(again, expected)


def test_without_its_moments_the_optimiser_goes_another_way(tmp_path: Path) -> None:
    whole, _ = trained(CONFIG)
    vae = CONFIG.build(IMAGES)
    list(itertools.islice(fit(vae, IMAGES, CONFIG), 6))
    rest = list(fit(vae, IMAGES, CONFIG, start=6))
    assert float(rest[0].loss) == float(whole[6].loss)
    assert losses(rest[1:]) != losses(whole[7:])


@every
def test_looking_at_a_model_while_it_trains_changes_nothing(config: RunConfig) -> None:
    whole, expected = trained(config)
    vae, found = config.build(IMAGES), []
    for step in fit(vae, IMAGES, config):
        found.append(step)
        evaluate(vae, Split(IMAGES[:5]), samples=2)
        encode(vae, IMAGES[:5])
    assert losses(found) == losses(whole)
    assert same(vae, expected)


def test_beta_is_asked_at_every_step() -> None:
    asked: list[int] = []

    def beta(step: int) -> float:
        asked.append(step)
        return float(step == 4)

    vae = CONFIG.build(IMAGES)
    steps = list(fit(vae, IMAGES, CONFIG, beta=beta))
    assert asked == list(range(12))
    assert [step.beta for step in steps] == [float(step == 4) for step in range(12)]


def test_beta_can_change_between_two_steps() -> None:
    now = [0.0]
    steps = fit(CONFIG.build(IMAGES), IMAGES, CONFIG, beta=lambda step: now[0])
    assert next(steps).beta == 0
    now[0] = 0.5
    assert next(steps).beta == 0.5


def test_by_default_beta_is_the_configs() -> None:
    assert [step.beta for step in trained(CONFIG)[0]] == [CONFIG.beta(step) for step in range(12)]


@pytest.mark.parametrize("objective", [Plain(), FreeBits()])
def test_the_loss_is_the_objective_of_the_terms_that_are_yielded(objective: OfTerms) -> None:
    for step in trained(changed(objective=objective))[0]:
        torch.testing.assert_close(step.loss, objective(step.elbo, step.beta))


@pytest.mark.parametrize("objective", [Plain(), *OBJECTIVES])
def test_what_is_yielded_is_the_bound_of_the_batch_before_its_update(objective: Objective) -> None:
    config = changed(objective=objective, beta=Constant(value=0.7))
    steps, _ = trained(config)
    for step in steps:
        assert step.elbo.log_likelihood.shape == (16,)
        assert step.elbo.kl.shape == (16, 2)
        assert not step.elbo.kl.requires_grad
        assert not step.loss.requires_grad
    untrained, noise = config.build(IMAGES), first_noise()
    x = untrained.prepare(Batches(50, config, torch.device("cpu")).take(IMAGES, 0), noise)
    elbo, loss = objective.bound(untrained, x, 0.7, noise)
    torch.testing.assert_close(steps[0].elbo.log_likelihood, elbo.log_likelihood.detach())
    torch.testing.assert_close(steps[0].elbo.kl, elbo.kl.detach())
    torch.testing.assert_close(steps[0].loss, loss.detach())


def test_the_first_terms_are_of_the_untrained_model() -> None:
    config = changed(batch=0)
    vae, untrained = config.build(IMAGES), config.build(IMAGES)
    step = next(fit(vae, IMAGES, config))
    torch.testing.assert_close(step.elbo.kl, untrained.encode(untrained.prepare(IMAGES, first_noise())).kl().detach())


def first_noise() -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(CONFIG.seed, 1, 0))


DECAYS = [variant.model_validate({}) for variant in get_args(get_args(Decay)[0])]


@pytest.mark.parametrize("decay", [*DECAYS, StepDecay(at=(0.5,), factors=(0.1,))], ids=str)
def test_every_decay_is_applied_before_its_update(decay: Decay) -> None:
    config = changed(decay=decay)
    vae = config.build(IMAGES)
    optimiser = adam(vae, config)
    for step in fit(vae, IMAGES, config, optimiser=optimiser):
        assert optimiser.param_groups[0]["lr"] == config.rate(step.index)


def test_the_lean_adam_is_adam_to_the_bit() -> None:
    ours, theirs = CONFIG.build(IMAGES), CONFIG.build(IMAGES)
    lean, plain = adam(ours, CONFIG), Adam(theirs.parameters(), lr=CONFIG.learning_rate, fused=True)
    for step in range(8):
        if step == 5:  # it goes on from a saved state
            saved = copy.deepcopy(lean.state_dict())
            lean = adam(ours, CONFIG)
            lean.load_state_dict(saved)
        for vae, optimiser in ((ours, lean), (theirs, plain)):
            optimiser.zero_grad()
            vae.elbo(vae.prepare(IMAGES, first_noise()), first_noise()).loss(1.0).backward()
            optimiser.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
    mine, other = (optimiser.state_dict()["state"] for optimiser in (lean, plain))
    assert [*mine] == [*other]
    for number, slots in other.items():
        assert float(slots["step"]) == 8
        assert all(torch.equal(mine[number][name], slot) for name, slot in slots.items())


def test_no_step_without_a_learning_rate() -> None:
    config = changed(decay=Cosine(final=0.0))
    vae = config.build(IMAGES)
    before = [p.clone() for p in vae.parameters()]
    optimiser = adam(vae, config)
    optimiser.param_groups[0]["lr"] = 0.0
    train_step(vae, optimiser, Plain(), vae.prepare(IMAGES, first_noise()), 1.0, first_noise())
    assert all(torch.equal(*pair) for pair in zip(before, vae.parameters(), strict=True))
    next(fit(vae, IMAGES, config, optimiser=optimiser))
    assert not all(torch.equal(*pair) for pair in zip(before, vae.parameters(), strict=True))


def numbered(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)


@pytest.mark.parametrize(("count", "batch"), [(12, 4), (50, 16), (7, 1), (10, 9), (200, 64)])
def test_every_image_has_its_turn_once_an_epoch(count: int, batch: int) -> None:
    batches = Batches(count, changed(batch=batch), torch.device("cpu"))
    each = count // batch
    epochs = [
        torch.cat([batches.take(numbered(count), step).flatten() for step in range(e * each, (e + 1) * each)]).tolist()
        for e in range(3)
    ]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch) == each * batch
    assert epochs[0] != epochs[1]
    assert epochs[1] != epochs[2]


def test_the_seed_decides_the_order_of_the_data() -> None:
    first, again, other = (Batches(50, changed(seed=seed), torch.device("cpu")) for seed in (0, 0, 1))
    assert torch.equal(first.take(numbered(50), 4), again.take(numbered(50), 4))
    assert not torch.equal(first.take(numbered(50), 4), other.take(numbered(50), 4))


def test_images_left_over_in_one_epoch_have_their_turn_in_another() -> None:
    batches = Batches(10, changed(batch=9), torch.device("cpu"))
    seen = set(itertools.chain(*(batches.take(numbered(10), step).flatten().tolist() for step in range(5))))
    assert seen == set(range(10))


def test_the_order_of_the_data_needs_no_history() -> None:
    forwards, backwards = (Batches(50, CONFIG, torch.device("cpu")) for _ in range(2))
    there = [forwards.take(numbered(50), step).flatten().tolist() for step in range(9)]
    back = [backwards.take(numbered(50), step).flatten().tolist() for step in reversed(range(9))]
    assert there == back[::-1]


@pytest.mark.parametrize("batch", [0, 50, 51, 100_000])
def test_a_batch_of_all_images_takes_all_of_them(batch: int) -> None:
    config = changed(batch=batch, steps=3)
    assert all(step.elbo.log_likelihood.shape == (50,) for step in trained(config)[0])
    assert losses(trained(config)[0]) == losses(trained(changed(batch=0, steps=3))[0])


def test_a_single_image_can_be_trained_on() -> None:
    assert all(step.elbo.value().isfinite().all() for step in trained(CONFIG, IMAGES[:1])[0])


def test_the_images_are_never_written_into() -> None:
    before = IMAGES.clone()
    for config in CONFIGS:
        next(fit(config.build(IMAGES), IMAGES, config))
    assert torch.equal(IMAGES, before)


def test_fixed_binarisation_trains_on_images_drawn_once() -> None:
    config = changed(likelihood=Bernoulli(binarise="fixed"))
    grey = changed(likelihood=Bernoulli(binarise="never"))
    vae, twin = config.build(IMAGES), grey.build(IMAGES)
    twin.load_state_dict(vae.state_dict())
    drawn = config.likelihood.once(IMAGES, vae.shape.top)
    first, second = next(fit(vae, IMAGES, config)), next(fit(twin, drawn, grey))
    torch.testing.assert_close(first.elbo.kl, second.elbo.kl)


def test_seeds_are_well_mixed() -> None:
    seeds = {seed_of(*parts) for parts in itertools.product(range(5), range(2), range(500))}
    assert len(seeds) == 5000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(0, 1) != seed_of(1, 0)
    bits = [sum(seed >> bit & 1 for seed in seeds) / 5000 for bit in range(63)]
    assert all(0.45 < share < 0.55 for share in bits)


def test_training_raises_the_bound() -> None:
    config = RunConfig(net=Mlp(activation="gelu"), steps=150, learning_rate=2e-3, beta=Constant())
    images = Digits().load()[0].images
    bounds = [float(step.elbo.value().mean()) for step in fit(config.build(images), images, config)]
    assert sum(bounds[-20:]) / 20 > sum(bounds[:20]) / 20 + 0.5


def test_a_linear_model_reaches_the_optimum_of_probabilistic_pca() -> None:
    # One large eigenvalue and the rest clear of σ²: the bound is tight, so the optimum is reached from below.
    sigma = 0.3
    config = RunConfig(
        dataset=DATA, net=Linear(), likelihood=Gaussian(sigma=sigma), latent=2, steps=600, batch=0, learning_rate=2e-2,
        decay=StepDecay(at=(0.6, 0.85), factors=(0.2, 0.04)),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    axes = torch.tensor([[0.9, 0.1], [0.8, -0.4], [0.2, 0.9], [-0.7, 0.5]]).repeat(4, 1) * 35
    codes = torch.randn(400, 2, generator=generator)
    noise = torch.randn(400, 16, generator=generator)
    images = (codes @ axes.T + 128 + 10 * noise).round().clamp(0, 255).to(torch.uint8).view(400, 1, 4, 4)
    x = images.double().flatten(1) / 255
    best = ppca_optimum(torch.cov(x.T, correction=0), 2, sigma).elbo
    steps, _ = trained(config, images)
    late = [float(step.elbo.value().mean()) for step in steps[-200:]]
    error = torch.tensor(late).std().item() / len(late) ** 0.5
    assert sum(late) / len(late) == pytest.approx(best, abs=4 * error + 0.02)
