"""Below a verdict, folded: all numbers with their bounds, what the layers do, and the code that measures it."""

from __future__ import annotations

import html
import inspect
import math
from collections.abc import Callable
from typing import Any

import streamlit as st

from ui.data import config_of
from ui.numbers import table
from ui.parts import hint, safe_sentence, theme
from vae_core import diagnostics
from vae_core.captions import MINUS, nats
from vae_core.diagnostic_plots import by_price, by_threshold, polarised, responses
from vae_core.diagnostics import ACTIVE
from vae_core.diagnostics.codes import EPSILON
from vae_core.glossary import Term, term
from vae_core.plots import KNOBS
from vae_core.report import Report
from vae_core.report.words import short
from vae_core.runs import Run
from vae_core.verdicts import RULES, Verdict

APART = 1.0  # nats between the two estimates of the mutual information, from which N images are too few
Row = tuple[str, str, str]  # an entry of the glossary, its value, and what to read beside it
SOURCES: tuple[Callable[..., Any], ...] = (
    diagnostics.elbo, diagnostics.kl_per_dimension, diagnostics.kl_quantiles, diagnostics.variance_of_means,
    diagnostics.active_units, diagnostics.active_units_curve, diagnostics.collapsed, diagnostics.collapsed_fraction,
    diagnostics.collapsed_curve, diagnostics.sigma_per_dimension, diagnostics.polarised_regime,
    diagnostics.mutual_information, diagnostics.mutual_information_bracket, diagnostics.elbo_surgery,
    diagnostics.shuffle_cost, diagnostics.zeroing_cost, diagnostics.decoder_responses, diagnostics.silent_units,
    diagnostics.dead_units, diagnostics.encoder_signal, diagnostics.data_eigenvalues, diagnostics.worth_of_a_code,
    diagnostics.broken_bounds,
)  # fmt: skip
LATENTS = ("kl_per_dimension", "zeroing_cost", "variance", "sigma", "kl_quantiles")  # entries of the glossary
LAYERS = ("decoder_response", "silent_units", "dead_units")


def folds(run: Run, found: Report, said: Verdict | None) -> None:
    """The folds; without a verdict nothing in them names it."""
    with st.expander("Numbers"):
        _numbers(found)
    with st.expander("Each latent, each layer"):
        _latents_and_layers(found)
    with st.expander("How it is computed"):
        _source(run, found, said)


# Numbers


def _numbers(found: Report) -> None:
    rows = [(_hint(term(name)), [html.escape(value), html.escape(beside)]) for name, value, beside in numbers(found)]
    left, right = st.columns([8, 5], gap="large")
    with left:
        st.html(table("Nats per image, test, β = 1", ["", "Beside it"], rows))
        st.caption(surgery(found))
    codes, latents = found.codes, len(found.codes.kl)
    with right:
        st.plotly_chart(
            by_threshold(codes.thresholds, codes.active_units_curve, ACTIVE, "threshold of Var(μ)", theme(), latents),
            theme=None, config=KNOBS, key="active-curve",
            alt="How many latents count as active, at each threshold of Var(μ)",
        )  # fmt: skip
        st.caption(f"Active units at each threshold. At the usual {ACTIVE:g}: {codes.active_units} of {latents}.")
        st.plotly_chart(
            by_threshold(codes.thresholds, codes.collapsed_curve, EPSILON, "ε, nats", theme()),
            theme=None, config=KNOBS, key="collapsed-curve", alt="The share of collapsed latents, at each ε",
        )  # fmt: skip
        st.caption(
            "Latents that cost less than ε for 99 % of the images. "
            f"At the usual {EPSILON:g}: {codes.collapsed_fraction:.0%}."
        )


def numbers(found: Report) -> list[Row]:
    """Each quantity that could be measured, as text, with its bound or with what it is to be compared with."""
    codes, past, listening, latents = found.codes, found.past, found.listening, len(found.codes.kl)
    rows: list[Row] = [
        ("elbo", _nats(found.elbo), f"a model that ignores z: {_nats(found.baseline)}"),
        ("reconstruction", _nats(found.reconstruction), ""),
        ("kl", nats(found.kl), f"at the largest {nats(max(codes.kl))} for one latent"),
        ("active_units", f"{codes.active_units}", f"of {latents}, by Var(μ) > {ACTIVE:g}"),
        ("collapsed_fraction", f"{round(codes.collapsed_fraction * latents)}", f"of {latents}, by KL < {EPSILON:g}"),
        (
            "mutual_information",
            f"{_two(codes.mutual_information)} ± {_two(codes.mutual_information_error)}",
            _ln(found),
        ),
        ("mutual_information_high", _two(codes.mutual_information_high), "leave one out: the truth is in between"),
        ("marginal_kl", _rest(found), ""),
        ("shuffle_cost", _nats(listening.shuffle_cost), "zero if the decoder ignores z"),
        ("encoder_signal", short(listening.encoder_signal), ""),
        ("gradient_norm_encoder", short(past.gradient_norm_encoder), _at_first(past.first_gradient_norm_encoder)),
        ("gradient_norm_decoder", short(past.gradient_norm_decoder), ""),
    ]
    if found.price:
        rows.append(("largest_eigenvalue", f"{found.price.eigenvalue:.2f}", f"its price: {found.price.price:.2f}"))
        rows.append(("worth_of_a_code", nats(found.price.worth), ""))
    return [row for row in rows if row[1] != "–"]


