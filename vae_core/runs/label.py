"""The label of a run: what its users call it and say of it."""

from __future__ import annotations

import unicodedata
from typing import Any

from vae_core.spec import InputError

LONGEST_TITLE = 80
LONGEST_NOTE = 2_000


def changed(label: dict[str, Any], title: str | None, note: str | None, star: bool | None) -> dict[str, Any]:
    """A label with some of it changed; what is empty is left out, what is not known stays."""
    changes: dict[str, Any] = {"title": title, "note": note, "star": star}
    if title is not None:
        changes["title"] = " ".join(_without_controls(title).split())
        _check(changes["title"], "title", LONGEST_TITLE)
    if note is not None:
        changes["note"] = _without_controls(note, keep="\n\t").strip()
        _check(changes["note"], "note", LONGEST_NOTE)
    whole = label | {key: value for key, value in changes.items() if value is not None}
    return {key: value for key, value in whole.items() if key not in changes or value}


def _without_controls(text: str, keep: str = "") -> str:
    """Control characters, and halves of a character, as spaces: no file or page can do anything with them."""
    text = text.replace("\r\n", "\n")
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs") and c not in keep else c for c in text)


def _check(text: str, what: str, longest: int) -> None:
    if len(text) > longest:
        raise InputError(f"the {what} has {len(text):,} characters", "", f"{longest:,} are possible", "shorten it")
