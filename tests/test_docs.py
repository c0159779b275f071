"""What the docs promise is there: every name is told, every command runs, every picture exists."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from vae_core.cli.actions import ACTIONS
from vae_core.config import Decay
from vae_core.datasets import Dataset
from vae_core.diagnostics import DIAGNOSTICS
from vae_core.likelihoods import Likelihood
from vae_core.nets import Net
from vae_core.objectives import Objective
from vae_core.presets import PRESETS
from vae_core.runs import ASSETS, FORMAT, Run
from vae_core.schedules import Schedule

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
UNIONS = (Dataset, Net, Likelihood, Schedule, Objective, Decay)
KINDS = [v.model_fields["kind"].default for union in UNIONS for v in get_args(get_args(union)[0])]


@pytest.mark.parametrize("name", [*KINDS, *PRESETS, *ACTIONS, *(d.__name__ for d in DIAGNOSTICS)])
def test_the_readme_names_it(name: str) -> None:
    assert re.search(rf"`{name}`|vae_core {name}\b", README), name


def test_pictures_and_links_of_the_readme_exist() -> None:
    targets = re.findall(r"\]\(([^)h][^)]*)\)", README)
    assert len(targets) >= 6
    assert all((ROOT / target).exists() for target in targets)


def test_the_python_of_the_readme_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


def test_the_changelog_knows_the_version_and_the_format() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version is not None
    assert f"[{version[1]}]" in text
    assert f"Format of run directories: **{FORMAT}**" in text


def test_vendored_files_are_the_ones_that_are_listed() -> None:
    static = ROOT / "ui" / "static"
    table = (static / "VENDORED.md").read_text()
    ours = {"LICENSES.txt", "d3.entry.mjs"}
    vendored = [
        *static.glob("fonts/*.woff2"),
        *(path for path in (static / "vendor").rglob("*") if path.is_file() and path.name not in ours),
    ]
    assert len(vendored) >= 10
    for path in vendored:
        assert path.name in table
        assert hashlib.sha256(path.read_bytes()).hexdigest() in table


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*/")), ids=lambda path: path.name)
def test_a_shipped_run_is_an_ordinary_run_of_its_preset(path: Path) -> None:
    run = Run(path)
    assert run.state == "done"
    assert run.config == PRESETS[run.name].config
    rows = run.rows("test")
    assert rows[-1]["step"] == run.config.steps
    assert "baseline" in rows[0]
    assert not run.checkpoints()
    assert run.model()[0] == run.config.steps
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) <= 1_500_000
    assert run.status().host == ""


def test_seven_runs_are_shipped() -> None:
    assert len(list(ASSETS.glob("*/config.json"))) == 7
