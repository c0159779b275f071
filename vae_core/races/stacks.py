"""The encoders, or the decoders, of many models as one: batched matrix products, and their gradient written out.

As `training.byhand` has it for one model, with the members in front. Weights are [m, in, out], as the products take
them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vae_core.nets import LinearEncoder
from vae_core.training.byhand import DERIVATIVES

# One model's GELU goes through autograd, as it always has; here there is no other way.
KNOWN: dict[type[nn.Module], Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    **DERIVATIVES,
    nn.GELU: lambda g, raw, out: torch.ops.aten.gelu_backward(g, raw),
}


class Stack:
    """Linear layers with activations between them, of m members; gradients are written into the parameters' own."""

    def __init__(self, network: nn.Module, name: str, parameters: dict[str, Tensor]) -> None:
        layers = [("mean", network.mean)] if isinstance(network, LinearEncoder) else [*network.named_children()]
        names = [f"{name}.{place}" for place, layer in layers if isinstance(layer, nn.Linear)]
        self._linear = [(parameters[f"{one}.weight"], parameters[f"{one}.bias"]) for one in names]
        others = [layer for _, layer in layers if not isinstance(layer, nn.Linear | nn.Flatten)]
        self._activation = others[0] if others else nn.Identity()
        self._logvar = parameters.get(f"{name}.logvar")  # of a linear encoder, the same for all images
        self._saved: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, x: Float[Tensor, "m n a"]) -> Float[Tensor, "m n b"]:
        """The output, and what backward needs to know."""
        self._saved = []
        for weight, bias in self._linear:
            raw = torch.baddbmm(bias.unsqueeze(1), x, weight)
            out = raw if weight is self._linear[-1][0] else self._activation(raw)
            self._saved.append((x, raw, out))
            x = out
        return x if self._logvar is None else torch.cat([x, self._logvar.unsqueeze(1).expand_as(x)], -1)

    def backward(self, g: Float[Tensor, "m n b"], *, to_input: bool) -> Float[Tensor, "m n a"] | None:
        """Fill the parameters' gradients; the gradient of the input, if wanted."""
        if self._logvar is not None:
            g, to_logvar = g.chunk(2, -1)
            torch.sum(to_logvar, 1, out=self._logvar.grad)
        for number in reversed(range(len(self._linear))):
            (weight, bias), (x, raw, out) = self._linear[number], self._saved[number]
            if raw is not out:
                g = KNOWN[type(self._activation)](g, raw, out)
            torch.bmm(x.mT, g, out=weight.grad)
            torch.sum(g, 1, out=bias.grad)
            if number or to_input:
                g = torch.bmm(g, weight.mT)
        return g if to_input else None
