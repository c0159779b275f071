"""Captions: rules that turn the test rows of a run into the one sentence that matters now."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby, takewhile

from vae_core.history import MOVED, History, Point, baseline
from vae_core.records import Record

MINUS = "\u2212"
LOW = 0.5  # a β below this leaves time: the nets that collapse for good do so at a β near 1
FREE = 1e-4  # a β below this is no price at all
EXACT = 0.005  # how far from 1 a β may end and be written 1.00
NOTABLE, SHARE = 0.5, 0.1  # nats, and of a large KL a share, below which a change is jitter
GOING = 0.1  # a rise goes on if this share of it is new
FLAT, WORTH = 0.25, 0.01  # nats within which a level ELBO keeps, and of a code worth much a share of that
LEVEL = 6  # test rows that a level stretch has at least

Rule = Callable[[History], str | None]


def nats(value: float | int) -> str:
    """A number of nats for a reader: one decimal from 1 up, two below, a real minus sign; a dash if it is none."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1e6:
        return _signed(value, f"{abs(value):.1e}".replace("e+0", "e").replace("e+", "e"))
    return _signed(value, f"{abs(value):,.{_digits(value)}f}")


def _digits(value: float | int) -> int:
    return 1 if abs(value) >= 0.995 else 2


def _signed(value: float | int, size: str) -> str:
    """The text of a size with the value's sign; what reads as zero has none."""
    return (MINUS if value < 0 and size.strip("0.") else "") + size


def apart(one: float, other: float) -> float:
    """How much more the one is, by how `nats` prints both: then the difference is what a reader finds, too."""
    difference = round(one, _digits(one)) - round(other, _digits(other))
    return round(difference, max(_digits(one), _digits(other)))


def with_error(value: float, error: float) -> str:
    """A number of nats and how far it may be off, both to the digit that the second is known to."""
    if not math.isfinite(value) or not math.isfinite(error):
        return nats(value)
    digits = _digits(error)
    return f"{_signed(value, f'{abs(value):,.{digits}f}')} ± {abs(error):,.{digits}f}"


def weight(beta: float | int) -> str:
    """A β for a reader: two decimals, or the first digit that counts when it is tiny."""
    return f"{beta:.1g}" if FREE <= beta < EXACT else f"{beta:,.2f}"


def _change(value: float) -> str:
    return nats(value) if value < 0 else f"+{nats(value)}"


def _latents(h: History) -> str:
    point = h.now
    return f"{point.units} of {point.latents} latents" if point.latents else f"{point.units} latents"


def _balance(h: History, verdict: str) -> str:
    cost = f"the code costs {nats(h.now.kl)}"
    if math.isnan(h.baseline):
        return f"{_latents(h)} in use: {cost} nats, and the ELBO is {nats(h.now.elbo)}."
    gain = apart(h.now.reconstruction, h.baseline)
    return f"{_latents(h)} in use: reconstruction gains {nats(gain)} nats, {cost}. {verdict}"


# Each rule below sees only histories that the rules above it in RULES had nothing to say of.


def broken(h: History) -> str | None:
    """A number stopped being one: nothing after it means anything."""
    if h.broken is None:
        return None
    known = f"; at step {h.now.step:,} it was {nats(h.now.elbo)}" if h.points else ""
    return f"At step {h.broken:,} the ELBO stopped being a number{known}."


def ended_empty(h: History) -> str | None:
    """That the decoder ignores z is proven by an ELBO as without a code; by an empty code it is only made sensible."""
    if not h.now.empty or h.state != "done":
        return None
    if abs(h.net) <= max(0.1, abs(h.baseline) / 400):
        return f"Collapsed. The decoder ignores z: the ELBO equals that of a model without a code ({nats(h.now.elbo)})."
    return f"Collapsed. The code is empty (KL {nats(h.now.kl)} nats): a decoder that ignores z loses nothing."


def not_yet(h: History) -> str | None:
    """Empty while β never was high, and no code was lost: this is how a warm-up may begin."""
    if not h.now.empty or h.used or h.highest >= LOW:
        return None
    if not h.live:
        return f"By step {h.now.step:,} nothing was in the code; β was still low ({weight(h.now.beta)})."
    return f"Nothing is in the code yet; β is still low ({weight(h.now.beta)}), so there is time."


def still_empty(h: History) -> str | None:
    """β was lowered after the collapse: a silent decoder gives the encoder nothing to follow."""
    if not h.now.empty or h.highest - h.now.beta < 2 * MOVED:
        return None
    return f"Still collapsed: β is down to {weight(h.now.beta)}, yet nothing is back in the code."


