"""Small parts that pages share: the frame's style, safe text, tables of runs, empty states."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from vae_core.spec import InputError

STYLE = """
<style>
  [data-testid="stMainBlockContainer"] { max-width: 1280px; padding-top: 4.25rem; padding-bottom: 2.5rem; }
  [data-testid="stText"] { font-size: 14px; font-variant-numeric: tabular-nums; }
  [data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primary"]:is(:hover, :focus, :active) {
    color: light-dark(#FBFAF7, #0F1218);
  }
  [data-testid="stMain"] h1 { letter-spacing: -0.01em; line-height: 40px; padding: 0 0 4px; }
  .er-lead { font-family: "Source Serif", serif; font-size: 24px; line-height: 32px; max-width: 44em; margin: 0; }
  .er-strip {
    display: block; width: 100%; aspect-ratio: 8 / 1; object-fit: cover; object-position: top; border-radius: 4px;
  }
  .er-strip.er-paper { filter: invert(1); }
  .er-strip.er-pixels { image-rendering: pixelated; }
</style>
"""
PAGES = Path(__file__).resolve().parent.parent / "pages"
SPECIAL = re.compile(r"([\\`*_\[\]()!<>$:#|~{}])")


def page(name: str) -> str:
    """The script of a page, for links and switches."""
    return str(PAGES / f"{name}.py")


def frame() -> None:
    """The few rules of layout that the theme cannot say."""
    st.html(STYLE)


def lead(sentence: str) -> None:
    """The one sentence under a page's title; ours, never a user's."""
    st.html(f'<p class="er-lead">{sentence}</p>')


def safe(text: object) -> str:
    """Text of a user, with everything that Markdown would act on escaped, and cut to a line."""
    line = " ".join(str(text).split())[:120]
    return SPECIAL.sub(r"\\\1", line)


@contextmanager
def told() -> Iterator[None]:
    """What cannot be done is said in one sentence, in place."""
    try:
        yield
    except InputError as error:
        text = str(error)
        st.error(safe_sentence(text), icon=":material/error:")


def safe_sentence(text: str) -> str:
    """An error's sentence, capitalised, ended and escaped."""
    text = text[:1].upper() + text[1:]
    return SPECIAL.sub(r"\\\1", text.strip() + ("" if text.endswith(".") else "."))


def age(seconds: float) -> str:
    """How long ago, for a table; never negative, whatever the clocks say."""
    gone = max(0.0, time.time() - seconds)
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if gone >= size:
            return f"{int(gone // size)} {name} ago"
    return "just now"


def duration(seconds: float) -> str:
    """A time span for a sentence."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
