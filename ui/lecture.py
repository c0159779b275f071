"""The lecture's equations as pages: sections, each with an equation, a view that moves, and a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ui.browser import view_component, view_data
from ui.controls import open_run
from ui.parts import heading, page
from vae_core.runs import Run

STYLE = """<style>
.st-key-sections { border-bottom: 1px solid var(--fr-rule); gap: 0 24px; margin: 0 0 4px; }
.st-key-sections [data-testid="stElementContainer"] { margin: 0; }
.st-key-sections [data-testid="stPageLink-NavLink"], .fr-section {
  display: block; padding: 4px 0; margin: 0; border-radius: 0; font-size: 15px; line-height: 24px;
  border-bottom: 2px solid transparent; color: var(--fr-muted);
}
.st-key-sections [data-testid="stPageLink-NavLink"]:hover { background: none; color: var(--fr-ink); }
.st-key-sections .fr-section { border-bottom-color: var(--fr-ink); color: var(--fr-ink); font-weight: 600; }
.st-key-words .katex-display { margin: 0 0 12px; text-align: left; overflow-x: auto; overflow-y: hidden; }
.st-key-words .katex-display > .katex { text-align: left; }
.st-key-words .katex { font-size: 1.06em; }
.st-key-words [data-testid="stMarkdownContainer"] p { font-family: "Source Serif", serif; font-size: 17px; line-height: 25px; }
@media (max-width: 1100px) { .st-key-lecture [data-testid="stColumn"] { min-width: 100%; } }
</style>"""


@dataclass(frozen=True)
class Section:
    """One equation of the lecture. `module` under `/files/lecture` draws its view; `state` stands in the address.

    `right` is the place of the choice that the numbers of the view confirm; `answer` says why.
    """

    name: str
    title: str
    equation: str
    text: str
    question: str
    choices: tuple[str, ...]
    right: int
    answer: str
    state: tuple[str, ...] = ()
    about_run: bool = False
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def mount(self) -> str:
        """The function of the module that makes the view."""
        return f"mount{self.name.title()}"


def open_section(name: str, sections: Sequence[Section]) -> tuple[Section, Run | None]:
    """The head of a page: its run or its title, and the row of its sections; which section is open, and about which run.

    The address chooses with `section=`; without it the first section is open.
    """
    st.html(STYLE)
    wanted = st.query_params.get("section")
    here = next((section for section in sections if section.name == wanted), sections[0])
    run = None
    if here.about_run:
        run, _ = open_run(name, batches=False)
    else:
        heading(name)
    st.query_params["section"] = here.name
    with st.container(horizontal=True, key="sections"):
        for section in sections:
            _tab(name, section, here)
    return here, run


def show_section(here: Section, run: Run | None, data: dict[str, Any] | None = None) -> bool:
    """A section: its view, with its words beside it. Returns whether its answer may be seen."""
    seen = _seen(here)
    with st.container(key="lecture"):
        left, right = st.columns([8, 4], gap="large")
        with left:
            shown = view_data(run, here.state) if run else {"base": "", "query": _query(here)}
            _component(here)(
                key=f"{here.name}-{run.name if run else ''}",
                data={**shown, "data": {**here.data, **(data or {})}, "ask": not seen},
            )
        with right, st.container(key="words"):
            _words(here, seen)
    return seen


def _tab(name: str, section: Section, here: Section) -> None:
    if section is here:
        st.html(f'<span class="fr-section" aria-current="true">{section.title}</span>', width="content")
        return
    kept = {key: st.query_params[key] for key in ("run", "ask") if key in st.query_params}
    st.page_link(page(name), label=section.title, query_params={"section": section.name, **kept})


def _query(here: Section) -> dict[str, str]:
    return {name: st.query_params[name] for name in here.state if name in st.query_params}


@st.cache_resource
def _made(name: str, mount: str, state: tuple[str, ...]) -> Any:
    return view_component(f"lecture_{name}", f"lecture/{name}.mjs", mount, state)


def _component(here: Section) -> Any:
    return _made(here.name, here.mount, here.state)


# The words


def _words(here: Section, seen: bool) -> None:
    st.latex(here.equation)
    st.markdown(here.text)
    st.markdown(f"**{here.question}**")
    key = f"answer-{here.name}"
    chosen = st.pills("Your answer", here.choices, key=key, label_visibility="collapsed", wrap=True)
    if not seen:
        st.button("Show the answer", key=f"show-{here.name}", shortcut="V", on_click=_commit, args=(here,))
    elif chosen is not None or _asks():
        st.markdown(_verdict(here, chosen or st.session_state.get(_given(here))))


def _verdict(here: Section, chosen: str | None) -> str:
    """What the numbers say to the reader's answer."""
    if chosen is None:
        return here.answer
    right = here.choices.index(chosen) == here.right
    mark = ":green[:material/check_circle: **Yes.**]" if right else ":orange[:material/info: **Not so.**]"
    return f"{mark} {here.answer}"


def _asks() -> bool:
    return st.query_params.get("ask") == "1"


def _seen(here: Section) -> bool:
    """Whether conclusions may be seen: with `?ask=1` only when the reader has said what they think, or asks for it."""
    return not _asks() or _given(here) in st.session_state


def _given(here: Section) -> str:
    return f"given-{here.name}"


def _commit(here: Section) -> None:
    st.session_state[_given(here)] = st.session_state.get(f"answer-{here.name}")
