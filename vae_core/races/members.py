"""Runs that train side by side. Those of one architecture are one model: stacked weights, batched matrix products.

Every member's numbers are those of the same config trained alone by `training.fit`, up to rounding: the same initial
weights, order of the data, binarisation and noise. Members of one seed share the last three, which are drawn once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.optim import Adam

from vae_core.checkpoints import State, restore
from vae_core.config import RunConfig
from vae_core.gaussian import DiagonalGaussian
from vae_core.heads import FLOOR, Normal
from vae_core.likelihoods import Gaussian
from vae_core.nets import Conv
from vae_core.objectives import FreeBits, Plain
from vae_core.races.stacks import Stack
from vae_core.schedules import Constant
from vae_core.spec import InputError
from vae_core.training.batches import Batches, seed_of
from vae_core.training.fit import LeanAdam, Step, adam, fit
from vae_core.vae import VAE, Elbo

MOMENTS = ("exp_avg", "exp_avg_sq")
Betas = Sequence[Callable[[int], float]]
T = TypeVar("T")


@dataclass(frozen=True)
class Steps:
    """One update of all members: what `training.Step` is for one, with the members in front.

    Shapes: log_likelihood [m, n], kl [m, n, d], loss [m], for m members, n images, d latent dimensions; in nats.
    """

    index: int
    betas: tuple[float, ...]
    log_likelihood: Float[Tensor, "m n"]
    kl: Float[Tensor, "m n d"]
    loss: Float[Tensor, "m"]

    def member(self, number: int) -> Step:
        """The update of one member, as `fit` would have given it."""
        elbo = Elbo(self.log_likelihood[number], self.kl[number])
        return Step(self.index, self.betas[number], elbo, self.loss[number])


class Members(ABC):
    """Some runs of a race that are trained together, each with a VAE and an optimiser of its own to look at."""

    configs: tuple[RunConfig, ...]

    @abstractmethod
    def fit(self, images: UInt8[Tensor, "n c h w"], *, betas: Betas | None = None, start: int = 0) -> Iterator[Steps]:
        """Train all on uint8 `images`, yielding after every update; `betas` in place of the configs' schedules."""

    @abstractmethod
    def vae(self, number: int) -> VAE:
        """A member's model: always its present weights, and the gradients of the last update."""

    @abstractmethod
    def optimiser(self, number: int) -> Adam:
        """A member's Adam with its present moments: what a checkpoint keeps."""

    @abstractmethod
    def restore(self, states: Sequence[State]) -> None:
        """Go on from checkpoints, one for each member and all of one step."""


class Alone(Members):
    """A single run that cannot be stacked with others: `training.fit` as it is."""

    def __init__(self, config: RunConfig, images: UInt8[Tensor, "n c h w"], device: torch.device) -> None:
        self.configs = (config,)
        self._vae = config.build(images).to(device)
        self._optimiser = adam(self._vae, config)

    def fit(self, images: UInt8[Tensor, "n c h w"], *, betas: Betas | None = None, start: int = 0) -> Iterator[Steps]:
        """As Members.fit."""
        beta = betas[0] if betas else None
        for step in fit(self._vae, images, self.configs[0], beta=beta, optimiser=self._optimiser, start=start):
            yield Steps(step.index, (step.beta,), step.elbo.log_likelihood[None], step.elbo.kl[None], step.loss[None])

    def vae(self, number: int) -> VAE:
        """As Members.vae."""
        return (self._vae,)[number]

    def optimiser(self, number: int) -> Adam:
        """As Members.optimiser."""
        return (self._optimiser,)[number]

    def restore(self, states: Sequence[State]) -> None:
        """As Members.restore."""
        restore(states[0], self._vae, self._optimiser)


