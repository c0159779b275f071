"""Captions: every rule on made histories and at its bounds, who has the word, and the stories of the shipped runs."""

from __future__ import annotations

import math
import random
import re
import time
from itertools import pairwise
from typing import Any, get_args

import pytest

from vae_core import captions
from vae_core.captions import RULES, Rule, apart, caption, nats, story, weight
from vae_core.history import HALTED, History, Point, baseline
from vae_core.records import Record
from vae_core.runs import ASSETS, Run
from vae_core.schedules import Constant, Cyclical, Delayed, Piecewise, Schedule, Sigmoid, Warmup

BASELINE = -27.2
LONGEST = 120
Made = tuple[float | int, ...]


def row(step: int, beta: float = 1.0, reconstruction: float = -20.0, kl: float = 3.6, units: int = 4) -> Record:
    """A test row with ten latents; the ELBO is the difference of its terms."""
    terms = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
    return {"step": step, "split": "test", "beta": beta, **terms, "kl_per_dimension": [0.0] * 10, "active_units": units}


def run(*made: Made, known: float = BASELINE) -> list[Record]:
    """Rows from (step, β, reconstruction, KL, active units), after the row of an untrained model."""
    first = row(0, reconstruction=-29.0, kl=2.0, units=0)
    rows = [row(int(at), float(b), float(r), float(kl), int(units)) for at, b, r, kl, units in made]
    return [first | {"baseline": known}, *rows]


