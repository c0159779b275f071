"""`python -m vae_core.latents RUN_PATH --method umap`: prepares a map in a process of its own."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vae_core.latents.clouds import SPLITS
from vae_core.latents.prepare import PARAMETERS, prepare
from vae_core.runs import Run
from vae_core.spec import InputError


def main() -> int:
    """Prepare one map; 0 when it is in the cache, 2 with a sentence on stderr when it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m vae_core.latents", description="Prepare a map of a run's codes.")
    parser.add_argument("run", type=Path, metavar="RUN_PATH")
    parser.add_argument("--method", choices=tuple(PARAMETERS), required=True)
    parser.add_argument("--step", type=int)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--parameters", type=json.loads, default={}, metavar="JSON")
    given = parser.parse_args()
    try:
        prepare(Run(given.run.resolve()), given.step, given.split, given.method, **given.parameters)
    except InputError as error:
        sys.stderr.write(f"vae_core.latents: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
