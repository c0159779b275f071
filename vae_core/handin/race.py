"""The page of a race: two of its lanes, the table over seeds, the prediction and what came of it, and two programs."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from vae_core.captions import caption, nats
from vae_core.comparison import noise
from vae_core.config import RunConfig
from vae_core.figure import run_figure
from vae_core.glossary import term
from vae_core.handin.facts import BOUND, Fact, evidence, pixels, settings, split
from vae_core.handin.parts import day, document, own_words, program, section, table
from vae_core.handin.pictures import Named, pictures
from vae_core.handin.plane import plane
from vae_core.races import Race, Result, Summary, comparable, race, summarise
from vae_core.races.heats import Heat
from vae_core.races.results import results
from vae_core.races.running import MEASURED, by_lane
from vae_core.races.telling import NO_PLANE, mean_of, places
from vae_core.spec import InputError

UNITS = "Nats per image, on all images held out, at β = 1; active units are latents with Var(μ) above 0.01."
PLANE = "What the code of each lane costs, and what is lost. On a dotted line the ELBO is the same."


def hand_in_race(begun: Heat, lanes: tuple[Named, Named], sentences: str, by: str = "") -> str:
    """The page of a race that was started, with two of its runs and their lanes large, the reader's words and name.

    InputError before a run of it has ended, and for more than 10,000 characters.
    """
    words, chosen, found = own_words(sentences), race(begun.race), results(begun)
    if not found:
        raise InputError("there are no numbers to hand in yet", begun.name, fix="wait until one of its runs has ended")
    shown = dict.fromkeys(lanes)
    return document(
        f"Race: {chosen.title}",
        by,
        _about(begun),
        words,
        *(_figure(one, other) for one, other in zip(shown, [*shown][::-1], strict=True)),
        pictures([(_titled(one), one[1]) for one in shown]),
        section("What was predicted, and what came of it", _prediction(chosen, found)),
        section("Numbers", _numbers(found) + _plane(found)),
        section("How they came about", table(_protocol(begun, found))),
        section("Settings", _settings(found)),
        *map(_training, shown),
    )


def _titled(one: Named) -> str:
    lane, run = one
    return f"{lane}, seed {run.config.seed}"


def _training(one: Named) -> str:
    return program(f"{html.escape(_titled(one))}: the same training in plain PyTorch", one[1])


def _about(begun: Heat) -> str:
    entries = begun.entries()
    counts = [(len({lane for lane, _ in entries}), "lane"), (len(entries), "run")]
    many = " and ".join(f"{count} {what}{'s' * (count > 1)}" for count, what in counts)
    data = html.escape(entries[0][1].config.dataset.title)
    return f"A race of variational autoencoders on {data}: {begun.name}, {many}, begun on {day(begun.card().created)}."


def _figure(one: Named, other: Named) -> str:
    """A lane's figure, on axes that leave room for the other's."""
    rows = one[1].rows()
    said = caption([row for row in rows if row["split"] == "test"], one[1].state)
    drawing = run_figure(rows, f"{one[0]}: {said}", other[1].rows())
    if not drawing:
        return ""
    what = "Test images at β = 1, in nats per image; the band between the lines is the KL."
    below = html.escape(f"{_titled(one)}. {said} {what}")
    return f"<figure>\n{drawing}\n<figcaption>{below}</figcaption>\n</figure>"


def _prediction(chosen: Race, found: Sequence[Result]) -> str:
    """The prediction, and each of its statements held to the results, once all of the lanes have run."""
    told = f"<p>{html.escape(chosen.prediction)}</p>\n"
    here = {result.lane for result in found}
    if absent := [lane.name for lane in chosen.lanes if lane.name not in here]:
        names = html.escape(", ".join(absent))
        return f'{told}<p class="note">It is checked when all lanes have run. These have not: {names}.</p>'
    if not (held_to := comparable(chosen, found)):
        return f'{told}<p class="note">It is checked when all lanes have run with the same seeds.</p>'
    rows = [("held" if one.held else "did not hold", one.statement, one.measured) for one in chosen.check(held_to)]
    seeds = len(held_to) // len(chosen.lanes)
    few = f'\n<p class="note">Checked on {seeds} of {chosen.seeds} seeds.</p>' * (seeds < chosen.seeds)
    return told + table(rows, "findings") + few


def _numbers(found: Sequence[Result]) -> str:
    """Mean and deviation of each lane that has more than one seed, and every run."""
    heads = [term(name).label for name in MEASURED]
    means = [_over_seeds(lane) for lane in summarise(found) if lane.seeds > 1]
    over_seeds = f"{table(means, 'grid', ('Mean ± sd over seeds', *heads))}\n" if means else ""
    runs = [
        (f"{one.lane}, seed {one.config.seed}", *(_short(one, name) for name in MEASURED))
        for own in by_lane(found).values()
        for one in own
    ]
    return f'{over_seeds}{table(runs, "grid", ("Each run", *heads))}\n<p class="note">{UNITS}</p>'


def _over_seeds(lane: Summary) -> Fact:
    return (f"{lane.name} × {lane.seeds}", *(mean_of(lane, name) for name in MEASURED))


def _short(one: Result, name: str) -> str:
    """As the app writes it; a dash for what does not exist."""
    value = one[name]
    if value is None:
        return "–"
    if name == "active_units":
        return f"{value:g}"
    return nats(value) + (noise(value, one["kl"]) if name == "mutual_information" else "")


def _plane(found: Sequence[Result]) -> str:
    """Each lane's mean in the plane of rate and distortion, if there is one."""
    if not (shown := places(found)):
        return f'\n<p class="note">{NO_PLANE}</p>' * (shown is None)
    return f'\n<div class="plane">\n{plane(shown, PLANE)}\n<p class="note">{PLANE}</p>\n</div>'


