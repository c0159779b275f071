"""What pages to hand in are made of: the frame, sections, tables, the reader's words, a program. Everything is text."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

from vae_core.handin.facts import Fact
from vae_core.handin.style import STYLE, faces
from vae_core.python_export import python_text
from vae_core.runs import Run
from vae_core.spec import InputError

LONGEST = 10_000  # characters of a reader's own words
NAME = 100  # and of a name


def document(title: str, by: str, about: str, *sections: str) -> str:
    """The page: `title` and the name `by` are anybody's text, the rest is HTML of ours; what is empty is left out."""
    name, author = html.escape(one_line(title, 120)), html.escape(one_line(by, NAME))
    head = (f"<h1>{name}</h1>", f'<p class="by">{author}</p>' if author else "", f'<p class="about">{about}</p>')
    body = "\n".join(part for part in (*head, *sections) if part)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<style>{faces()}{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def one_line(text: str, most: int) -> str:
    """The first characters of a text, on a line."""
    return " ".join(clean(text).split())[:most]


def clean(text: str) -> str:
    """Without what no page can hold: control characters, and halves of a character."""
    text = text.replace("\r\n", "\n")
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in text).strip()


def section(title: str, content: str, kind: str = "text") -> str:
    """A part of the page with a heading, which is HTML of ours."""
    return f'<section class="{kind}">\n<h2>{title}</h2>\n{content}\n</section>'


def own_words(sentences: str) -> str:
    """What the reader wrote, as a section, or nothing; InputError for more than 10,000 characters."""
    if len(sentences) > LONGEST:
        raise InputError(f"{len(sentences):,} characters", "your words", f"{LONGEST:,} are possible", "shorten them")
    words = clean(sentences)
    return section("In my own words", f'<p class="words">{html.escape(words)}</p>') if words else ""


def table(rows: Iterable[Fact], kind: str = "", heads: Sequence[str] = ()) -> str:
    """A row a fact: its name, and what there is to say of it; of pairs, a second one beside it."""
    head = f"<thead><tr>{''.join(f'<th>{html.escape(head)}</th>' for head in heads)}</tr></thead>"
    lines = [head] if heads else []
    for row in rows:
        names = range(0, len(row), 2) if kind == "pairs" else (0,)
        cells = [
            f'<th scope="row">{html.escape(cell)}</th>' if place in names else f"<td>{html.escape(cell)}</td>"
            for place, cell in enumerate(row)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    look = f' class="{kind}"' if kind else ""
    return f'<div class="wide">\n<table{look}>\n' + "\n".join(lines) + "\n</table>\n</div>"


def day(seconds: float) -> str:
    """The day of a moment, in seconds since the epoch."""
    made = datetime.fromtimestamp(seconds)
    return f"{made.day} {made:%B %Y}"


def program(title: str, run: Run) -> str:
    """The training of a run in plain PyTorch, which begins a sheet, or why there is none."""
    try:
        return section(title, f"<pre>{html.escape(python_text(run))}</pre>", "code")
    except InputError as error:
        return section(title, f'<p class="note">There is none: {html.escape(str(error))}.</p>')
