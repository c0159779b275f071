"""The lecture's equations as pages: sections, each with an equation, a view that moves, and a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import streamlit as st

from ui.asking_first import answer, ask, asked_first, asking_link, may_tell
from ui.browser import view_component, view_data
from ui.controls import open_run
from ui.data import pick_run
from ui.parts import heading, page, told
from vae_core.runs import Run

STYLE = """<style>
.st-key-sections { border-bottom: 1px solid var(--fr-rule); gap: 0 24px; margin: 0 0 4px; }
.st-key-sections [data-testid="stElementContainer"] { margin: 0; }
.st-key-sections [data-testid="stPageLink-NavLink"], .fr-section {
  display: block; padding: 4px 0; margin: 0; border-radius: 0; font-size: 15px; line-height: 24px;
  border-bottom: 2px solid transparent; color: var(--fr-muted);
}
.st-key-sections [data-testid="stPageLink-NavLink"]:not(#none) { background: none; }
.st-key-sections [data-testid="stPageLink-NavLink"] * { font-weight: 400; font-size: 15px; color: inherit; }
.st-key-sections [data-testid="stPageLink-NavLink"]:hover { color: var(--fr-ink); }
.st-key-sections .fr-section { border-bottom-color: var(--fr-ink); color: var(--fr-ink); font-weight: 600; }
.st-key-words .katex-display { margin: 0; padding: 2px 4px 14px 0; text-align: left; overflow: auto hidden; }
.st-key-words .katex-display > .katex { text-align: left; }
.st-key-words .katex { font-size: 1.06em; }
.st-key-words [data-testid="stMarkdownContainer"] p {
  font-family: "Source Serif", serif; font-size: 17px; line-height: 25px;
}
@media (max-width: 1100px) { .st-key-lecture [data-testid="stColumn"] { min-width: 100%; } }
</style>"""


@dataclass(frozen=True)
class Section:
    """One equation of the lecture. `module` under `/files/lecture` draws its view; `state` stands in the address.

    `right` is the place of the choice that the numbers of the view confirm; `answer` says why. A view may be about a
    run that stands over it ("shown"), or offer one among other models ("offered").
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
    run: Literal["", "offered", "shown"] = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def mount(self) -> str:
        """The function of the module that makes the view."""
        return f"mount{self.name.title()}"


def open_section(name: str, sections: Sequence[Section]) -> tuple[Section, Run | None]:
    """The head of a page, its run or its title, and the row of its sections; which one is open, and about which run.

    The address chooses with `section=`; without it the first section is open.
    """
    st.html(STYLE)
    wanted = st.query_params.get("section")
    here = next((section for section in sections if section.name == wanted), sections[0])
    run = None
    if here.run == "shown":
        run, _ = open_run(name, batches=False)
    else:
        heading(name)
    if here.run == "offered":
        with told():
            run = pick_run()
    if wanted != here.name:  # what is written here takes the place of all that the view has told the address
        st.query_params["section"] = here.name
    with st.container(horizontal=True, key="sections"):
        for section in sections:
            _tab(name, section, here)
    return here, run


def show_section(name: str, here: Section, run: Run | None, data: dict[str, Any] | None = None) -> bool:
    """A section of a page: its view, with its words beside it. Returns whether its answer may be seen."""
    seen = may_tell(here.name)
    with st.container(key="lecture"):
        left, right = st.columns([8, 4], gap="large")
        with left:
            shown = view_data(run, here.state) if run else {"base": "", "query": _query(here)}
            _component(here)(
                key=f"{here.name}-{run.name if run else ''}",
                data={**shown, "data": {**here.data, **(data or {})}, "ask": not seen},
            )
        with right, st.container(key="words"):
            _words(name, here, seen)
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


def _words(name: str, here: Section, seen: bool) -> None:
    st.latex(here.equation)
    st.markdown(here.text)
    st.markdown(f"**{here.question}**")
    if not seen:
        ask(here.name, "Your answer", here.choices, "Show the answer")
    elif asked_first():
        st.markdown(_verdict(here, answer(here.name)))
    else:
        _answers(here)
    asking_link(name)


def _answers(here: Section) -> None:
    """The choices; the one that is taken is answered at once."""
    key = f"choice-{here.name}"
    chosen = st.pills("Your answer", here.choices, key=key, label_visibility="collapsed", wrap=True)
    if chosen is not None:
        st.markdown(_verdict(here, chosen))


def _verdict(here: Section, chosen: str | None) -> str:
    """What the numbers say to the reader's answer."""
    if chosen is None:
        return here.answer
    right = here.choices.index(chosen) == here.right
    mark = ":green[:material/check_circle: **Yes.**]" if right else ":orange[:material/info: **Not so.**]"
    return f"{mark} {here.answer}"