def collapsed(h: History) -> str | None:
    """Empty at a β that is high by now: since when, and whether a code of use was there before.

    A run that was halted is not judged: it may go on, and a code may come back.
    """
    since, lowered = h.silent_since, h.highest - h.now.beta >= 2 * MOVED
    if since is None or not (h.now.empty or (h.highest >= LOW and not lowered)):
        return None
    if not h.live:
        when = f", and has been since step {since.step:,}" if since.step < h.now.step else ""
        return f"At step {h.now.step:,} the code is empty{when}."
    if h.used:
        return f"Collapsed at step {since.step:,}: at β = {weight(since.beta)} the last latent fell silent."
    return f"Collapsed at step {since.step:,}: q(z|x) fell onto the prior, and the band is gone."


def ended_elsewhere(h: History) -> str | None:
    """What was optimised at the end was not the ELBO."""
    if h.state != "done" or abs(h.now.beta - 1) <= EXACT:
        return None
    kind = "looser" if h.now.beta < 1 else "stricter"
    ended = f"{weight(h.now.beta)}: an objective {kind} than the ELBO" if h.now.beta >= FREE else "0: KL was free"
    return f"β ended at {ended}. The numbers are at β = 1."


def ended(h: History) -> str | None:
    """The balance of a run that came to its end."""
    if h.state != "done":
        return None
    if h.gain <= 0:
        return f"The code costs {nats(h.now.kl)} nats and brings nothing: a model without a code does better."
    return _balance(h, "It pays." if h.net > 0 else "It does not pay.")


def halted(h: History) -> str | None:
    """The run stands, and may go on: no more than what is known so far."""
    if h.live:
        return None
    net = apart(h.now.elbo, h.baseline)
    worth = f"paid {nats(net)} nats net" if h.net > 0 else f"cost {nats(-net)} nats more than it brought"
    known = f"the code {worth}" if math.isfinite(h.net) else f"the ELBO was {nats(h.now.elbo)}"
    return f"By step {h.now.step:,}, {_latents(h)} were in use; {known}."


def free(h: History) -> str | None:
    """No price, so no reason for a code to be short."""
    if h.now.beta >= FREE:
        return None
    since = takewhile(lambda point: point.beta < FREE, reversed(h.points))
    grown = h.now.kl - min(point.kl for point in since) >= _notable(h.now.kl) and h.now.kl > h.before.kl
    verb = "grew to" if grown else "stands at"
    return f"β is 0: this is an autoencoder; KL is free and {verb} {nats(h.now.kl)} nats."


def faint(h: History) -> str | None:
    """The code, once of use, is hardly so any more."""
    if not h.used or not h.gain <= h.bar:
        return None
    brings = f"only {nats(h.gain)}" if h.gain > 0 else "nothing"
    if h.pressed and h.now.kl < h.before.kl:
        return f"β = {weight(h.now.beta)} presses the code out: it costs {nats(h.now.kl)} nats and brings {brings}."
    return f"The code still costs {nats(h.now.kl)} nats and brings {brings} now; β is {weight(h.now.beta)}."


def early(h: History) -> str | None:
    """The time before the code is of use, in which a run with a high β loses it."""
    if not h.gain <= h.bar or (h.net > 0 and h.now.units):
        return None
    price, most = weight(h.now.beta), max(point.kl for point in h.trained)
    if h.now.kl < 0.75 * most and h.highest >= LOW:
        return f"KL fell from {nats(most)} to {nats(h.now.kl)} nats before the code was of use; β is {price}."
    brings = "nothing" if h.gain < 0.005 else f"only {nats(h.gain)}"
    outlook = f"β = {price} leaves time" if h.highest < LOW else f"β is {price}"
    return f"The code costs {nats(h.now.kl)} nats and brings {brings} so far; {outlook}."


