"""The step of an MLP with a Bernoulli likelihood, its gradient written out: the same numbers without autograd.

On a CPU a step of a small model is mostly matrix products; what is left is largely the price of recording them.
Written out, a step takes about three quarters of the time. Everything else goes through autograd (`fit.train_step`);
a test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Adam

from vae_core.gaussian import DiagonalGaussian
from vae_core.likelihoods import Bernoulli
from vae_core.objectives import Objective, Plain
from vae_core.vae import VAE, Elbo

# The gradient before an activation, from the gradient after it, its input and its output.
DERIVATIVES: dict[type[nn.Module], Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    nn.ReLU: lambda g, raw, out: torch.ops.aten.threshold_backward(g, out, 0),
    nn.LeakyReLU: lambda g, raw, out: torch.where(raw > 0, g, 0.01 * g),
    nn.Softplus: lambda g, raw, out: torch.sigmoid(raw).mul_(g),
    nn.Tanh: lambda g, raw, out: torch.addcmul(g, g * out, out, value=-1),
    nn.Sigmoid: lambda g, raw, out: (g * out).mul_(1 - out),
    nn.ELU: lambda g, raw, out: torch.where(raw > 0, g, g * (out + 1)),
}


class Stack:
    """Linear layers with activations between them: forward, and the gradients straight into the parameters'."""

    def __init__(self, layers: nn.Sequential) -> None:
        modules = [module for module in layers if not isinstance(module, nn.Flatten)]
        self.linear = [module for module in modules if isinstance(module, nn.Linear)]
        self.activation = next((module for module in modules if not isinstance(module, nn.Linear)), nn.Identity())
        self._saved: list[tuple[Tensor, Tensor, Tensor]] = []
        for parameter in layers.parameters():
            parameter.grad = torch.zeros_like(parameter)

    def forward(self, x: Float[Tensor, "n a"]) -> Float[Tensor, "n b"]:
        """The output, and what backward needs to know."""
        self._saved = []
        for layer in self.linear:
            raw = torch.addmm(layer.bias, x, layer.weight.t())
            out = raw if layer is self.linear[-1] else self.activation(raw)
            self._saved.append((x, raw, out))
            x = out
        return x

    def backward(self, g: Float[Tensor, "n b"], *, to_input: bool) -> Float[Tensor, "n a"] | None:
        """Fill the parameters' gradients; the gradient of the input, if wanted."""
        for layer, (x, raw, out) in zip(reversed(self.linear), reversed(self._saved), strict=True):
            if layer is not self.linear[-1]:
                g = DERIVATIVES[type(self.activation)](g, raw, out)
            torch.mm(g.t(), x, out=layer.weight.grad)
            torch.sum(g, 0, out=layer.bias.grad)
            if layer is not self.linear[0] or to_input:
                g = g @ layer.weight
        return g if to_input else None


class ByHand:
    """One update on one batch, as `fit.train_step` does it."""

    def __init__(self, vae: VAE, optimiser: Adam) -> None:
        assert isinstance(vae.encoder, nn.Sequential)
        assert isinstance(vae.decoder, nn.Sequential)
        self.vae, self.optimiser = vae, optimiser
        self.encoder, self.decoder = Stack(vae.encoder), Stack(vae.decoder)

    @staticmethod
    def fits(vae: VAE, objective: Objective) -> bool:
        """Whether this model and objective are of the written-out kind, on a CPU."""
        stacks = (vae.encoder, vae.decoder)
        known = (nn.Flatten, nn.Linear, *DERIVATIVES)
        return (
            isinstance(objective, Plain)
            and isinstance(vae.likelihood, Bernoulli)
            and all(isinstance(stack, nn.Sequential) for stack in stacks)
            and all(type(module) in known for stack in stacks for module in stack.children())
            and next(vae.parameters()).device.type == "cpu"
        )

    @torch.no_grad()
    def __call__(
        self, x: Float[Tensor, "n c h w"], beta: float, generator: torch.Generator | None = None
    ) -> tuple[Elbo, Float[Tensor, ""]]:
        """The bound term by term and the loss, both from before the update."""
        pixels = x.flatten(1)
        mean, raw = self.encoder.forward(pixels).chunk(2, 1)
        logvar = raw.clamp(-20, 10)
        q = DiagonalGaussian(mean, logvar)
        z = q.sample(generator)
        logits = self.decoder.forward(z)
        elbo = Elbo(self.vae.likelihood.log_prob(logits.view_as(x), x), q.kl())
        g = torch.sigmoid(logits).sub_(pixels).div_(len(x))
        to_z = self.decoder.backward(g, to_input=True)
        assert to_z is not None
        self.encoder.backward(self._to_code(q, z, to_z, raw, beta / len(x)), to_input=False)
        self.optimiser.step()
        return elbo, elbo.loss(beta)

    @staticmethod
    def _to_code(q: DiagonalGaussian, z: Tensor, to_z: Tensor, raw: Tensor, weight: float) -> Float[Tensor, "n out"]:
        """The gradient of mean and ln σ²: ∂z/∂mean = 1, ∂z/∂ln σ² = (z − mean)/2, and weight times the KL's own."""
        to_mean = torch.add(to_z, q.mean, alpha=weight)
        to_logvar = to_z.mul(z - q.mean).add_(torch.expm1(q.logvar), alpha=weight).mul_(0.5)
        return torch.cat([to_mean, to_logvar.mul_(q.logvar == raw)], 1)
