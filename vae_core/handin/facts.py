"""What the page says of a run in tables: its numbers, how they came about, and its settings. All is plain text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from vae_core.captions import MINUS, nats, with_error
from vae_core.config import OpenedConfig, RunConfig
from vae_core.diagnostics.codes import EPSILON
from vae_core.elsewhere import Unknown
from vae_core.glossary import term
from vae_core.history import baseline
from vae_core.likelihoods import Bernoulli, Binomial
from vae_core.records import Record, number
from vae_core.runs import Run
from vae_core.spec import Spec, Variant
from vae_core.training.course import change_of

QUANTITIES = (
    "elbo", "reconstruction", "kl", "nll", "active_units", "collapsed_fraction",
    "mutual_information", "mutual_information_ceiling", "shuffle_cost", "decoder_response",
)  # fmt: skip
MOST_LATENTS = 64
BINARISED = {
    "stochastic": "Black or white, drawn from the grey values: for training anew at every step, for the test once",
    "fixed": "Black or white, drawn from the grey values once, before training",
    "threshold": "Black or white: white from one half",
    "never": "Grey values as they are, of which a Bernoulli is not a likelihood: there is no ln p(x)",
}
BOUND = "One code for each image, with the same noise at every test; at β = 1, whatever β trained the model"
Fact = tuple[str, ...]


def numbers(tests: list[Record]) -> list[Fact]:
    """Name, value and unit of each quantity of the last test row, and of a model without a code."""
    row, known = tests[-1], baseline(tests)
    facts = [_fact(name, row) for name in QUANTITIES if row.get(name) is not None]
    return [*facts, *([_fact("baseline", {"baseline": known})] if math.isfinite(known) else [])]


def _fact(name: str, row: Record) -> Fact:
    """One of them, as the app writes it."""
    what, value, error = term(name), number(row[name]), number(row.get(f"{name}_standard_error"))
    label = ", ".join(filter(None, (what.label, what.symbol)))
    if name == "active_units":
        return label, f"{value:.0f}", f"of {len(row['kl_per_dimension'])}"
    if name == "collapsed_fraction" and math.isfinite(value):
        latents = len(row["kl_per_dimension"])
        return label, f"{round(value * latents)}", f"of {latents}, with KL < {EPSILON:g} for 99 % of the images"
    return label, with_error(value, error), what.unit


def kl_of_latents(row: Record) -> str:
    """The KL of each latent in nats, in order; of very many the largest alone."""
    kl = [number(value) for value in row["kl_per_dimension"]]
    if len(kl) > MOST_LATENTS:
        kl = sorted(kl, reverse=True)[:MOST_LATENTS]
        what = f"KL of the {MOST_LATENTS} largest of {len(row['kl_per_dimension'])} latents"
    else:
        what = "KL of each latent, from the first to the last"
    return f"{what}, in nats: {', '.join(map(nats, kl))}."


def protocol(run: Run, tests: list[Record]) -> list[Fact]:
    """Which images, how they were seen, and what was computed."""
    config, row = run.config, tests[-1]
    facts = [
        ("Data", f"{config.dataset.title}: {config.dataset.about}"),
        ("Split", f"{split(config, row)}, after step {row['step']:,}"),
        ("Pixels", pixels(config)),
        ("Bound", BOUND),
        ("Evidence", evidence(row)),
        ("β in training", "; ".join(course(run))),
    ]
    if isinstance(config, OpenedConfig):
        return [fact for fact in facts if fact[0] != "β in training"]
    device = run.status().device or "an unknown device"
    threads = "1 thread" if config.threads == 1 else f"{config.threads} threads"
    return [*facts, ("Training", f"With seed {config.seed}, on {device} with {threads}")]


def split(config: RunConfig, row: Record) -> str:
    """How many images there are, and over how many of them the numbers of a row are means."""
    train, held = config.dataset.sizes
    count = row.get("count", held)
    apart = f"{held:,} held out" if isinstance(config, OpenedConfig) else f"{train:,} to train on, {held:,} held out"
    chosen = "all" if count == held else f"the first {count:,}"
    return f"{apart}; the numbers are means over {chosen} of those held out"


def pixels(config: RunConfig) -> str:
    """What the model saw of an image."""
    match config.likelihood:
        case Bernoulli(binarise=how):
            return BINARISED[how]
        case Binomial(trials=trials):
            return f"Counts of {trials} trials"
        case Unknown():
            return "As the model was given them; its likelihood was not told"
    return "Grey values from 0 to 1"


def evidence(row: Record) -> str:
    """How ln p(x) was estimated, if it was."""
    if row.get("nll") is None:
        return "ln p(x) was not estimated: the ELBO is a lower bound of it"
    images, samples = row.get("images", row.get("count")), row.get("samples")
    return f"ln p(x) by importance sampling with K = {samples} on {images} images; the NLL errs high"


def course(run: Run) -> Iterator[str]:
    """β as planned, and as it was changed on the way."""
    yield run.config.beta.words
    for since, schedule in (change_of(entry) for entry in run.journal()):
        yield f"set at step {since:,}: {schedule.words}"


def settings(config: RunConfig) -> tuple[dict[str, str], dict[str, str]]:
    """Every field of a config by its title: those that have parts, and the plain ones."""
    fields = {field.title or name: getattr(config, name) for name, field in type(config).model_fields.items()}
    wholes = {title: value_of(value) for title, value in fields.items() if isinstance(value, Spec)}
    plain = {title: value_of(value) for title, value in fields.items() if not isinstance(value, Spec)}
    return wholes, plain


def pairs(facts: dict[str, str]) -> list[Fact]:
    """Facts two by two."""
    listed = [*facts.items()]
    return [sum(listed[place : place + 2], ()) for place in range(0, len(listed), 2)]


def value_of(value: object) -> str:
    """A setting as people write it."""
    match value:
        case Spec():
            parts = {name: field.title or name for name, field in type(value).model_fields.items() if name != "kind"}
            said = (f"{title}: {value_of(getattr(value, name))}" for name, title in parts.items())
            return "; ".join([*([value.title] if isinstance(value, Variant) else []), *said])
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.10g}".replace("-", MINUS)
        case int():
            return f"{value:,}"
        case tuple():
            return ", ".join(f"({value_of(part)})" if isinstance(part, tuple) else value_of(part) for part in value)
    return str(value)