IN_USE = (100, 1.0, -20.0, 3.6, 4)
EMPTY = (100, 1.0, -27.2, 0.02, 0)
TALES: list[tuple[Rule, list[Made], str, str]] = [
    (captions.broken, [IN_USE, (200, 1.0, math.nan, 3.0, 4), (300, 1.0, -20.0, math.inf, 4)], "running",
     "At step 200 the ELBO stopped being a number; at step 100 it was −23.6."),
    (captions.ended_empty, [EMPTY], "done",
     "Collapsed. The decoder ignores z: the ELBO equals that of a model without a code (−27.2)."),
    (captions.ended_empty, [(100, 1.0, -28.0, 0.02, 0)], "done",
     "Collapsed. The code is empty (KL 0.02 nats): a decoder that ignores z loses nothing."),
    (captions.not_yet, [(100, 0.1, -27.2, 0.02, 0)], "running",
     "Nothing is in the code yet; β is still low (0.10), so there is time."),
    (captions.not_yet, [(100, 0.1, -27.2, 0.02, 0)], "stopped",
     "By step 100 nothing was in the code; β was still low (0.10)."),
    (captions.still_empty, [EMPTY, (200, 0.25, -27.2, 0.02, 0)], "running",
     "Still collapsed: β is down to 0.25, yet nothing is back in the code."),
    (captions.collapsed, [(50, 1.0, -27.2, 0.5, 0), EMPTY, (200, 1.0, -27.2, 0.0, 0)], "running",
     "Collapsed at step 100: q(z|x) fell onto the prior, and the band is gone."),
    (captions.collapsed, [EMPTY], "crashed",
     "At step 100 the code is empty."),
    (captions.collapsed, [(600, 0.4, -24.0, 1.0, 2), (1260, 0.85, -27.2, 0.02, 0)], "running",
     "Collapsed at step 1,260: at β = 0.85 the last latent fell silent."),
    (captions.ended_elsewhere, [(100, 0.62, -20.0, 3.6, 4)], "done",
     "β ended at 0.62: an objective looser than the ELBO. The numbers are at β = 1."),
    (captions.ended_elsewhere, [(100, 4.0, -20.0, 3.6, 4)], "done",
     "β ended at 4.00: an objective stricter than the ELBO. The numbers are at β = 1."),
    (captions.ended_elsewhere, [(100, 0.0, -17.0, 99.0, 4)], "done",
     "β ended at 0: KL was free. The numbers are at β = 1."),
    (captions.ended, [IN_USE], "done",
     "4 of 10 latents in use: reconstruction gains 7.2 nats, the code costs 3.6. It pays."),
    (captions.ended, [(100, 1.0, -25.0, 3.6, 4)], "done",
     "4 of 10 latents in use: reconstruction gains 2.2 nats, the code costs 3.6. It does not pay."),
    (captions.ended, [(100, 1.0, -27.5, 0.3, 1)], "done",
     "The code costs 0.30 nats and brings nothing: a model without a code does better."),
    (captions.collapsed, [EMPTY, (1000, 1.0, -27.2, 0.0, 0)], "stopped",
     "At step 1,000 the code is empty, and has been since step 100."),
    (captions.halted, [IN_USE], "stopped", "By step 100, 4 of 10 latents were in use; the code paid 3.6 nats net."),
    (captions.halted, [(1100, 0.3, -25.0, 3.6, 4)], "failed",
     "By step 1,100, 4 of 10 latents were in use; the code cost 1.4 nats more than it brought."),
    (captions.free, [(100, 0.0, -25.0, 5.0, 4), (200, 0.0, -18.0, 231.4, 4)], "running",
     "β is 0: this is an autoencoder; KL is free and grew to 231.4 nats."),
    (captions.free, [(100, 0.0, -25.0, 5.0, 4)], "running",
     "β is 0: this is an autoencoder; KL is free and stands at 5.0 nats."),
    (captions.faint, [(100, 0.3, -24.0, 2.0, 4), (200, 0.6, -26.9, 0.3, 1)], "running",
     "β = 0.60 presses the code out: it costs 0.30 nats and brings only 0.30."),
    (captions.faint, [(100, 1.0, -24.0, 2.0, 4), (200, 1.0, -27.9, 0.3, 1)], "running",
     "The code still costs 0.30 nats and brings nothing now; β is 1.00."),
    (captions.early, [(5, 0.05, -27.4, 2.4, 0)], "running",
     "The code costs 2.4 nats and brings nothing so far; β = 0.05 leaves time."),
    (captions.early, [(5, 0.002, -27.0, 2.4, 0)], "running",
     "The code costs 2.4 nats and brings only 0.20 so far; β = 0.002 leaves time."),
    (captions.early, [(1, 1.0, -27.4, 3.2, 0), (5, 1.0, -27.4, 0.22, 0)], "running",
     "KL fell from 3.2 to 0.22 nats before the code was of use; β is 1.00."),
    (captions.early, [(1, 1.0, -27.4, 3.2, 0)], "running",
     "The code costs 3.2 nats and brings nothing so far; β is 1.00."),
    (captions.fell_silent, [(300, 0.4, -20.0, 4.0, 6), (600, 0.8, -20.0, 3.9, 4)], "running",
     "β = 0.80: 2 latents fell silent since step 300; 4 of 10 remain in use."),
    (captions.fell_silent, [(300, 1.0, -20.0, 4.0, 6), (600, 1.0, -20.0, 3.9, 1)], "running",
     "5 latents fell silent since step 300; 1 of 10 remains in use."),
    (captions.rising, [(50, 0.4, -27.2, 0.5, 4), (300, 0.4, -17.8, 3.6, 4)], "running",
     "KL rose 3.1 nats while reconstruction improved 9.4: the code is in use, and it pays."),
    (captions.rising, [(50, 0.4, -26.0, 3.5, 4), (300, 0.4, -21.0, 6.6, 4)], "running",
     "KL rose 3.1 nats while reconstruction improved 5.0: the code is in use, 0.40 nats too dear."),
    (captions.rising, [(50, 0.1, -26.2, 0.5, 4), (300, 0.1, -24.2, 3.6, 4)], "running",
     "KL rose 3.1 nats, reconstruction improved 2.0: it pays at β = 0.10, not yet at 1."),
    (captions.rising, [(50, 1.0, -20.0, 0.5, 4), (300, 1.0, -19.0, 3.6, 4)], "running",
     "KL rose 3.1 nats, but reconstruction improved only 1.0: the code does not pay yet."),
    (captions.rising, [(50, 1.0, -20.0, 0.5, 4), (300, 1.0, -20.0, 3.6, 4)], "running",
     "KL rose 3.1 nats, but reconstruction did not follow: the code does not pay yet."),
    (captions.squeezed, [(200, 0.2, -21.0, 5.5, 4), (400, 0.48, -20.06, 4.0, 4)], "running",
     "β = 0.48 makes the code thriftier: KL −1.5 nats, reconstruction +0.94."),
    (captions.squeezed, [(200, 1.0, -20.0, 5.5, 4), (400, 4.0, -23.0, 3.5, 4)], "running",
     "β = 4.00 squeezes the code: KL −2.0 nats, reconstruction −3.0."),
    (captions.costly, [(100, 0.3, -24.1, 9.2, 4)], "running",
     "The code costs 9.2 nats, more than it brings yet (3.1); β is 0.30."),
    (captions.level, [(step, 1.0, -20.0, 3.6, 4) for step in range(100, 901, 50)], "running",
     "Levelling off: since step 600 the ELBO has kept within 0.00 nats."),
    (captions.in_use, [IN_USE], "running",
     "4 of 10 latents in use: reconstruction gains 7.2 nats, the code costs 3.6. It pays."),
]  # fmt: skip


