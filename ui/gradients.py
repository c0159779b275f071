"""The page of gradients: its sections, and what they say."""

from __future__ import annotations

from ui.lecture import Section, open_section, show_section

SECTIONS: tuple[Section, ...] = ()


def gradients_page() -> None:
    """The open section, under the row of all."""
    here, run = open_section("gradients", SECTIONS)
    show_section(here, run)
