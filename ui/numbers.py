"""Tables of numbers in a page's own HTML."""

from __future__ import annotations

from collections.abc import Sequence


def table(corner: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table with a head for each column and for each row: HTML, as its parts must be already.

    Where it is wider than a narrow screen it scrolls, by the keyboard too; there `corner`, plain text, is its name.
    """
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{head}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for head, cells in rows
    )
    top = f'<tr><th scope="col" class="fr-muted">{corner}</th>{columns}</tr>'
    numbers = f'<table class="fr-numbers"><thead>{top}</thead><tbody>{body}</tbody></table>'
    return f'<div class="fr-scroll" role="region" aria-label="{corner}" tabindex="0">{numbers}</div>'
