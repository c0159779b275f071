"""The glossary: every quantity that is shown, with its label, its unit and one sentence on what it is."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vae_core.spec import InputError

SOURCE = Path(__file__).resolve().parents[1] / "docs" / "glossary.toml"


@dataclass(frozen=True)
class Term:
    """One entry: its name in code, the label people read, one sentence, and unit and symbol where it has them."""

    name: str
    label: str
    sentence: str
    unit: str = ""
    symbol: str = ""

    @property
    def hover(self) -> str:
        """The sentence, and the unit if there is one."""
        return f"{self.sentence} In {self.unit}." if self.unit else self.sentence


@cache
def terms() -> dict[str, Term]:
    """All entries, by name, in the order of the file."""
    try:
        entries = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
        return {name: Term(name, **entry) for name, entry in entries.items()}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"the glossary cannot be read ({error})", fix="restore docs/glossary.toml") from None


def term(name: str) -> Term:
    """The entry of that name; an InputError for an unknown one names its nearest."""
    try:
        return terms()[name]
    except KeyError:
        near = difflib.get_close_matches(name, terms(), 3) or list(terms())[:3]
        raise InputError(f"the glossary has no {name!r}", fix=f"did you mean {' or '.join(near)}?") from None


def hover(name: str) -> str:
    """What is shown when the pointer rests on a label: the entry's sentence, and its unit."""
    return term(name).hover