def history(rows: list[Record], state: str = "running") -> History:
    return History.of([Point.of(row) for row in rows], baseline(rows), state)


def speaker(rows: list[Record], state: str = "running") -> Rule:
    """The rule that has the word."""
    return next(rule for rule in RULES if rule(history(rows, state)))


@pytest.mark.parametrize(("rule", "made", "state", "sentence"), TALES, ids=lambda part: getattr(part, "__name__", ""))
def test_each_rule_says_its_sentence_and_has_the_word(rule: Rule, made: list[Made], state: str, sentence: str) -> None:
    rows = run(*made)
    assert caption(rows, state) == sentence
    assert speaker(rows, state) is rule


def test_every_rule_is_told_of() -> None:
    assert {rule for rule, *_ in TALES} == set(RULES)
    assert all(rule.__doc__ for rule in RULES)


BOUNDS: list[tuple[Rule, str, list[Made], list[Made]]] = [
    (captions.collapsed, "running", [(100, 1.0, -27.2, 0.0499, 0)], [(100, 1.0, -27.2, 0.05, 0)]),
    (captions.collapsed, "running", [(100, 1.0, -27.2, 0.0, 0)], [(100, 1.0, -27.2, 0.0, 1)]),
    (captions.not_yet, "running", [(100, 0.499, -27.2, 0.0, 0)], [(100, 0.5, -27.2, 0.0, 0)]),
    (captions.still_empty, "running", [EMPTY, (200, 0.89, -27.2, 0.0, 0)], [EMPTY, (200, 0.91, -27.2, 0.0, 0)]),
    (captions.ended_elsewhere, "done", [(100, 0.994, -20.0, 3.6, 4)], [(100, 0.996, -20.0, 3.6, 4)]),
    (captions.ended_elsewhere, "done", [(100, 1.006, -20.0, 3.6, 4)], [(100, 1.004, -20.0, 3.6, 4)]),
    (captions.free, "running", [(100, 0.00009, -20.0, 3.6, 4)], [(100, 0.0001, -20.0, 3.6, 4)]),
    (captions.early, "running", [(5, 0.1, -26.71, 1.0, 4)], [(5, 0.1, -26.69, 1.0, 4)]),
    (captions.early, "running", [(5, 0.1, -26.9, 0.31, 4)], [(5, 0.1, -26.9, 0.29, 4)]),
    (captions.early, "running", [(5, 0.1, -26.9, 0.31, 0)], [(5, 0.1, -26.4, 0.31, 0)]),
    (captions.faint, "running", [IN_USE, (200, 1.0, -26.71, 0.3, 4)], [IN_USE, (200, 1.0, -26.69, 0.3, 4)]),
    (captions.fell_silent, "running", [IN_USE, (200, 1.0, -20.0, 3.6, 2)], [IN_USE, (200, 1.0, -20.0, 3.6, 3)]),
    (captions.rising, "running", [IN_USE, (200, 1.0, -19.0, 4.11, 4)], [IN_USE, (200, 1.0, -19.0, 4.09, 4)]),
    (captions.rising, "running", [(9, 1.0, -99.0, 50.0, 4), (20, 1.0, -20.0, 55.6, 4)],
     [(9, 1.0, -99.0, 50.0, 4), (20, 1.0, -20.0, 55.5, 4)]),
    (captions.rising, "running",
     [(9, 1.0, -22.0, 2.0, 4), (20, 1.0, -20.0, 3.0, 4), (30, 1.0, -20.0, 3.0, 4), (40, 1.0, -20.0, 3.0, 4)],
     [(9, 1.0, -22.0, 2.0, 4), (20, 1.0, -20.0, 3.0, 4), (30, 1.0, -20.0, 3.0, 4), (40, 1.0, -20.0, 3.0, 4),
      (50, 1.0, -20.0, 3.0, 4)]),
    (captions.squeezed, "running", [(100, 0.5, -20.0, 4.0, 4), (200, 0.551, -20.0, 3.49, 4)],
     [(100, 0.5, -20.0, 4.0, 4), (200, 0.551, -20.0, 3.51, 4)]),
    (captions.squeezed, "running", [(100, 0.5, -20.0, 4.0, 4), (200, 0.551, -20.0, 3.4, 4)],
     [(100, 0.5, -20.0, 4.0, 4), (200, 0.549, -20.0, 3.4, 4)]),
    (captions.costly, "running", [(100, 1.0, -24.0, 3.21, 4)], [(100, 1.0, -24.0, 3.19, 4)]),
    (captions.early, "running", [(5, 0.1, -27.0, 0.1, 0)], [(5, 0.1, -27.0, 0.1, 1)]),
    (captions.free, "running", [IN_USE, (200, 0.0, -27.0, 3.0, 4)], [IN_USE, (200, 0.1, -27.0, 3.0, 4)]),
    (captions.rising, "running", [(9, 1.0, -22.0, 2.0, 4), (20, 1.0, -20.0, 3.24, 4), (30, 1.0, -20.0, 3.0, 4)],
     [(9, 1.0, -22.0, 2.0, 4), (20, 1.0, -20.0, 3.26, 4), (30, 1.0, -20.0, 3.0, 4)]),
    (captions.costly, "running", [(step, 1.0, -25.0, 2.3, 4) for step in range(10, 30)],
     [(step, 1.0, -25.0, 2.1, 4) for step in range(10, 30)]),
    (captions.level, "running", [(step, 1.0, -26.6, 0.1, 4) for step in range(10, 30)],
     [(step, 1.0, -26.9, 0.1, 4) for step in range(10, 30)]),
    (captions.level, "running", [*((step, 1.0, -20.0, 3.6, 4) for step in range(10, 30)), (30, 1.0, -20.24, 3.6, 4)],
     [*((step, 1.0, -20.0, 3.6, 4) for step in range(10, 30)), (30, 1.0, -20.26, 3.6, 4)]),
    (captions.level, "running", [(step, 1.0, -20.0, 3.6, 4) for step in range(25, 31)],
     [(step, 1.0, -20.0, 3.6, 4) for step in range(26, 31)]),
    (captions.level, "running", [(step, 0.5 + step / 2000, -20.0, 3.6, 4) for step in range(21, 31)],
     [(step, 0.5 + step / 1000, -20.0, 3.6, 4) for step in range(21, 31)]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "state", "inside", "outside"), BOUNDS, ids=lambda part: getattr(part, "__name__", ""))
