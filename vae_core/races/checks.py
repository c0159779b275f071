"""The building blocks of a race's check: each turns results into one finding, with the figures that decide it."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from vae_core.diagnostics import dead_units, encode
from vae_core.races.running import Finding, Result, Results, by_lane

EMPTY = 0.05  # nats of KL below which a code says nothing
NAMES = {"elbo": "ELBO", "kl": "KL", "active_units": "active", "nll": "NLL", "mutual_information": "MI"}
MINUS = "\u2212"


def empty(result: Result) -> bool:
    """Whether the posterior has collapsed: no active dimension (Var(μ) > 0.01), and a KL below 0.05 nats."""
    return result["active_units"] == 0 and result["kl"] < EMPTY


def collapses(results: Results, lane: str, statement: str, share: float = 1.0) -> Finding:
    """That the lane ends empty, for every seed or at least a share of them."""
    own = by_lane(results)[lane]
    count = sum(map(empty, own))
    return Finding(statement, count >= share * len(own), f"{count} of {len(own)} empty; {spread(own, 'elbo', 'kl')}")


def keeps(
    results: Results, lane: str, than: str, statement: str, nats: float = 2.0, units: int = 1, kl: float = 2.0
) -> Finding:
    """That the lane ends with a code, and with an ELBO so many nats above the other lane's, seed by seed."""
    own, other = by_lane(results)[lane], by_lane(results)[than]
    good = [
        r["active_units"] >= units and r["kl"] > kl and r["elbo"] - o["elbo"] > nats
        for r, o in zip(own, other, strict=True)
    ]
    return Finding(statement, all(good), f"{sum(good)} of {len(good)}; {spread(own, 'elbo', 'kl', 'active_units')}")


def every(
    results: Results, lane: str, statement: str, rule: Callable[[Result], bool], *shown: str, share: float = 1.0
) -> Finding:
    """That a rule is true of every seed of the lane, or at least a share of them."""
    own = by_lane(results)[lane]
    count = sum(map(rule, own))
    return Finding(statement, count >= share * len(own), f"{count} of {len(own)}; {spread(own, *shown)}")


def differs(
    results: Results, lane: str, than: str, statement: str, low: float, high: float, number: str = "elbo"
) -> Finding:
    """That a number's mean over the seeds is above the other lane's by something between `low` and `high`."""
    own, other = (statistics.fmean(r[number] for r in by_lane(results)[name]) for name in (lane, than))
    figures = f"{NAMES[number]} {figure(own)} against {figure(other)} ({own - other:+.2f})".replace("-", MINUS)
    return Finding(statement, low <= own - other <= high, figures)


def best(results: Results, lane: str, statement: str) -> Finding:
    """That no other lane has a higher mean ELBO."""
    means = {name: statistics.fmean(r["elbo"] for r in own) for name, own in by_lane(results).items()}
    first, second = sorted(means, key=lambda name: -means[name])[:2]
    figures = f"{first} {figure(means[first])}, {second} {figure(means[second])}"
    return Finding(statement, first == lane, figures)


def ordered(results: Results, lanes: tuple[str, ...], statement: str) -> Finding:
    """That the mean ELBO falls from lane to lane."""
    means = [statistics.fmean(r["elbo"] for r in by_lane(results)[lane]) for lane in lanes]
    return Finding(statement, means == sorted(means, reverse=True), "ELBO " + ", ".join(map(figure, means)))


def dead_share(result: Result) -> float:
    """The share of the decoder's last hidden layer whose output does not depend on z at all."""
    _, test = result.config.dataset.load()
    return float(dead_units(encode(result.vae, test.images[:1]))[-1])


def spread(results: Results, *names: str) -> str:
    """Lowest to highest of each number over these results."""
    return ", ".join(f"{NAMES[name]} {between([r[name] for r in results])}" for name in names)


def between(values: list[float] | list[int]) -> str:
    """Lowest to highest; one of them if they read the same."""
    low, high = figure(min(values)), figure(max(values))
    return low if low == high else f"{low} to {high}"


def figure(value: float | int) -> str:
    """A number for a reader: whole ones as they are, two decimals otherwise, and a real minus sign."""
    text = str(value) if isinstance(value, int) else f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", MINUS)
