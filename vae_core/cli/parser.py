"""The commands and their options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

LONGEST = 700


def complain(message: str, code: int) -> int:
    """One line on stderr, whatever the message is made of; returns the exit code."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in message).split())
    line = line if len(line) <= LONGEST else f"{line[: LONGEST - 100]} … {line[-90:]}"
    sys.stderr.write(f"vae_core: {line}\n")
    return code


class Parser(argparse.ArgumentParser):
    """argparse, with its errors in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit 2 for a bad request."""
        raise SystemExit(complain(f"{message}; see {self.prog} --help", 2))


def joined(words: list[str]) -> list[str]:
    """The arguments, with `--range -1:1` as one: argparse takes what begins with a dash for an option."""
    pairs = zip(["", *words], words, strict=False)
    whole = [f"{before}={word}" if (before, word) == ("--range", "-1:1") else word for before, word in pairs]
    return [word for word, after in zip(whole, [*whole, ""][1:], strict=True) if after != f"{word}=-1:1"]


def parser() -> Parser:
    """All commands and their options."""
    top = Parser(prog="python -m vae_core", description="Train variational autoencoders and look into them.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    store = Parser(add_help=False)
    store.add_argument("--runs", type=Path, metavar="DIR", help="the store (default: VAE_RUNS, else runs/)")
    for name, (summary, add_options) in COMMANDS.items():
        add_options(commands.add_parser(name, parents=[store], help=summary, description=summary))
    return top


def _train(own: argparse.ArgumentParser) -> None:
    own.add_argument("--preset", metavar="NAME")
    own.add_argument("--config", type=Path, metavar="FILE.json")
    own.add_argument("--set", action="append", default=[], dest="settings", metavar="PATH=VALUE")
    own.add_argument("--name", help="the run's name (default: the preset's or the data's)")


def _run(own: argparse.ArgumentParser) -> None:
    own.add_argument("run", metavar="RUN")


def _list(own: argparse.ArgumentParser) -> None:
    own.add_argument("--json", action="store_true")


def _add(own: argparse.ArgumentParser) -> None:
    own.add_argument("path", type=Path, metavar="PATH")


def _engine(own: argparse.ArgumentParser) -> None:
    own.add_argument("--slots", type=int, default=1, metavar="N")
    own.add_argument("--once", action="store_true", help="end when the queue is empty")


def _evaluate(own: argparse.ArgumentParser) -> None:
    own.add_argument("run", metavar="RUN")
    own.add_argument("--split", choices=("test", "train"), default="test")
    own.add_argument("--samples", type=_positive, default=100, metavar="K", help="importance samples an image")
    own.add_argument("--images", type=_positive, default=500, metavar="N", help="images for the NLL")
    own.add_argument("--json", action="store_true")


def _race(own: argparse.ArgumentParser) -> None:
    own.add_argument("preset", metavar="PRESET", help="headline, alternatives, dead-units, mnist, no-help or linear")
    own.add_argument("--seeds", type=_positive, metavar="N", help="of each config (default: the race's own number)")
    own.add_argument("--json", action="store_true")


def _export(own: argparse.ArgumentParser) -> None:
    own.add_argument("run", metavar="RUN", nargs="+", help="one run; two for html")
    own.add_argument("--to", choices=("csv", "tensorboard", "html", "onnx", "python"), required=True)
    own.add_argument("--out", type=Path, required=True, metavar="PATH")
    own.add_argument("--step", type=_step, metavar="N", help="for onnx: after N updates (default: the newest)")


def _fetch(own: argparse.ArgumentParser) -> None:
    own.add_argument("dataset", choices=("mnist", "fashion-mnist"))


def _serve(own: argparse.ArgumentParser) -> None:
    own.add_argument("--host", default="127.0.0.1")
    own.add_argument("--port", type=int, default=8501)


def _open(own: argparse.ArgumentParser) -> None:
    own.add_argument("name", metavar="NAME", help="the run's name")
    own.add_argument("--latents", type=Path, required=True, metavar="FILE.npz", help="mean, and logvar or sigma [n, d]")
    own.add_argument("--decoder", type=Path, metavar="FILE.onnx")
    own.add_argument("--encoder", type=Path, metavar="FILE.onnx", help="needs --images")
    own.add_argument("--images", type=Path, metavar="DIR|FILE", help="a folder, a zip or a .npy, in the codes' order")
    own.add_argument("--labels", type=Path, metavar="FILE.csv", help="one label for each code")
    own.add_argument("--likelihood", metavar="gaussian:σ|bernoulli", help="σ in the model's own pixel units")
    own.add_argument("--range", metavar="0:1|-1:1|logits", help="of the decoder's pictures, if asked for")
    own.add_argument("--layout", metavar="nchw|nhwc|flat|flat-nhwc", help="of images and networks, if asked for")
    own.add_argument("--second", metavar="logvar|sigma", help="what stands beside the mean, if asked for")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _step(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "train": ("train a new run in this process, at full speed", _train),
    "resume": ("go on with a run in this process", _run),
    "stop": ("ask a run to stop; it can be resumed", _run),
    "list": ("the runs of the store", _list),
    "add": ("copy a run's directory, or a zip of one, into the store", _add),
    "open": ("look into a model that was trained elsewhere; its files stay on this computer", _open),
    "engine": ("train queued runs", _engine),
    "evaluate": ("the numbers of a run's model, in nats per image", _evaluate),
    "race": ("train a race: several schedules and seeds side by side, a prediction and what held", _race),
    "export": ("a run's numbers, networks or training for other tools, or one run or two as a page", _export),
    "fetch": ("download a data set", _fetch),
    "serve": ("start the app and open the browser", _serve),
}