def test_a_rule_speaks_on_one_side_of_its_bound_only(
    rule: Rule, state: str, inside: list[Made], outside: list[Made]
) -> None:
    assert speaker(run(*inside), state) is rule
    assert speaker(run(*outside), state) is not rule


def test_what_is_of_use_and_what_is_level_grows_with_the_size_of_the_images() -> None:
    assert speaker(run((5, 0.1, -399.1, 9.0, 4), known=-400.0)) is captions.early
    assert speaker(run((5, 0.1, -398.9, 9.0, 4), known=-400.0)) is captions.costly
    flat = [(float(step), 1.0, -40.0, 10.0, 4) for step in range(10, 30)]
    assert speaker(run(*flat, (30, 1.0, -40.45, 10.0, 4), known=-100.0)) is captions.level
    assert speaker(run(*flat, (30, 1.0, -40.55, 10.0, 4), known=-100.0)) is captions.in_use


@pytest.mark.parametrize(
    ("latents", "before", "now", "told"), [(4, 4, 3, True), (9, 5, 4, True), (20, 9, 6, False), (20, 9, 5, True)]
)
def test_of_many_latents_more_must_fall_silent_to_be_told(latents: int, before: int, now: int, told: bool) -> None:
    rows = [
        row | {"kl_per_dimension": [0.1] * latents}
        for row in run((100, 1.0, -20.0, 3.6, before), (200, 1.0, -20.0, 3.6, now))
    ]
    assert (speaker(rows) is captions.fell_silent) is told


