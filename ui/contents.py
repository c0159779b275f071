"""The table of contents: one line for every page there is, under the word of the bar that leads to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).resolve().parent.parent / "pages"


@dataclass(frozen=True)
class Entry:
    """A page. `name` is its script and its address; `word` stands in the bar; `door` is its button on Home, if any."""

    word: str
    name: str
    title: str
    purpose: str
    door: str = ""

    @property
    def script(self) -> str:
        """The path of its script."""
        return str(PAGES / f"{self.name}.py")


# Pages under one word are siblings: the first is in the bar, and all of them stand in a row under the title.
CONTENTS = (
    Entry("Home", "home", "ELBO Room", "Watch a variational autoencoder learn, then touch what it learned."),
    Entry(
        "Train", "train", "Train", "Choose data, a model, and how β rises. Then watch it learn.",
        door="Train this yourself",
    ),
    Entry("Train", "watch", "Watch", "One run, live or recorded: is it learning, and what does β do to it?"),
    Entry(
        "Map", "latent", "Map", "Move over the map of the codes: the decoder follows the pointer.",
        door="Touch the latent space",
    ),
    Entry("Map", "walk", "Walk", "Go from one image to another: the path may be smooth, but is it plausible?"),
    Entry("Collapse", "collapse", "Collapse", "Does this run use its code? If not: why, and what would cure it."),
    Entry("Collapse", "race", "Race", "The same data, trained in several ways side by side: who escapes collapse?"),
    Entry("Collapse", "compare", "Compare", "Any runs on the same axes: which is ahead, and what was different."),
    Entry("Equations", "evidence", "ln p(x)", "How far is the bound from the truth?"),
    Entry("Equations", "gradients", "Gradients", "Why we reparametrise: how noisy is the encoder's slope?"),
)  # fmt: skip


def entry(name: str) -> Entry:
    """The page of that name."""
    return next(entry for entry in CONTENTS if entry.name == name)


def siblings(name: str) -> list[Entry]:
    """The pages under the same word of the bar, this one among them."""
    return [other for other in CONTENTS if other.word == entry(name).word]


def bar() -> list[Entry]:
    """The pages that the bar leads to: the first under each word."""
    return [entry for entry in CONTENTS if siblings(entry.name)[0] is entry]


def doors() -> list[Entry]:
    """The pages that Home has a button for, the most important first."""
    return [entry for entry in CONTENTS if entry.door]
