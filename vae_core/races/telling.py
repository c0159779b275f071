"""What is shown of a race's lanes, in the app and on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vae_core.captions import nats, with_error
from vae_core.comparison import Entrant, noise, obstacles
from vae_core.races.running import Result, Summary, summarise

NO_PLANE = "These lanes have different likelihoods, so their ELBOs bound different things: no one plane."


def mean_of(lane: Summary, name: str) -> str:
    """Mean and, over several seeds, standard deviation of a number; a dash where it does not exist.

    Of a mutual information above the KL, which it cannot be, it is said that it is noise.
    """
    mean, sd = lane.mean[name], lane.sd[name]
    if mean is None:
        return "–"
    if name == "active_units":
        return f"{mean:.0f}" if sd is None else f"{mean:.1f} ± {sd:.1f}"
    told = nats(mean) if sd is None else with_error(mean, sd)
    return told + (noise(mean, lane.mean["kl"]) if name == "mutual_information" else "")


def places(found: Sequence[Result]) -> dict[str, tuple[float, float]] | None:
    """Each lane's mean (KL, reconstruction) in nats, by its name; a lane that diverged has none.

    None where the lanes do not all explain the same images in the same way: then there is no one plane.
    """
    if obstacles([Entrant(result.lane, result.config, {}) for result in found]):
        return None
    costs = {lane.name: (lane.mean["kl"] or 0.0, lane.mean["elbo"] or 0.0) for lane in summarise(found)}
    return {name: (kl, elbo + kl) for name, (kl, elbo) in costs.items() if math.isfinite(elbo + kl)}