@pytest.mark.parametrize(("kl", "words"), [(0.74, "KL fell from 1.0 to 0.74"), (0.76, "The code costs 0.76")])
def test_a_kl_has_fallen_when_a_quarter_of_it_is_gone(kl: float, words: str) -> None:
    assert caption(run((1, 1.0, -27.4, 1.0, 0), (5, 1.0, -27.4, kl, 0))).startswith(words)


@pytest.mark.parametrize(("kl", "words"), [(9.0, "grew to 9.0"), (7.0, "stands at 7.0"), (5.4, "stands at 5.4")])
def test_a_free_kl_grew_only_while_it_grows(kl: float, words: str) -> None:
    assert words in caption(
        run((1, 0.0, -25.0, 5.0, 4), (2, 0.0, -25.0, 8.0, 4), *[(3, 0.0, -25.0, 8.0, 4)] * 2, (4, 0.0, -25.0, kl, 4))
    )


@pytest.mark.parametrize("state", ["running", "paused", "queued", "done", "crashed"])
def test_one_row_is_no_story_yet(state: str) -> None:
    assert caption([], state) == ""
    assert caption(run(), state) == ""
    assert caption(run(known=math.nan), state) == ""


ORDER: list[tuple[str, list[Made], str]] = [
    ("broken before empty", [EMPTY, (200, 1.0, math.nan, math.nan, 0)], "stopped being a number"),
    ("empty before where β ended", [(100, 0.3, -27.2, 0.0, 0)], "Collapsed."),
    ("where β ended before what it paid", [(100, 0.3, -20.0, 3.6, 4)], "β ended"),
]


@pytest.mark.parametrize(("made", "words"), [case[1:] for case in ORDER], ids=[case[0] for case in ORDER])
def test_of_a_finished_run_the_most_important_comes_first(made: list[Made], words: str) -> None:
    assert words in caption(run(*made), "done")


def test_a_collapse_keeps_its_date_while_noise_goes_over_the_bound() -> None:
    made = [(50, 1.0, -27.9, 0.9, 1), (71, 1.0, -27.2, 0.03, 0), (80, 1.0, -27.2, 0.06, 0), (90, 1.0, -27.2, 0.03, 1)]
    rows = run(*made)
    told = "Collapsed at step 71: q(z|x) fell onto the prior, and the band is gone."
    assert [caption(rows[: count + 1]) for count in range(2, len(rows))] == [told] * (len(rows) - 2)
    assert "Collapsed" not in caption([*rows, *run((100, 1.0, -27.2, 0.11, 1))])
    assert "Collapsed" not in caption([*rows, *run((100, 0.5, -27.2, 0.06, 1))])  # β was lowered, and it comes back


def test_latents_that_fall_silent_are_told_before_a_kl_that_rises() -> None:
    rows = run((100, 0.5, -24.0, 2.0, 8), (200, 0.9, -18.0, 5.0, 3))
    assert captions.rising(history(rows)) is not None
    assert "fell silent" in caption(rows)


def test_a_reconstruction_below_the_baseline_is_never_the_merit_of_the_code() -> None:
    rows = run((10, 1.0, -68.0, 1.0, 4), (20, 1.0, -20.0, 4.0, 4))
    assert "improved 7.2" in caption(rows)


@pytest.mark.parametrize("state", HALTED)
def test_a_run_that_stands_is_told_in_the_past(state: str) -> None:
    assert caption(run(IN_USE), state).startswith("By step 100, 4 of 10 latents were in use")


def test_without_a_baseline_nothing_is_said_that_would_need_it() -> None:
    rows = run(IN_USE, known=math.nan)
    assert caption(rows) == "4 of 10 latents in use: the code costs 3.6 nats, and the ELBO is −23.6."
    assert caption(rows, "done") == caption(rows)
    assert caption(rows, "stopped") == "By step 100, 4 of 10 latents were in use; the ELBO was −23.6."
    assert "model without" not in caption(run(EMPTY, known=math.nan), "done")


def test_numbers_written_as_text_are_read() -> None:
    rows = run(IN_USE)
    assert caption([*rows, row(200) | {"kl": "inf", "elbo": "-inf"}]).startswith("At step 200")
    assert caption([rows[0] | {"kl": "nan"}, *rows[1:]]) == ""
    assert caption([rows[0] | {"elbo": "nan"}, *run(IN_USE, (200, *IN_USE[1:]))[1:]]).startswith("4 of 10")


