"""A decoder and an encoder: tried apart, read as their own answers say, and written with our interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vae_core.opening.asking import Question
from vae_core.opening.graphs import Graph, Wrapper, run_apart
from vae_core.opening.latents import LOGVARS, MEANS, SIGMAS
from vae_core.opening.readings import Reading, add_picture, add_seen, alone, choose, layouts, picture, seen
from vae_core.spec import InputError, Shape

SMALL = 3  # a second batch: what a network gives for an example must not depend on the others
SAME = 1e-3
RANGES = ("0:1", "-1:1", "logits")
LAST = {"Sigmoid": "0:1", "HardSigmoid": "0:1", "Tanh": "-1:1"}
MOST_OFF = 0.05  # of the variance of the codes
EVALUATE = "export it in evaluation mode: model.eval()"
DYNAMIC = "export it with a dynamic first axis"


@dataclass(frozen=True)
class Network:
    """A network as it is kept: the file, how it was read, why, and the errors that were measured."""

    file: bytes
    shape: Shape
    reading: Reading
    why: str
    errors: dict[str, float] = field(default_factory=dict)
    second: str = ""


def open_decoder(
    graph: Graph, codes: np.ndarray, images: np.ndarray | None, values: str | None, layout: str | None
) -> Network:
    """The decoder of these codes [n, d]; images [n, c, h, w] of 0 to 1, if there are some, decide how it is read.

    `values` (the range) and `layout` are the user's word on it.
    """
    d = codes.shape[1]
    _check_takes(graph, [(d,)], f"codes of {d} numbers")
    if len(graph.gives) != 1:
        raise InputError(f"the decoder gives {len(graph.gives)} arrays", graph.where, "one is wanted, the picture")
    (out,) = _tried(graph, codes)
    if images is None:
        kind, shape = alone(out.shape[1:], layout, graph.where)
        reading, why, errors = Reading(kind, values or _by_last(graph)), "as its last layer says", {}
    else:
        shape = Shape(*images.shape[1:])
        # What a sigmoid or a tanh gives is bounded, so it is no logit.
        ranges = RANGES[:2] if graph.last in LAST else RANGES
        found = _errors(graph, out, images, (values,) if values else ranges, layout)
        reading, why = choose(found, graph.where), "by what is nearest to the images"
        errors = {str(way): float(error) for way, error in found.items()}
    wrapper = Wrapper(graph, "z", [d])
    wrapper.enter()
    wrapper.leave(0)
    add_picture(wrapper, reading, shape)
    wrapper.end("x")
    return Network(wrapper.written({"x": shape[:3]}), shape, reading, "as you said" if values else why, errors)


def _check_takes(graph: Graph, wanted: Sequence[tuple[int, ...]], words: str) -> None:
    """One free axis for the examples, then one of the sizes that are wanted."""
    if graph.takes and graph.takes[0] is not None:
        raise InputError(f"the network takes exactly {graph.takes[0]} at a time", graph.where, fix=DYNAMIC)
    for sizes in wanted:
        same = len(sizes) == len(graph.takes) - 1
        if same and all(have in (None, want) for have, want in zip(graph.takes[1:], sizes, strict=True)):
            return
    given = ", ".join("any" if size is None else str(size) for size in graph.takes[1:])
    raise InputError(f"the network takes [n, {given}]", graph.where, f"{words} are there", "give the right file")


def _tried(graph: Graph, array: np.ndarray) -> list[np.ndarray]:
    """All outputs for a batch, after a smaller batch gave the same."""
    whole, part = run_apart(graph, [array, array[:SMALL]])
    for one, other in zip(whole, part, strict=True):
        if one.ndim < 2 or len(one) != len(array) or len(other) != len(array[:SMALL]):
            raise InputError(f"{len(array)} examples give {one.shape}", graph.where, fix=DYNAMIC)
        if np.abs(one[: len(other)] - other).max() > SAME * max(1.0, float(np.abs(one).max())):
            raise InputError("what it gives depends on the other examples of a batch", graph.where, fix=EVALUATE)
    return whole


def _allowed(ranges: tuple[str, ...], values: str | None) -> tuple[str, ...]:
    return (values,) if values in ranges else ranges


def _by_last(graph: Graph) -> str:
    if graph.last not in LAST:
        raise Question("range", "without images nothing says what is black and what is white", graph.where)
    return LAST[graph.last]


def _errors(
    graph: Graph, out: np.ndarray, images: np.ndarray, ranges: tuple[str, ...], layout: str | None
) -> dict[Reading, float]:
    """The mean squared error of every possible reading."""
    shape = Shape(*images.shape[1:])
    ways = layouts(out.shape[1:], shape)
    if not ways:
        sizes, wanted = (" × ".join(map(str, size)) for size in (out.shape[1:], images.shape[1:]))
        raise InputError(f"the decoder gives {sizes} and the images are {wanted}", graph.where, fix="make them alike")
    readings = [Reading(way, values) for way in _allowed(tuple(ways), layout) for values in ranges]
    return {way: float(np.square(picture(out, way, shape) - images).mean()) for way in readings}


def open_encoder(
    graph: Graph, mean: np.ndarray, logvar: np.ndarray, images: np.ndarray, values: str | None, layout: str | None
) -> Network:
    """The encoder that gave these codes [n, d] for these images [n, c, h, w]; it must give them again.

    `values` is the range to prefer where several are as good.
    """
    shape = Shape(*images.shape[1:])
    _check_takes(graph, [seen(images[:1], Reading(way, "0:1")).shape[1:] for way in _all(shape)], "the images")
    results = _encoded(graph, images, shape, layout)
    scale = float(mean.var(0).mean() + np.exp(logvar).mean())
    pairs = {way: _pair(graph, outputs, mean.shape[1]) for way, outputs in results.items()}
    errors = {way: float(np.square(pair[0] - mean).mean()) / scale for way, pair in pairs.items()}
    reading = min(errors, key=lambda way: (errors[way] > 2 * min(errors.values()), way.range != values, errors[way]))
    if errors[reading] > MOST_OFF:
        told = ", ".join(f"{way}: {error:.3g}" for way, error in errors.items())
        raise InputError(
            "the encoder does not give these codes for these images", graph.where, f"errors of their variance: {told}",
            "give images and codes in one order, and the encoder in evaluation mode",
        )  # fmt: skip
    second = _second(graph, pairs[reading][1], logvar)
    told = {str(way): error for way, error in errors.items()}
    return Network(
        _wrapped(graph, reading, shape, mean.shape[1], second), shape, reading, "by what gives the codes", told, second
    )


def _all(shape: Shape) -> list[str]:
    return ["nchw", "nhwc", "flat", "flat-nhwc" if shape.channels > 1 else "nhw"]


def _encoded(graph: Graph, images: np.ndarray, shape: Shape, layout: str | None) -> dict[Reading, list[np.ndarray]]:
    """What the encoder gives for the images in every reading that it takes at all."""
    results: dict[Reading, list[np.ndarray]] = {}
    problem: InputError | None = None
    for way in _allowed(tuple(layouts(graph.takes[1:], shape)), layout):
        for values in RANGES[:2]:
            try:
                results[Reading(way, values)] = _tried(graph, seen(images, Reading(way, values)))
            except InputError as error:
                problem = problem or error
    if not results:
        raise problem or InputError("the encoder does not take these images", graph.where, fix="give the right file")
    return results


def _places(graph: Graph) -> tuple[int, int]:
    """Which outputs are the mean and its spread: by their names, else the first two."""
    names = [name.casefold() for name in graph.gives]
    mean = next((at for at, name in enumerate(names) if name in MEANS), 0)
    spread = next((at for at, name in enumerate(names) if name in (*LOGVARS, *SIGMAS) and at != mean), None)
    return mean, (1 if mean == 0 else 0) if spread is None else spread


def _pair(graph: Graph, outputs: list[np.ndarray], d: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread, from two outputs [n, d] or one [n, 2 d]."""
    if len(outputs) == 1 and outputs[0].shape[1:] == (2 * d,):
        return outputs[0][:, :d], outputs[0][:, d:]
    if len(outputs) >= 2:
        mean, spread = (outputs[at] for at in _places(graph))
        if mean.shape[1:] == spread.shape[1:] == (d,):
            return mean, spread
    given = " and ".join(str(list(out.shape[1:])) for out in outputs)
    raise InputError(f"the encoder gives {given} an image", graph.where, f"mean and ln σ² of {d} numbers are wanted")


def _second(graph: Graph, spread: np.ndarray, logvar: np.ndarray) -> str:
    """Whether the encoder gives ln σ² or σ: the nearer to what is known."""
    as_logvar = float(np.square(spread - logvar).mean())
    if (spread <= 0).any():
        return "logvar"
    return "sigma" if float(np.square(2 * np.log(spread) - logvar).mean()) < as_logvar else "logvar"


def _wrapped(graph: Graph, reading: Reading, shape: Shape, d: int, second: str) -> bytes:
    wrapper = Wrapper(graph, "x", shape[:3])
    add_seen(wrapper, reading, shape)
    wrapper.enter()
    if len(graph.gives) == 1:
        wrapper.leave(0)
        wrapper.split("mean", "spread", d)
    else:
        mean, spread = _places(graph)
        wrapper.leave(mean)
        wrapper.end("mean")
        wrapper.leave(spread)
    if second == "sigma":
        wrapper.add("Log")
        wrapper.add("Mul", np.array(2.0, np.float32))
    wrapper.end("logvar")
    return wrapper.written({"mean": [d], "logvar": [d]})
