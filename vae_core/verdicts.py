"""Verdicts: whether a run uses its code, why if it does not, and the change that would cure it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vae_core.captions import EXACT, LOW, nats, weight
from vae_core.config import RunConfig
from vae_core.cures import finished, gentler, longer, quieter, slower, smoother, untried
from vae_core.objectives import Plain
from vae_core.report import Report, report, words
from vae_core.runs import Run

Kind = Literal[
    "optimal", "stuck", "dead", "unfinished", "healthy-unused", "healthy", "too-early", "cannot-tell"
]  # fmt: skip
NEAR = 0.1  # nats that a linear code may be worth where having none is close to the best
SILENT = 0.2  # of the untrained decoder's response: below this no collapsed run was seen to come back
SLOW = 0.01  # a response of the untrained decoder below which a net learns nothing while β rises
NOT_LINEAR = "For a linear decoder that is exact; for others it says that no small code pays."
GENTLE = 4e-4  # a learning rate that kills no units
MOST_DEAD = 0.5  # of a layer: healthy ReLU nets have up to 0.4 of it dead


@dataclass(frozen=True)
class Verdict:
    """What is the case, in a sentence or two; the measured numbers it rests on; and a config that cures it, if any."""

    kind: Kind
    sentence: str
    why: list[str]
    cure: RunConfig | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        cure = None if self.cure is None else self.cure.model_dump(mode="json")
        return {"kind": self.kind, "sentence": self.sentence, "why": self.why, "cure": cure}


Rule = Callable[[Report, RunConfig], Verdict | None]


def verdict(run: Run, step: int | None = None) -> Verdict:
    """The verdict on a run as it stood at `step` (None: with its newest weights); InputError as for `report`."""
    return judge(report(run, step), run.config)


def judge(r: Report, config: RunConfig) -> Verdict:
    """The verdict on the evidence of a report; `config` is only what a cure changes."""
    return next(said for rule in RULES if (said := rule(r, config)))


# Each rule below sees only reports that the rules above it in RULES had nothing to say of.


def broken(r: Report, config: RunConfig) -> Verdict | None:
    """A number stopped being one."""
    if r.past.broken is None:
        return None
    sentence = f"At step {r.past.broken:,} the ELBO stopped being a number, so nothing after it can be judged."
    return Verdict("cannot-tell", sentence, ["A smaller learning rate is the first thing to try."], gentler(config))


def opened(r: Report, config: RunConfig) -> Verdict | None:
    """A model without its training: a working code can be seen, the reason of a missing one cannot."""
    if not r.opened or (r.elbo is not None and r.baseline is not None and not r.empty):
        return None
    spent = f"Its codes cost {nats(r.kl)} nats, and {words.units(r)} move with the image."
    if r.elbo is None or r.baseline is None:
        missing = "Without a decoder, images and a likelihood nobody can tell whether the code is used."
        return Verdict("cannot-tell", missing, [spent, *r.faults])
    sentence = "Collapsed, but how it came to this cannot be told: the training was elsewhere."
    return Verdict("cannot-tell", sentence, [words.ignores(r), spent, *r.faults])


def unbegun(r: Report, config: RunConfig) -> Verdict | None:
    """Before the first update there is nothing to judge, and without a baseline nothing to judge by."""
    if r.elbo is None or r.baseline is None:
        return Verdict("cannot-tell", "The log does not say what a model without a code reaches.", [words.spent(r)])
    if r.step or r.opened:
        return None
    return Verdict("too-early", "Training has not begun: there is nothing to judge yet.", [words.spent(r)])


def optimal(r: Report, config: RunConfig) -> Verdict | None:
    """No code, and none would be worth its price: nothing is broken."""
    if not r.empty or r.price is None or r.price.worth > NEAR or not isinstance(config.objective, Plain):
        return None
    best = "the best" if r.price.worth == 0 else "close to the best"
    cure = quieter(config, r.price.eigenvalue)
    exact = "For this linear decoder that is exact." if config.net.kind == "linear" else NOT_LINEAR
    why = [words.ignores(r), words.worth(r), exact]
    if cure is not None:
        change = "less noise" if cure.likelihood != config.likelihood else "a lower β"
        why.append(f"A code needs {change}, which is another objective: do not compare its ELBO with this one.")
    sentence = f"Nothing is broken. The code is empty, and with {words.price(r)} that is {best} this model can do."
    return Verdict("optimal", sentence, why, cure)


def not_yet(r: Report, config: RunConfig) -> Verdict | None:
    """Empty while β was never high: how a warm-up may begin, and no collapse."""
    if not r.empty or r.past.used or r.past.highest >= LOW or not r.live:
        return None
    sentence = f"Nothing is in the code yet; β is still low ({weight(r.past.beta)}), so there is time."
    return Verdict("too-early", sentence, [words.spent(r), words.responds(r)])


def dead(r: Report, config: RunConfig) -> Verdict | None:
    """Layers that give the same whatever goes in pass no gradient on: no schedule brings them back."""
    parts = {"decoder": max(r.listening.dead, default=0.0), "encoder": max(r.listening.dead_encoder, default=0.0)}
    part = next((name for name, share in parts.items() if share >= MOST_DEAD), None)
    if part is None or r.net > r.bar or (r.live and not r.empty):
        return None
    what = "z is" if part == "decoder" else "image comes in"
    sentence = f"Dead. In a layer of the {part}, {parts[part]:.0%} of the units give the same whatever {what}."
    unmoved = "No gradient passes through such units, so lowering β now will not help."
    first = r.listening.dead_encoder[:1] or [0.0]
    milder = slower(gentler(config)) if config.learning_rate > GENTLE else None
    rise = None if first[0] >= MOST_DEAD else slower(config)
    cure = untried(config, rise, milder, smoother(config))
    why = [words.reaches(r), words.ignores(r), unmoved, words.again(config, cure)]
    return Verdict("dead", sentence, why, cure)


def stuck(r: Report, config: RunConfig) -> Verdict | None:
    """Empty, though a code would be worth its price, and the decoder has stopped to respond."""
    if not r.empty or (r.past.highest < LOW and not r.past.used) or r.response >= SILENT:
        return None
    rise = None if _slow(r) else slower(config)
    cure = untried(config, rise, slower(config, delayed=True), smoother(config))
    equals = "equals that" if abs(r.net) <= r.bar / 2 else f"is {nats(-words.gain(r))} nats below that"
    sentence = f"Collapsed. {words.ignores(r)[:-1]}, and the ELBO {equals} of a model without a code."
    late = f"Lowering β now will not help: the decoder has gone silent. {words.again(config, cure)}"
    why = [words.reaches(r), words.spent(r), words.responds(r), words.pull(r), words.worth(r), late]
    return Verdict("stuck", sentence, [*filter(None, why), *r.faults], cure)


def plateau(r: Report, config: RunConfig) -> Verdict | None:
    """Empty at a β that is high, but the decoder still responds: a run may leave such a plateau, slowly."""
    if not r.empty or r.past.beta < 1 - EXACT:
        return None
    sentence = "Too early: the code is empty, but the decoder still responds to z, and the run may come back."
    cure = None if r.live else untried(config, slower(config)) or longer(config)
    return Verdict("too-early", sentence, [words.reaches(r), words.spent(r), words.responds(r), words.worth(r)], cure)


def unfinished(r: Report, config: RunConfig) -> Verdict | None:
    """What was optimised at the end was not the ELBO."""
    if r.live or r.past.beta >= 1 - EXACT:
        return None
    sentence = (
        f"β ended at {weight(r.past.beta)}, so this run optimised something looser than the ELBO. "
        "The numbers shown are at β = 1."
    )
    early = r.step < r.steps
    cure = None if early and config.beta(r.steps) >= 1 - EXACT else finished(config)
    stopped = f"It ended after {r.step:,} of {r.steps:,} steps"
    remedy = (
        f"{stopped}: let it go on." if cure is None else f"Let it train {cure.steps:,} steps with {words.rising(cure)}."
    )
    reached = f"The largest β was {weight(r.past.highest)}."
    return Verdict("unfinished", sentence, [reached, words.spent(r), words.reaches(r), remedy], cure)


def going(r: Report, config: RunConfig) -> Verdict | None:
    """More is to come, and nothing is lost so far."""
    if not r.live:
        return None
    if r.past.beta < 1 - EXACT:
        sentence = f"Training goes on, and β is at {weight(r.past.beta)}: {words.units(r)} are in use so far."
    else:
        sentence = f"Training goes on: {words.units(r)} are in use so far."
    return Verdict("too-early", sentence, [words.reaches(r), words.spent(r), words.ignores(r)])


def climbing(r: Report, config: RunConfig) -> Verdict | None:
    """It ended while the ELBO still rose by much of what the code pays: it has not shown yet what it can do."""
    if r.past.rise <= max(NEAR, r.net / 2):
        return None
    cure = longer(config)
    sentence = f"Too early: the code is in use, but the ELBO still rose {nats(r.past.rise)} nats in the last third."
    why = [words.reaches(r), words.spent(r), words.ignores(r), f"Let it train {cure.steps:,} steps.", *r.faults]
    return Verdict("too-early", sentence, why, cure)


def costly(r: Report, config: RunConfig) -> Verdict | None:
    """The code is in use and does not pay, for a reason that these diagnostics do not see."""
    if r.net > 0:
        return None
    sentence = f"The code costs {nats(-words.gain(r))} nats more than it brings, and no diagnostic here says why."
    return Verdict("cannot-tell", sentence, [words.reaches(r), words.spent(r), words.ignores(r), *r.faults])


def healthy(r: Report, config: RunConfig) -> Verdict:
    """The code is in use, and it pays."""
    pays = f"the code pays: {nats(words.gain(r))} nats more than a model without one"
    used, all_of_them = r.codes.active_units, len(r.codes.kl)
    why = [words.reaches(r), words.spent(r), words.ignores(r), words.regime(r), *r.faults]
    if r.past.beta > 1 + EXACT:
        why.append(f"β ended at {weight(r.past.beta)}: an objective stricter than the ELBO.")
    if used == all_of_them:
        return Verdict("healthy", f"Healthy. All {used} latents are in use, and {pays}.", why)
    rest = f"The other {all_of_them - used} stay at the prior: pruned, not broken."
    why.append("More latents in use would not by themselves mean a higher ELBO; annealing does not always help.")
    return Verdict("healthy-unused", f"Healthy. {words.units(r)} are in use, and {pays}. {rest}", why)


RULES: tuple[Rule, ...] = (
    broken, opened, unbegun, optimal, not_yet, dead, stuck, plateau, unfinished, going, climbing, costly, healthy,
)  # fmt: skip


def _slow(r: Report) -> bool:
    """Whether the untrained decoder hardly moves with z, or β took a third of the run to rise and it was in vain."""
    return r.listening.first_response[-1] < SLOW or r.past.full > r.steps / 3