def test_numbers_that_never_were_numbers_are_said_to_be_none() -> None:
    broken = {"elbo": "nan", "kl": "nan"}
    assert caption([row(0) | broken, row(1) | broken]) == "At step 0 the ELBO stopped being a number."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e6, "1.0e6"),
        (-2.5e12, "−2.5e12"),
        (math.nan, "–"),
        (-math.inf, "–"),
        (9e5, "900,000.0"),
        (-0.004, "0.00"),
    ],
)
def test_no_number_of_nats_is_long_or_none(value: float, text: str) -> None:
    assert nats(value) == text


@pytest.mark.parametrize(
    ("one", "other", "between"),
    [(-23.57, -27.23, 3.6), (-23.0, -23.2, 0.2), (-0.124, -0.456, 0.34), (-0.5, -1.26, 0.8), (-132.74, -200.57, 67.9)],
)
def test_a_difference_is_that_of_the_numbers_as_they_are_printed(one: float, other: float, between: float) -> None:
    assert apart(one, other) == between
    read = [float(nats(value).replace("\u2212", "-")) for value in (one, other)]
    assert nats(apart(one, other)) == nats(round(read[0] - read[1], 2))


@pytest.mark.parametrize(
    ("beta", "text"), [(0.0, "0.00"), (1e-40, "0.00"), (0.0013, "0.001"), (0.005, "0.01"), (0.996, "1.00"), (4, "4.00")]
)
def test_a_small_beta_keeps_the_digit_that_counts(beta: float | int, text: str) -> None:
    assert weight(beta) == text


def fit_to_show(sentence: str) -> bool:
    """Short enough for two lines, and no number that is none, nor one with a hyphen for a minus."""
    return len(sentence) <= LONGEST and not re.search(r"nan|inf\b|-\d|\n", sentence)


def random_row(dice: random.Random, step: int) -> Record:
    """A row of plausible, extreme, missing or broken numbers."""
    odd = [0.0, -0.0, 1e-9, 1e5, 1e300, -1e300, math.nan, "nan", "inf", "-inf", None]
    size = 10 ** dice.uniform(-3, 4)
    reconstruction, kl = BASELINE + dice.uniform(-size, size), dice.uniform(0, size)
    terms: dict[str, Any] = {"reconstruction": reconstruction, "kl": kl, "elbo": reconstruction - kl}
    terms |= {"beta": dice.choice([0.0, 1.0, dice.random(), 1000 * dice.random()]), "active_units": dice.randint(0, 9)}
    if dice.random() < 0.3:
        terms |= {name: dice.choice(odd) for name in ("elbo", "kl", "reconstruction") if dice.random() < 0.4}
    made = {"step": step, "split": "test", **terms, "kl_per_dimension": [0.1] * dice.choice([0, 9, 4096])}
    if dice.random() < 0.1:
        made.pop(dice.choice(["elbo", "kl", "active_units", "kl_per_dimension", "reconstruction", "beta"]))
    return made


def test_whatever_the_rows_the_words_are_fit_to_show() -> None:
    dice = random.Random(7)
    heard = set()
    for _ in range(1000):
        steps = sorted(dice.sample(range(10_000_000), dice.randint(0, 9)))
        rows = [random_row(dice, step) for step in steps]
        for first in rows[:1]:
            first |= dice.choice(
                [{}, {"baseline": BASELINE}, {"baseline": dice.uniform(-300, 50)}, {"baseline": "nan"}]
            )
        state = dice.choice(["running", "paused", "done", "odd", *HALTED])
        said = caption(rows, state)
        assert fit_to_show(said), said
        assert [entry[1] for entry in story(rows, state)][-1:] == ([said] if rows else [])
        heard |= {speaker(rows, state)} if said else set()
    assert heard == set(RULES) - {captions.level}


SHIPPED = {path.name: Run(path).rows("test") for path in sorted(ASSETS.iterdir())}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_story_is_the_caption_at_each_row_told_where_it_changes(name: str) -> None:
    rows = SHIPPED[name]
    told = story(rows, "done")
    at_each = {row["step"]: caption(rows[:count], "running") for count, row in enumerate(rows, 1)}
    at_each[rows[-1]["step"]] = caption(rows, "done")
    assert all(at_each[step] == sentence for step, sentence in told)
    assert all(one != other for (_, one), (_, other) in pairwise(told))
    replayed = {step: [sentence for since, sentence in told if since <= step][-1] for step in at_each}
    assert replayed == at_each


