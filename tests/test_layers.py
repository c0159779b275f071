"""What a process must not have to load: import-linter does not see what an `__init__` drags in."""

import subprocess
import sys

import pytest

HEAVY = ("streamlit", "plotly", "pandas", "umap", "sklearn", "ui", "pages")
TRAINED = """
import sys
from pathlib import Path
from vae_core.config import RunConfig
from vae_core.runs import RunStore
from vae_core.training import train
run = RunStore(Path(sys.argv[1])).create(RunConfig(steps=3))
train(str(run.path))
assert run.state == "done"
"""


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import vae_core", (*HEAVY, "torch", "numpy", "pydantic")),
        ("import vae_core.engine", HEAVY),
        ("import vae_core.cli.actions", (*HEAVY, "torch._dynamo")),
        ("from vae_core import *; from vae_core import RunConfig, RunStore, VAE, fit, load, train", HEAVY),
        (TRAINED, HEAVY),
    ],
    ids=["core", "engine", "command line", "public names", "a run of digits"],
)
def test_a_process_loads_only_what_it_needs(code, forbidden, tmp_path):
    report = f"{code}\nimport sys\nprint(*[name for name in {forbidden} if name in sys.modules])"
    command = [sys.executable, "-c", report, str(tmp_path / "runs")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == []
