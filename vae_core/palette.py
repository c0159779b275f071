"""The palette: a colour means a quantity. The one place in Python where colours are written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Theme = Literal["light", "dark"]

KL_TOP = 1.2  # nats of one dimension at the last stop of the KL scale; never rescaled, so that runs can be compared
KL_BAND = 0.3  # how opaque the band of the KL is
BETA_AREA = 0.22  # how opaque the area under β is


@dataclass(frozen=True)
class Palette:
    """The colours of one theme, each as `#RRGGBB`.

    `ink` is the colour of text and of the ELBO. `reconstruction`, `kl` and `beta` belong to these quantities alone,
    `good`, `attention` and `bad` to verdicts, which have an icon and a word beside their colour.
    """

    page: str
    surface: str
    line: str
    ink: str
    muted: str
    reconstruction: str
    kl: str
    beta: str
    good: str
    attention: str
    bad: str
    classes: tuple[str, ...]  # of the labels 0 to 9; those that look alike as digits are far apart as colours
    kl_scale: tuple[str, ...]  # ten stops from 0 to KL_TOP nats

    @property
    def chrome(self) -> dict[str, str]:
        """The neutral colours of everything that is not data, by role."""
        return {name: getattr(self, name) for name in ("page", "surface", "line", "ink", "muted")}

    @property
    def quantities(self) -> dict[str, str]:
        """The colours of the quantities, by role; the ELBO is ink."""
        return {"elbo": self.ink} | {name: getattr(self, name) for name in ("reconstruction", "kl", "beta")}

    @property
    def verdicts(self) -> dict[str, str]:
        """The colours of verdicts, by role."""
        return {name: getattr(self, name) for name in ("good", "attention", "bad")}


LIGHT = Palette(
    page="#FBFAF7",
    surface="#FFFFFF",
    line="#E4E1D9",
    ink="#161A22",
    muted="#565D6B",
    reconstruction="#1463C7",
    kl="#B84300",
    beta="#5B1175",
    good="#00705A",
    attention="#8A5A00",
    bad="#B3263A",
    classes=(
        *("#995602", "#5D6165", "#401F0A", "#5A99A8", "#F05F72"),
        *("#948602", "#1A2EC2", "#7C42FB", "#73205F", "#244C1B"),
    ),
    kl_scale=(
        *("#F3EFE6", "#F5D6BA", "#F4BC8D", "#F2A25C", "#E28443"),
        *("#D16728", "#BF4700", "#9D3900", "#7C2C00", "#5C1F00"),
    ),
)
DARK = Palette(
    page="#0F1218",
    surface="#161B24",
    line="#2A313D",
    ink="#F3F5F9",
    muted="#9AA3B2",
    reconstruction="#6DB3FF",
    kl="#FF9549",
    beta="#A157FD",
    good="#3FCF9F",
    attention="#F2C14E",
    bad="#FF6B7A",
    classes=(
        *("#DA7909", "#8C8C8D", "#F1AD9A", "#57D0EA", "#D21928"),
        *("#FCE720", "#3299F1", "#7040E2", "#A13F8C", "#9CFFD2"),
    ),
    kl_scale=(
        *("#1A1E27", "#3A2825", "#592F1F", "#7A3510", "#A45322"),
        *("#D17435", "#FF9549", "#FFB27B", "#FFCEA7", "#FFE9D2"),
    ),
)
PALETTES: dict[Theme, Palette] = {"light": LIGHT, "dark": DARK}


def translucent(colour: str, opacity: float | int) -> str:
    """The colour `#RRGGBB` as CSS with an opacity from 0 to 1.

    >>> translucent("#5B1175", 0.22)
    'rgba(91, 17, 117, 0.22)'
    """
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"