class Stacked(Members):
    """Runs of one architecture as one model. The parameters of each member's VAE are windows on the stacks."""

    def __init__(
        self, configs: Sequence[RunConfig], images: UInt8[Tensor, "n c h w"], device: torch.device | None = None
    ) -> None:
        if not configs or not all(stackable(config) and kin(config) == kin(configs[0]) for config in configs):
            raise InputError(
                "these runs cannot be trained as one model",
                limit="they may differ in seed, β and objective",
                fix="let `assemble` sort them",
            )
        self.configs = tuple(configs)
        self._vaes = [config.build(images).to(device) for config in configs]
        self._stack = {name: self._stacked(name) for name, _ in self._vaes[0].named_parameters()}
        self._optimiser = LeanAdam(list(self._stack.values()), lr=configs[0].learning_rate, fused=True)
        self._encoder, self._decoder = (
            Stack(self._vaes[0].get_submodule(name), name, self._stack) for name in ("encoder", "decoder")
        )
        floors = [c.objective.nats if isinstance(c.objective, FreeBits) else -torch.inf for c in configs]
        self._floors = torch.tensor(floors, device=self._device).view(-1, 1, 1)

    @property
    def _device(self) -> torch.device:
        return next(self._vaes[0].parameters()).device

    def _stacked(self, name: str) -> Tensor:
        """One parameter of all members [m, ...]; weights as [m, in, out], as their batched product takes them.

        From here on each member's own is a window on it.
        """
        own = [vae.get_parameter(name) for vae in self._vaes]
        stack = torch.stack([parameter.detach().mT if parameter.ndim == 2 else parameter.detach() for parameter in own])
        for parameter, part in zip(own, stack, strict=True):
            parameter.data = _turned(part, parameter)
        stack.grad = torch.zeros_like(stack)
        return stack.requires_grad_()

    def fit(self, images: UInt8[Tensor, "n c h w"], *, betas: Betas | None = None, start: int = 0) -> Iterator[Steps]:
        """As Members.fit."""
        first, betas = self.configs[0], betas or [config.beta for config in self.configs]
        images = first.likelihood.once(images, self._vaes[0].shape.top).to(self._device)
        draws = Draws(self.configs, images, self._vaes[0].shape.top)
        for step in range(start, first.steps):
            weights = tuple(beta(step) for beta in betas)
            self._optimiser.param_groups[0]["lr"] = first.rate(step)
            x, noise = draws(step)
            terms = self._update(x, noise, torch.tensor(weights, device=x.device).view(-1, 1, 1))
            yield Steps(step, weights, *terms)

    @torch.no_grad()
    def _update(
        self, x: Float[Tensor, "m n c h w"], noise: Float[Tensor, "m n d"], betas: Float[Tensor, "m 1 1"]
    ) -> tuple[Float[Tensor, "m n"], Float[Tensor, "m n d"], Float[Tensor, "m"]]:
        """ln p(x|z) and the KL of each image and member, and the loss, all from before the update; in nats."""
        mean, raw = self._encoder.forward(x.flatten(2)).chunk(2, -1)
        logvar = raw.clamp(-20, 10)
        kl = DiagonalGaussian(mean.flatten(0, 1), logvar.flatten(0, 1)).kl().view_as(noise)
        z = torch.addcmul(mean, (0.5 * logvar).exp(), noise)
        log_likelihood, to_out = self._explain(self._decoder.forward(z), x)
        to_z = self._decoder.backward(to_out, to_input=True)
        assert to_z is not None
        # Below its free nats a dimension has neither price nor gradient; the plain objective has a floor of -inf.
        cost = kl.mean(1, keepdim=True)
        weight = betas / kl.shape[1] * (cost >= self._floors)
        to_mean = torch.addcmul(to_z, weight, mean)
        to_logvar = to_z.mul_(z - mean).addcmul_(torch.expm1(logvar), weight).mul_(0.5)
        self._encoder.backward(torch.cat([to_mean, to_logvar.mul_(logvar == raw)], -1), to_input=False)
        self._optimiser.step()
        return log_likelihood, kl, (betas * cost.clamp_min(self._floors)).sum((1, 2)) - log_likelihood.mean(1)

    def _explain(
        self, out: Float[Tensor, "m n pixels"], x: Float[Tensor, "m n c h w"]
    ) -> tuple[Float[Tensor, "m n"], Float[Tensor, "m n pixels"]]:
        """ln p(x|z), and the loss's gradient of the decoder's output; by autograd, so for any likelihood."""
        learned = self._stack.get("head.logvar")
        with torch.enable_grad():
            out = out.requires_grad_()
            parameters = self._vaes[0].head(out.view_as(x))
            if learned is not None:
                parameters = Normal(parameters.mean, learned.clamp_min(math.log(FLOOR)).view(-1, 1, 1, 1, 1))
            log_likelihood = self.configs[0].likelihood.log_prob(parameters, x)
        scale = torch.full_like(log_likelihood, -1 / x.shape[1])
        gradients = torch.autograd.grad(log_likelihood, [out, *([] if learned is None else [learned])], scale)
        if learned is not None:
            learned.grad = gradients[1]
        return log_likelihood.detach(), gradients[0]

    def vae(self, number: int) -> VAE:
        """As Members.vae."""
        vae = self._vaes[number]
        for name, parameter in vae.named_parameters():
            gradient = self._stack[name].grad
            parameter.grad = None if gradient is None else _turned(gradient[number], parameter)
        return vae

    def optimiser(self, number: int) -> Adam:
        """As Members.optimiser: windows on the moments, so take it to a checkpoint before the next update."""
        vae = self._vaes[number]
        own = adam(vae, self.configs[number])
        for name, parameter in vae.named_parameters():
            state = self._optimiser.state.get(self._stack[name], {})
            own.state[parameter] = {
                key: value if key == "step" else _turned(value[number], parameter) for key, value in state.items()
            }
        return own

    def restore(self, states: Sequence[State]) -> None:
        """As Members.restore. Moments that a state has not begin at zero."""
        own = [adam(vae, config) for vae, config in zip(self._vaes, self.configs, strict=True)]
        for state, vae, optimiser in zip(states, self._vaes, own, strict=True):
            restore(state, vae, optimiser)
        for name, stack in self._stack.items():
            parameters = [vae.get_parameter(name) for vae in self._vaes]
            slots = [optimiser.state[parameter] for optimiser, parameter in zip(own, parameters, strict=True)]
            if all(slots):
                moments = {key: torch.stack([_turned(slot[key], stack[0]) for slot in slots]) for key in MOMENTS}
                self._optimiser.state[stack] = {"step": slots[0]["step"].clone(), **moments}


