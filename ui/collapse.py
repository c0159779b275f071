"""Collapse: one verdict on a run, why, what to do about it, and the figure that shows it; the evidence is folded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from ui.asking_first import answer, ask, asking_link, may_tell
from ui.collapse_cure import in_words, what_to_do
from ui.collapse_folds import folds
from ui.data import config_of
from ui.handin import tell
from ui.parts import lead, safe_sentence, theme, told
from vae_core.branching import points
from vae_core.checkpoints import BadCheckpoint
from vae_core.diagnostic_plots import ROWS, price_and_use
from vae_core.handin import Finding
from vae_core.opened import Opened
from vae_core.plots import KNOBS
from vae_core.report import Report, report
from vae_core.runs import LIVE, Run
from vae_core.verdicts import Kind, Verdict, judge

LOOKS_AGAIN = 3.0  # seconds between looks at a run that trains
# Colour, icon and word of each kind of verdict.
MARKS: dict[Kind, tuple[str, str, str]] = {
    "healthy": ("green", "check_circle", "Healthy"),
    "healthy-unused": ("green", "check_circle", "Healthy"),
    "optimal": ("orange", "info", "Nothing is broken"),
    "too-early": ("orange", "schedule", "Too early"),
    "unfinished": ("orange", "hourglass_bottom", "Unfinished"),
    "cannot-tell": ("orange", "help", "Cannot tell"),
    "stuck": ("red", "error", "Collapsed"),
    "dead": ("red", "error", "Dead"),
}
ANSWERS: dict[str, tuple[Kind, ...]] = {
    "It uses its code": ("healthy", "healthy-unused"),
    "It collapsed, and could be cured": ("stuck", "dead"),
    "It collapsed, and that is the best it can do": ("optimal",),
    "Cannot tell yet": ("too-early", "unfinished", "cannot-tell"),
}
STYLE = """<style>
.st-key-verdict { min-height: 72px; } /* two lines: the slider below stays under the pointer */
.st-key-verdict [data-testid="stMarkdownContainer"] p {
  font-family: "Source Serif", serif; font-size: 24px; line-height: 32px; max-width: 44em; margin: 0 0 8px;
}
.st-key-verdict span { font-weight: 600; }
[class*="st-key-cure-"] button { height: auto; }
[class*="st-key-cure-"] button * { white-space: normal; overflow: visible; text-align: left; }
</style>"""


def collapse_page(run: Run) -> Verdict | None:
    """The page under the run's bar; returns the verdict, if there is one and the reader has seen it."""
    st.html(STYLE)
    if not Opened.of(run) and not points(run):
        _without_weights(run)
        return None
    above = st.container()
    left, right = st.columns([6, 7], gap="large")
    with right:
        place = st.container()
        step = _scrubber(run)
    with above:
        found = _found(run, step)
    if found is None:
        return None
    said = judge(found, config_of(run))
    seen = may_tell(run.name)
    tell(run, _finding(run, said, found) if seen else None)
    with above:
        if seen:
            if given := _answer(run, said):
                st.caption(f"You said: {given}")
            _verdict(said)
        else:
            lead("Does this run use its code? Look at the evidence, and say what you think.")
    with place:
        _main_figure(run, found)
    if run.state in LIVE:
        with right:
            _look_again(run, found.step)
    with left:
        if seen:
            _why(said, found)
            what_to_do(run, said)
        else:
            ask(run.name, "Your answer", [*ANSWERS], "Show the verdict")
            asking_link("collapse")
    folds(run, found, said if seen else None)
    return said if seen else None


def _found(run: Run, step: int | None) -> Report | None:
    """The report; where there can be none, it is said why."""
    with told():
        try:
            return _report(run, step)
        except BadCheckpoint:
            _without_weights(run)
    return None


def _without_weights(run: Run) -> None:
    """A run of which there is nothing to look at, and why."""
    if run.state in LIVE:
        lead("There is nothing to judge yet: this run has not written down its first weights.")
        _look_again(run, -1)
    else:
        lead("There is nothing to judge: this run has no weights that can be read.")
        if run.message:
            st.caption(safe_sentence(run.message))


def _report(run: Run, step: int | None) -> Report:
    version = (*run.version, *list(points(run))[-1:])
    return _cached_report(str(run.path), version, run.state in LIVE, step)


@st.cache_data(max_entries=128, show_spinner=False)
def _cached_report(path: str, version: tuple[int, ...], live: bool, step: int | None) -> Report:
    return report(Run(Path(path)), step)


# The step