def surgery(found: Report) -> str:
    """KL = I + KL of q(z), as it is shown; with a warning where the images are too few to tell the two apart."""
    codes = found.codes
    told = (
        f"KL {_two(found.kl)} = {_two(codes.mutual_information)} that the code tells of its image + "
        f"{_rest(found)} by which the codes of all images together miss the prior."
    )
    if codes.mutual_information_high - codes.mutual_information <= APART:
        return told
    return f"{told} These images are too few to tell the two apart: the first is too low, the second too high."


def _rest(found: Report) -> str:
    """The marginal KL, rounded so that the parts sum to the whole as they are shown."""
    return _two(round(round(found.kl, 2) - round(found.codes.mutual_information, 2), 2))


def _ln(found: Report) -> str:
    images = min(diagnostics.PAIRS, found.count)
    return f"at most ln {images:,} = {_two(found.codes.mutual_information_ceiling)}"


def _two(value: float) -> str:
    text = f"{abs(value):.2f}"
    return "–" if not math.isfinite(value) else (MINUS if value < 0 and text != "0.00" else "") + text


def _nats(value: float | None) -> str:
    return "–" if value is None else nats(value)


def _at_first(value: float | None) -> str:
    return "" if value is None else f"at the first step {short(value)}"


# Latents and layers


def _latents_and_layers(found: Report) -> None:
    codes = found.codes
    left, right = st.columns(2, gap="large")
    with left:
        figure = polarised(codes.noise, codes.variance, codes.kl, theme())
        words = "Each latent between sure of its image, at the upper left, and the prior, at the lower right."
        st.plotly_chart(figure, theme=None, config=KNOBS, alt=words, key="polarised")
        st.caption(f"{words} {_regimes(found)} On the dotted line all codes together are as wide as the prior.")
    with right:
        _layers(found)
    st.html(table("Latent", [_hint(term(name)) for name in LATENTS], _latents(found)))


def _regimes(found: Report) -> str:
    count = {name: found.codes.regime.count(name) for name in ("active", "passive", "mixed")}
    return ", ".join(f"{number} {name}" for name, number in count.items() if number).capitalize() + "."


def _layers(found: Report) -> None:
    """Whether the decoder still moves with z, layer by layer, and what is dead in both networks."""
    listening = found.listening
    if not listening.first_response or len(listening.first_response) != len(listening.response):
        st.caption("What its layers did untrained is not known of a model that was trained elsewhere.")
        return
    figure = responses(listening.response, listening.first_response, theme())
    words = "How much each hidden layer of the decoder moves with z, beside what it did untrained."
    st.plotly_chart(figure, theme=None, config=KNOBS, alt=words, key="responses")
    st.caption(f"{words} A decoder that does not move gives the encoder nothing to follow.")
    st.html(table("Layer", [_hint(term(name)) for name in LAYERS], layers(found)))


def layers(found: Report) -> list[tuple[str, list[str]]]:
    """Response, silent and dead share of each hidden layer; of the encoder's, the dead share."""
    listening = found.listening
    decoder = zip(listening.response, listening.silent, listening.dead, strict=False)
    rows = [
        (f"decoder {place}", [f"{response:.2g}", f"{silent:.0%}", f"{dead:.0%}"])
        for place, (response, silent, dead) in enumerate(decoder, 1)
    ]
    return rows + [
        (f"encoder {place}", ["–", "–", f"{dead:.0%}"]) for place, dead in enumerate(listening.dead_encoder, 1)
    ]


def _latents(found: Report) -> list[tuple[str, list[str]]]:
    """One row for each of the most expensive latents."""
    codes, gain = found.codes, found.listening.zeroing_cost
    levels = [codes.kl_levels.index(level) for level in (0.05, 0.5, 0.95)]
    return [
        (
            f"z{place + 1}, {codes.regime[place]}",
            [
                _two(codes.kl[place]),
                _two(gain[place]) if gain else "–",
                f"{codes.variance[place]:.2f}",
                f"{codes.sigma[place]:.2f}",
                " / ".join(_two(codes.kl_quantiles[level][place]) for level in levels),
            ],
        )
        for place in by_price(codes.kl)
    ]


# Source


def _source(run: Run, found: Report, said: Verdict | None) -> None:
    """One function as it stands in the program; the rule that gave the verdict is the first of them."""
    choices = {function.__name__: function for function in SOURCES}
    if said:
        rule = next(rule for rule in RULES if rule(found, config_of(run)))
        choices = {f"the verdict: {rule.__name__}": rule, **choices}
    name = st.selectbox("Diagnostic", [*choices], key="source", format_func=lambda name: name.replace("_", " "))
    st.caption(safe_sentence((inspect.getdoc(choices[name]) or "").split("\n")[0]))
    st.code(inspect.getsource(choices[name]), language="python")


def _hint(what: Term) -> str:
    return hint(html.escape(what.label), what.hover)