class Draws:
    """What is drawn for a step, once for each seed, by the generator that `fit` would use: images, coins, noise."""

    def __init__(self, configs: Sequence[RunConfig], images: UInt8[Tensor, "n c h w"], top: int) -> None:
        self._images, self._top, self._first = images, top, configs[0]
        seeds = list(dict.fromkeys(config.seed for config in configs))
        self._of = torch.tensor([seeds.index(config.seed) for config in configs], device=images.device)
        seeded = [configs[0].model_copy(update={"seed": seed}) for seed in seeds]
        self._batches = [Batches(len(images), config, images.device) for config in seeded]
        self._generator = torch.Generator(images.device)

    def __call__(self, step: int) -> tuple[Float[Tensor, "m n c h w"], Float[Tensor, "m n d"]]:
        """x as the likelihood sees it, and ε, for each member."""
        drawn = [self._draw(batches, step) for batches in self._batches]
        x, noise = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        return x.index_select(0, self._of), noise.index_select(0, self._of)

    def _draw(self, batches: Batches, step: int) -> tuple[Tensor, Tensor]:
        generator = self._generator.manual_seed(seed_of(batches.seed, 1, step))
        x = self._first.likelihood.prepare(batches.take(self._images, step), generator, self._top)
        return x, torch.randn(len(x), self._first.latent, generator=generator, device=x.device)


def stackable(config: RunConfig) -> bool:
    """Whether runs like this one can be one model: matrix products alone, and nothing refitted on the way."""
    likelihood = config.likelihood
    refitted = isinstance(likelihood, Gaussian) and likelihood.noise == "optimal"
    known = isinstance(config.objective, Plain | FreeBits)
    return known and not refitted and not isinstance(config.net, Conv) and config.encoder_steps == 1


def kin(config: RunConfig) -> RunConfig:
    """What must be the same of runs that are one model: all but seed, β, objective and what does not train."""
    aside = {"seed": 0, "beta": Constant(), "objective": Plain(), "threads": 1}
    return config.model_copy(update=aside | dict.fromkeys(("log_every", "evaluate_every", "checkpoint_every"), 1))


def together(config: RunConfig, other: RunConfig) -> bool:
    """Whether two runs can be one model."""
    return stackable(config) and stackable(other) and kin(config) == kin(other)


def assemble(configs: Sequence[RunConfig]) -> list[list[int]]:
    """The places of those that train as one, in the order of each first; who cannot be stacked is alone."""
    teams: dict[RunConfig | int, list[int]] = {}
    for place, config in enumerate(configs):
        teams.setdefault(kin(config) if stackable(config) else place, []).append(place)
    return list(teams.values())


def shares(items: Iterable[T], count: int, order: Callable[[T], Any]) -> list[list[T]]:
    """About equal shares of a team, none empty. In order of their seeds, who share what is drawn are together."""
    ordered = sorted(items, key=order)
    bounds = [number * len(ordered) // count for number in range(count + 1)]
    return [ordered[low:high] for low, high in pairwise(bounds) if low < high]


def members_of(
    configs: Sequence[RunConfig], images: UInt8[Tensor, "n c h w"], device: torch.device | None = None
) -> Members:
    """Untrained members of one of the teams that `assemble` tells."""
    device = device or torch.device("cpu")
    if len(configs) == 1:
        return Alone(configs[0], images, device)
    return Stacked(configs, images, device)


def _turned(part: Tensor, parameter: Tensor) -> Tensor:
    """A member's part of a stack in the layout of its own parameter."""
    return part.mT if parameter.ndim == 2 else part
