"""What the Collapse page told a reader of a run, as a part of the run's page."""

from __future__ import annotations

import html
from dataclasses import dataclass

from vae_core.handin.parts import section


@dataclass(frozen=True)
class Finding:
    """A verdict, the measured sentences it rests on, the cure, and on what it was measured: all is plain text.

    `guess` is what the reader had said before, with what the evidence says of it; empty if they were not asked.
    """

    verdict: str
    why: tuple[str, ...]
    cure: str
    measured: str
    guess: str = ""

    def section(self) -> str:
        """The part of the page."""
        why = "\n".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.why)
        parts = [
            f'<p class="note">Said before the verdict was shown: {html.escape(self.guess)}</p>' if self.guess else "",
            f'<p class="verdict">{html.escape(self.verdict)}</p>',
            f"<h3>Why</h3>\n<ul>\n{why}\n</ul>" if why else "",
            f"<h3>What to do</h3>\n<p>{html.escape(self.cure)}</p>",
            f'<p class="note">{html.escape(self.measured)}</p>',
        ]
        return section("Verdict", "\n".join(filter(None, parts)))
