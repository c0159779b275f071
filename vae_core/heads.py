"""Heads: the module between the decoder's output and the parameters of p(x|z), which holds σ where there is one."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

Images = Float[Tensor, "*n c h w"]
# Below this variance a Gaussian decoder's likelihood has no upper bound (Mattei & Frellsen 2018).
FLOOR = 1e-6


class Normal(NamedTuple):
    """Parameters of a Gaussian p(x|z): a mean for each pixel and one ln σ² for all of them."""

    mean: Tensor
    logvar: Tensor


class Head(nn.Module):
    """The decoder's output is the parameter itself (a logit for each pixel)."""

    def forward(self, out: Images, x: Images | None = None) -> Images:
        """Parameters of p(x|z); `x`, the images explained, is given while training."""
        return out


class FixedNoise(nn.Module):
    """σ stays as given; the buffer is not part of the saved state because the config has it."""

    logvar: Tensor

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.register_buffer("logvar", torch.tensor(2 * math.log(sigma)), persistent=False)

    def forward(self, out: Images, x: Images | None = None) -> Normal:
        """The output is the mean."""
        return Normal(out, self.logvar)


class LearnedNoise(nn.Module):
    """ln σ² is one more parameter, for all pixels."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.logvar = nn.Parameter(torch.tensor(2 * math.log(sigma)))

    def forward(self, out: Images, x: Images | None = None) -> Normal:
        """The output is the mean."""
        return Normal(out, self.logvar.clamp_min(math.log(FLOOR)))


class OptimalNoise(nn.Module):
    """σ² is the batch's mean squared residual while training, its running mean otherwise."""

    variance: Tensor

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.register_buffer("variance", torch.tensor(sigma**2))

    def forward(self, out: Images, x: Images | None = None) -> Normal:
        """The output is the mean. The bound is flat in σ² at its optimum, so no gradient need pass through it."""
        if not self.training or x is None:
            return Normal(out, self.variance.log())
        residual = (x - out).detach().square().mean().clamp_min(FLOOR)
        self.variance.lerp_(residual, 0.05)
        return Normal(out, residual.log())