def _scrubber(run: Run) -> int | None:
    """The step to look at, kept in the address as `step=`; None for the newest."""
    steps = list(points(run))
    if len(steps) < 2:
        return None
    asked = st.query_params.get("step", "")
    if asked and not asked.isdecimal():
        st.caption("A step is a whole number; here are the newest weights.")
    key = _slider(run, steps[-1])
    st.session_state.setdefault(key, at_or_before(asked, steps))

    def keep() -> None:
        chosen = st.session_state[key]
        if chosen == steps[-1]:
            st.query_params.pop("step", None)
        else:
            st.query_params["step"] = str(chosen)

    chosen = st.select_slider(
        "After step", steps, format_func=lambda step: f"{step:,}", key=key, on_change=keep,
        label_visibility="collapsed",
    )  # fmt: skip
    return None if chosen == steps[-1] else chosen


def _slider(run: Run, newest: int) -> str:
    """The slider's key: while the run trains it grows, and is another one each time."""
    return f"step-{run.name}-{newest}"


def at_or_before(asked: str, steps: Sequence[int]) -> int:
    """The last of the steps that is not after what was asked for, else the first; the last if it is no number."""
    wanted = int(asked) if asked.isdecimal() and len(asked) < 12 else steps[-1]
    return next((step for step in reversed(steps) if step <= wanted), steps[0])


def _look_again(run: Run, shown: int) -> None:
    """While the run lives: looks for newer weights now and then, and offers them."""

    @st.fragment(run_every=LOOKS_AGAIN)
    def look() -> None:
        newest = max(points(run), default=-1)
        if run.state not in LIVE or (shown < 0 <= newest):
            st.rerun()
        if newest > shown >= 0 and st.button(f"Look at step {newest:,}", key=f"newest-{run.name}", on_click=go):
            st.rerun()

    def go() -> None:
        st.query_params.pop("step", None)
        st.session_state.pop(_slider(run, max(points(run))), None)

    look()


# What is said


def _answer(run: Run, said: Verdict) -> str:
    """What the reader said, and whether the evidence says so too; empty if they were not asked."""
    if given := answer(run.name):
        agrees = said.kind in ANSWERS[given]
        return f"“{given}”. The evidence {'agrees' if agrees else 'says otherwise'}."
    return ""


def _finding(run: Run, said: Verdict, found: Report) -> Finding:
    """What this page says, for the one that is handed in."""
    remedy = in_words(run, said)
    return Finding(said.sentence, tuple(said.why), remedy, _when(found) + _measured(found), _answer(run, said))


def _when(found: Report) -> str:
    return "" if found.opened else f"After step {found.step:,} of {found.steps:,}. "


def _measured(found: Report) -> str:
    return f"Measured on {found.count:,} images, at β = 1."


def _verdict(said: Verdict) -> None:
    """Icon, word and sentence; the word is the sentence's own where it begins with it."""
    colour, icon, word = MARKS[said.kind]
    rest = said.sentence
    if rest.startswith((f"{word}.", f"{word}:")):
        rest = rest[len(word) + 1 :].strip()
        rest = rest[:1].upper() + rest[1:] if rest[:1].isascii() else rest
    with st.container(key="verdict"):
        st.markdown(f":{colour}[:material/{icon}: {word}.] {safe_sentence(rest)}")


def _why(said: Verdict, found: Report) -> None:
    """The measured numbers that the verdict rests on; faults of estimates stand apart."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("Why", anchor=False, width="content")
        asking_link("collapse")
    sentences = [sentence for sentence in said.why if sentence not in found.faults]
    st.markdown("\n".join(f"- {safe_sentence(sentence)}" for sentence in sentences))


def _main_figure(run: Run, found: Report) -> None:
    """What each latent costs and brings; on the scale of the newest weights, so that steps can be compared."""
    codes, gain = found.codes, found.listening.zeroing_cost
    newest = _report(run, None)
    reach = (max(newest.codes.kl), max(newest.listening.zeroing_cost, default=0.0))
    figure = price_and_use(codes.kl, gain, codes.regime, theme(), reach)
    brings = ", and what reconstruction loses without it" if gain else ""
    words = f"What each latent costs{brings}, nats per image: {codes.active_units} of {len(codes.kl)} in use."
    st.plotly_chart(figure, theme=None, config=KNOBS, alt=words, key="price-and-use")
    left_out = sorted(codes.kl)[:-ROWS]
    rest = f" The {len(left_out)} not shown cost at most {max(left_out):.2f} each." if left_out else ""
    st.caption(f"{_when(found)}{words}{rest} {_measured(found)}")
    for fault in found.faults:
        st.markdown(f":orange[:material/warning: {safe_sentence(fault)}]")
