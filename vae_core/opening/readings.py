"""Readings: in which order a network has the numbers of an image, and which of them are black and white.

Each possible reading is tried on real images and its error measured; one is chosen only when it is clearly the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vae_core.opening.asking import Question
from vae_core.opening.graphs import Wrapper
from vae_core.spec import InputError, Shape

CLEARLY = 0.5  # of the second best error
HALF, ONE, TWO = (np.array(value, np.float32) for value in (0.5, 1.0, 2.0))


class Reading(NamedTuple):
    """`layout`: nchw, nhwc, nhw (grey), flat, flat-nhwc. `range`: 0:1, -1:1 or logits."""

    layout: str
    range: str

    def __str__(self) -> str:
        return f"{self.layout} in {self.range}"


def layouts(sizes: Sequence[int | None], shape: Shape) -> list[str]:
    """The layouts in which one image of `shape` has these sizes; None fits any."""
    c, h, w = shape[:3]
    ways: dict[str, tuple[int, ...]] = {"nchw": (c, h, w), "nhwc": (h, w, c), "flat": (c * h * w,)}
    ways |= {"flat-nhwc": (c * h * w,)} if c > 1 else {"nhw": (h, w)}
    return [name for name, way in ways.items() if _fits(sizes, way)]


def _fits(sizes: Sequence[int | None], way: tuple[int, ...]) -> bool:
    return len(sizes) == len(way) and all(size in (None, wanted) for size, wanted in zip(sizes, way, strict=True))


def alone(sizes: tuple[int, ...], layout: str | None, where: str) -> tuple[str, Shape]:
    """Layout and shape of a decoder's pictures where there are no images to compare them with."""
    found: dict[str, Shape] = {}
    if len(sizes) == 3:
        found |= {"nchw": Shape(*sizes)} if sizes[0] in (1, 3) else {}
        found |= {"nhwc": Shape(sizes[2], *sizes[:2])} if sizes[2] in (1, 3) else {}
    elif len(sizes) == 2:
        found = {"nhw": Shape(1, *sizes)}
    elif len(sizes) == 1:
        found = _squares(sizes[0])
    if not found:
        raise InputError(f"the decoder gives {_listed(sizes)}", where, "that is no image", "give the images too")
    if len(found) > 1 and layout not in found:
        raise Question("layout", f"a picture of {_listed(sizes)} can be read in two ways", where)
    chosen = layout if layout in found else next(iter(found))
    return chosen, found[chosen]


def _squares(count: int) -> dict[str, Shape]:
    for channels in (1, 3):
        side = round((count / channels) ** 0.5)
        if channels * side**2 == count:
            return dict.fromkeys(("flat", "flat-nhwc") if channels == 3 else ("flat",), Shape(channels, side, side))
    return {}


def _listed(sizes: Sequence[int]) -> str:
    return " × ".join(map(str, sizes)) + " numbers"


def picture(array: np.ndarray, reading: Reading, shape: Shape) -> np.ndarray:
    """A decoder's output [n, …] as [n, c, h, w], 0 for black and 1 for white."""
    c, h, w = shape[:3]
    if reading.layout in ("nhwc", "flat-nhwc"):
        array = array.reshape(-1, h, w, c).transpose(0, 3, 1, 2)
    array = array.reshape(-1, c, h, w)
    if reading.range == "logits":
        return 0.5 * (1 + np.tanh(0.5 * array))
    return (array + 1) / 2 if reading.range == "-1:1" else array


def seen(images: np.ndarray, reading: Reading) -> np.ndarray:
    """Images [n, c, h, w] of 0 to 1 as an encoder's input."""
    images = 2 * images - 1 if reading.range == "-1:1" else images
    if reading.layout in ("nhwc", "flat-nhwc"):
        images = images.transpose(0, 2, 3, 1)
    if reading.layout == "nhw":
        images = images[:, 0]
    return images.reshape(len(images), -1) if reading.layout.startswith("flat") else np.ascontiguousarray(images)


def add_picture(wrapper: Wrapper, reading: Reading, shape: Shape) -> None:
    """`picture`, as nodes after a decoder."""
    c, h, w = shape[:3]
    if reading.layout in ("nhwc", "flat-nhwc"):
        wrapper.add("Reshape", np.array([-1, h, w, c], np.int64))
        wrapper.add("Transpose", perm=[0, 3, 1, 2])
    wrapper.add("Reshape", np.array([-1, c, h, w], np.int64))
    if reading.range == "logits":
        wrapper.add("Sigmoid")
    if reading.range == "-1:1":
        wrapper.add("Add", ONE)
        wrapper.add("Mul", HALF)


def add_seen(wrapper: Wrapper, reading: Reading, shape: Shape) -> None:
    """`seen`, as nodes before an encoder."""
    if reading.range == "-1:1":
        wrapper.add("Mul", TWO)
        wrapper.add("Sub", ONE)
    if reading.layout in ("nhwc", "flat-nhwc"):
        wrapper.add("Transpose", perm=[0, 2, 3, 1])
    if reading.layout == "nhw":
        wrapper.add("Reshape", np.array([-1, *shape[1:3]], np.int64))
    if reading.layout.startswith("flat"):
        wrapper.add("Reshape", np.array([-1, shape.pixels], np.int64))


def choose(errors: dict[Reading, float], where: str) -> Reading:
    """The reading of the least error, if it is clearly the least; else it is asked."""
    order = sorted(errors, key=lambda reading: errors[reading])
    close = [reading for reading in order if errors[reading] * CLEARLY <= errors[order[0]]]
    if len(close) == 1:
        return close[0]
    option = "range" if len({reading.range for reading in close}) > 1 else "layout"
    told = ", ".join(f"{reading}: {errors[reading]:.4g}" for reading in order[:6])
    raise Question(option, "no reading of the pictures is clearly the best", where, f"mean squared errors: {told}")