def fell_silent(h: History) -> str | None:
    """Latents that were active and are not: dropping them is how the KL gets smaller where β asks for it."""
    units = [point.units for point in h.used]
    lost = max(units, default=0) - h.now.units
    if lost < max(1, h.now.latents // 5) or h.now.units >= h.before.units:
        return None
    since = next(point for point in reversed(h.used) if point.units == max(units))
    price = f"β = {weight(h.now.beta)}: " if h.now.beta - since.beta >= MOVED else ""
    noun = "latent" if lost == 1 else "latents"
    rest = f"{h.now.units} of {h.now.latents} {'remains' if h.now.units == 1 else 'remain'} in use"
    return f"{price}{lost} {noun} fell silent since step {since.step:,}; {rest}."


def rising(h: History) -> str | None:
    """The KL's rise from its last minimum, while it goes on, against what the code made of it.

    What the reconstruction gains below the baseline is the decoder's own: no code is needed for that.
    """
    near = h.now.kl + _notable(h.now.kl) / 2
    start = min(takewhile(lambda point: point.kl <= near, reversed(h.trained)), key=lambda point: point.kl)
    rise, better = h.now.kl - start.kl, h.now.reconstruction - max(start.reconstruction, h.baseline)
    if rise < _notable(h.now.kl) or h.now.kl - h.before.kl < GOING * rise:
        return None
    if better > rise:
        pays = "and it pays" if h.net > 0 else f"{nats(apart(h.baseline, h.now.elbo))} nats too dear"
        return f"KL rose {nats(rise)} nats while reconstruction improved {nats(better)}: the code is in use, {pays}."
    if better > h.now.beta * rise:
        pays = f"it pays at β = {weight(h.now.beta)}, not yet at 1"
        return f"KL rose {nats(rise)} nats, reconstruction improved {nats(better)}: {pays}."
    follows = f"improved only {nats(better)}" if better > 0 else "did not follow"
    return f"KL rose {nats(rise)} nats, but reconstruction {follows}: the code does not pay yet."


def squeezed(h: History) -> str | None:
    """β rises, the KL falls from its last maximum, and the reconstruction keeps what it has, or not."""
    near = h.now.kl - _notable(h.now.kl) / 2
    recent = takewhile(lambda point: point.kl >= near, reversed(h.used))
    peak = max(recent, key=lambda point: point.kl, default=h.now)
    saved, change = peak.kl - h.now.kl, h.now.reconstruction - peak.reconstruction
    if not h.pressed or h.now.beta - peak.beta < MOVED or saved < _notable(peak.kl):
        return None
    verb = "makes the code thriftier" if change > -saved else "squeezes the code"
    return f"β = {weight(h.now.beta)} {verb}: KL {_change(-saved)} nats, reconstruction {_change(change)}."


def costly(h: History) -> str | None:
    """Below the baseline: what the code brings is less than what it costs, at β = 1."""
    if not h.net < 0:
        return None
    brings = f" ({nats(h.gain)})" if h.gain > 0 else ""
    return f"The code costs {nats(h.now.kl)} nats, more than it brings yet{brings}; β is {weight(h.now.beta)}."


def level(h: History) -> str | None:
    """Over the last third, at one β, the ELBO hardly moved."""
    late = [point for point in h.trained if point.step >= 2 / 3 * h.now.step]
    elbo, beta = [point.elbo for point in late], [point.beta for point in late]
    spread, worth = max(elbo) - min(elbo), h.net if h.net > 0 else 0.0
    if h.gain <= h.bar or len(late) < LEVEL or max(beta) - min(beta) > EXACT or spread > max(FLAT, WORTH * worth):
        return None
    return f"Levelling off: since step {late[0].step:,} the ELBO has kept within {nats(spread)} nats."


def in_use(h: History) -> str | None:
    """Nothing more pressing: the balance."""
    return _balance(h, "It pays.")


def _notable(kl: float) -> float:
    return max(NOTABLE, SHARE * kl)


RULES: tuple[Rule, ...] = (
    broken, ended_empty, not_yet, still_empty, collapsed, ended_elsewhere, ended, halted,
    free, faint, early, fell_silent, rising, squeezed, costly, level, in_use,
)  # fmt: skip


def caption(rows: list[Record], state: str = "running") -> str:
    """The most important sentence about these test rows (in order of step); empty before there is one to say."""
    return _say([Point.of(row) for row in rows], baseline(rows), state)


def story(rows: list[Record], state: str) -> list[tuple[int, str]]:
    """The caption as it stood at each test row, as (step, sentence), where it changed; `state` is that of the last."""
    points, known = [Point.of(row) for row in rows], baseline(rows)
    said = [(point.step, _say(points[:count], known, "running")) for count, point in enumerate(points, 1)]
    said[-1:] = [(point.step, _say(points, known, state)) for point in points[-1:]]
    return [next(same) for _, same in groupby(said, key=lambda entry: entry[1])]


def _say(points: Sequence[Point], known: float, state: str) -> str:
    """The first rule that speaks has the word."""
    history = History.of(points, known, state)
    if len(points) < 2 or (history.broken is None and len(history.points) < 2):
        return ""
    return next((sentence for rule in RULES if (sentence := rule(history))), "")
