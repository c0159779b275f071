"""`python -m vae_core.latents RUN_PATH --method umap`: prepares a map in a process of its own."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from vae_core.latents.clouds import SPLITS
from vae_core.latents.prepare import PARAMETERS, prepare
from vae_core.latents.work import asked_of
from vae_core.runs import Run


def main() -> int:
    """Prepare one map; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m vae_core.latents", description="Prepare a map of a run's codes.")
    parser.add_argument("--method", choices=tuple(PARAMETERS), required=True)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--parameters", type=json.loads, default={}, metavar="JSON")
    return asked_of(parser, _prepare)


def _prepare(run: Run, parameters: dict[str, Any], **given: Any) -> None:
    prepare(run, **given, **parameters)


if __name__ == "__main__":
    sys.exit(main())