@pytest.mark.parametrize("name", SHIPPED)
def test_the_words_of_a_shipped_run_are_fit_to_show(name: str) -> None:
    told = story(SHIPPED[name], "done")
    assert told[0] == (0, "")
    assert all(fit_to_show(sentence) and len(sentence) <= 95 for _, sentence in told)
    assert all(
        sentence.endswith(".") and sentence[0] in "ABCDEFGHIJKLMNOPQRSTUVWXYZβ0123456789" for _, sentence in told[1:]
    )


ARCS = {
    "digits-collapsed": ["brings nothing", "KL fell from", "Collapsed at step 20", "Collapsed. The decoder ignores z"],
    "digits-annealed": ["brings nothing", "not yet at 1", "too dear", "thriftier", "fell silent",
                        "Levelling off", "reconstruction gains 7.2 nats, the code costs 3.6. It pays."],
    "mnist-collapsed": ["KL fell from 6.2", "Collapsed at step 44", "without a code (−200.6)"],
    "mnist-annealed": ["brings nothing", "and it pays", "thriftier", "10 latents fell silent", "9 of 20 latents"],
    "digits-z2": ["brings only", "not yet at 1", "more than it brings", "thriftier", "2 of 2"],
    "mnist-z2": ["brings nothing", "it pays", "thriftier", "2 of 2 latents in use"],
    "mnist-conv10": ["Nothing is in the code yet", "not yet at 1", "more than it brings", "thriftier", "10 of 10"],
}  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_run_tells_what_happened_to_it_in_order(name: str) -> None:
    rest = iter(sentence for _, sentence in story(SHIPPED[name], "done"))
    for words in ARCS[name]:
        assert any(words in sentence for sentence in rest), words


def test_a_story_is_fast() -> None:
    rows = [row(step, 1.0, -20.0 - 0.1 * (step % 7), 3.6 + 0.2 * (step % 5), step % 11) for step in range(60)]
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        story(rows, "done")
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.1  # a millisecond where the types are not checked at every call, as they are in tests


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Constant(), "β = 1 from the start"),
        (Constant(value=0.0), "β = 0: no price on the code"),
        (Constant(value=0.25), "β = 0.25 throughout"),
        (Constant(value=1e-7), "β = 1e−07 throughout"),
        (Warmup(), "β rises over 750 steps"),
        (Warmup(steps=1), "β rises over 1 step"),
        (Warmup(steps=1500, target=4.0), "β rises to 4 over 1,500 steps"),
        (Warmup(start=0.2), "β rises from 0.2 to 1 over 750 steps"),
        (Warmup(start=4.0), "β falls from 4 to 1 over 750 steps"),
        (Warmup(start=1.0, target=1.0), "β = 1 from the start"),
        (Delayed(), "β waits 300 steps, then rises over 450"),
        (Delayed(wait=1, ramp=1200, target=2.0), "β waits 1 step, then rises to 2 over 1,200"),
        (Delayed(ramp=0), "β waits 300 steps, then jumps to 1"),
        (Delayed(wait=0), "β rises over 450 steps"),
        (Delayed(wait=0, ramp=0), "β = 1 from the start"),
        (Delayed(target=0.0), "β = 0: no price on the code"),
        (Sigmoid(middle=1500), "β rises around step 1,500"),
        (Cyclical(), "β rises and falls every 375 steps"),
        (Piecewise(points=((0, 0.0), (9, 1.0), (20, 0.5))), "β follows 3 points of your own"),
        (Piecewise(points=((5, 0.5),)), "β = 0.5 throughout"),
    ],
    ids=lambda part: getattr(part, "kind", ""),
)
def test_a_schedule_says_itself_in_a_few_words(schedule: Schedule, words: str) -> None:
    assert schedule.words == words
    assert len(words) <= 60


@pytest.mark.parametrize("variant", get_args(get_args(Schedule)[0]), ids=lambda v: v.__name__)
def test_every_schedule_has_words_that_begin_with_beta(variant: type) -> None:
    assert variant().words.startswith("β ")
