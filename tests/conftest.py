"""What every test shares: where MNIST is, a store of its own, and nothing left running."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from vae_core.runs import RunStore

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Tests look for MNIST beside the project, as a user's VAE_DATA_DIR would point to it."""
    if "VAE_DATA_DIR" not in os.environ and (SHARED / "mnist").is_dir():
        os.environ["VAE_DATA_DIR"] = str(SHARED)
    os.environ.setdefault("VAE_DEVICE", "cpu")
    torch.set_num_threads(1)  # on a busy machine two threads wait for each other more than they work


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """GPU tests are skipped, with the reason said, where there is no CUDA."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device here"))


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """A page that is tested becomes `__main__`, which processes started by later tests would run again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def mnist() -> Path:
    """The folder of the full MNIST, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("VAE_DATA_DIR", SHARED)) / "mnist"
    if not folder.is_dir():
        pytest.skip(f"MNIST is not in {folder}; set VAE_DATA_DIR to the folder that holds mnist/")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(tmp_path / "runs")


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the shipped runs."""
    for module in ("run", "store"):
        monkeypatch.setattr(f"vae_core.runs.{module}.ASSETS", tmp_path / "assets")
    return tmp_path / "assets"


@pytest.fixture(autouse=True)
def _settings_of_torch() -> Iterator[None]:
    """A run trained in this process leaves its thread count and its way with denormal numbers behind."""
    yield
    torch.set_num_threads(1)  # on a busy machine two threads wait for each other more than they work
    torch.set_flush_denormal(False)