def _protocol(begun: Heat, found: Sequence[Result]) -> list[Fact]:
    """As of one run; what the lanes do not have in common is told of each kind."""
    config, numbers = found[0].config, dict(found[0].numbers)
    seeds = sorted({result.config.seed for result in found})
    device = next((run.status().device for _, run in begun.entries() if run.status().device), "an unknown device")
    together = "Runs of one architecture train as one model, each with the noise and the batches of its own seed"
    return [
        ("Data", f"{config.dataset.title}: {config.dataset.about}"),
        ("Split", f"{split(config, numbers)}, after the last step"),
        ("Pixels", _of_lanes(found, pixels)),
        ("Bound", BOUND),
        ("Evidence", evidence(next((r.numbers for r in found if r["nll"] is not None), numbers))),
        ("Training", f"With the seeds {', '.join(map(str, seeds))}, on {device}. {together}"),
    ]


def _of_lanes(found: Sequence[Result], told: Callable[[RunConfig], str]) -> str:
    """What all lanes have in common, or each kind of it with its lanes."""
    lanes: dict[str, dict[str, None]] = {}
    for result in found:
        lanes.setdefault(told(result.config), {})[result.lane] = None
    if len(lanes) == 1:
        return next(iter(lanes))
    return "; ".join(f"{words} ({', '.join(names)})" for words, names in lanes.items())


def _settings(found: Sequence[Result]) -> str:
    """What all lanes have in common, and after it what each has of its own."""
    lanes = {result.lane: {**(parts := settings(result.config))[0], **parts[1]} for result in found}
    titles = [title for title in next(iter(lanes.values())) if title != "Seed"]
    common = [title for title in titles if len({own[title] for own in lanes.values()}) == 1]
    shared = next(iter(lanes.values()))
    own = [
        (lane, "; ".join(f"{title}: {values[title]}" for title in titles if title not in common))
        for lane, values in lanes.items()
    ]
    apart = f'\n<p class="note">Where the lanes differ:</p>\n{table(own)}' if len(common) < len(titles) else ""
    return table([(title, shared[title]) for title in common]) + apart
