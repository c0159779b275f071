"""How colours look: their contrast, and how far apart they are for each kind of eye."""

from __future__ import annotations

from itertools import combinations

import numpy as np

Rgb = np.ndarray  # linear red, green and blue, from 0 to 1

# Machado, Oliveira and Fernandes (2009), severity 1.0; they act on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Ottosson (2020): linear RGB to cones, and their cube roots to lightness and two opponent colours.
CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OPPONENTS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour: str) -> Rgb:
    """`#RRGGBB` without the display's gamma."""
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2: from 1 to 21."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def oklab(rgb: Rgb) -> np.ndarray:
    """Lightness, green to red, blue to yellow."""
    return OPPONENTS @ np.cbrt(CONES @ rgb)


def distance(one: str, other: str, vision: str) -> float:
    """How far apart two colours are for such an eye, in OKLab × 100; a display shows no value outside 0 to 1."""
    seen = [oklab(np.clip(VISIONS[vision] @ linear(colour), 0, 1)) for colour in (one, other)]
    return 100 * float(np.linalg.norm(seen[0] - seen[1]))


def nearest(colours: list[str]) -> float:
    """The smallest distance of any two of them, for any eye."""
    return min(distance(one, other, vision) for one, other in combinations(colours, 2) for vision in VISIONS)
