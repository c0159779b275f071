"""Exports: other tools read what the run wrote."""

import csv
import math
import os
from pathlib import Path

import pytest

from tests.run_helpers import finish, tiny
from vae_core import records
from vae_core.exports import FORMATS, columns, to_csv, to_tensorboard
from vae_core.runs import Run, RunStore
from vae_core.spec import InputError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run."""
    run = RunStore(tmp_path_factory.mktemp("exports") / "runs").create(tiny(steps=60))
    assert finish(run) == 0
    return run


@pytest.fixture
def broken(store: RunStore) -> Run:
    """A run that ended in numbers that are none."""
    run = store.create(tiny())
    row = {"step": 3, "split": "train", "elbo": math.nan, "loss": math.inf, "kl_per_dimension": [-math.inf, 1.0]}
    (run.path / "metrics.jsonl").write_bytes(records.encode(row))
    return run


def test_csv_holds_every_number_of_every_row(run, tmp_path):
    to_csv(run, tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        table = list(csv.DictReader(file))
    rows = run.rows()
    assert len(table) == len(rows)
    for line, row in zip(table, rows, strict=True):
        assert (int(line["step"]), line["split"]) == (row["step"], row["split"])
        assert [float(line[f"kl_{j}"]) for j in (1, 2)] == row["kl_per_dimension"]
        assert float(line["elbo"]) == row["elbo"]
        assert {name for name, value in line.items() if value} == set(columns(row))


def test_csv_of_a_failed_run_says_nan(broken, tmp_path):
    to_csv(broken, tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line == {"step": "3", "split": "train", "elbo": "nan", "loss": "inf", "kl_1": "-inf", "kl_2": "1.0"}


def test_csv_of_a_run_without_rows_is_empty(store, tmp_path):
    to_csv(store.create(tiny()), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().strip() == ""


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard reads."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_every_scalar(run, tmp_path):
    to_tensorboard(run, tmp_path / "events")
    read = scalars(tmp_path / "events")
    for split in ("train", "test"):
        rows = run.rows(split)
        assert read[f"{split}/elbo"] == pytest.approx({row["step"]: row["elbo"] for row in rows}, rel=1e-6)
        assert read[f"{split}/kl_2"] == pytest.approx(
            {row["step"]: row["kl_per_dimension"][1] for row in rows}, rel=1e-6
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_second_export_replaces_the_first_and_touches_nothing_else(run, tmp_path):
    (tmp_path / "events.out.tfevents.1.others").write_bytes(b"")
    for _ in range(2):
        to_tensorboard(run, tmp_path)
    assert len([name for name in os.listdir(tmp_path) if name.endswith("elbo-room")]) == 1
    assert (tmp_path / "events.out.tfevents.1.others").exists()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("place", ["a folder", "below a file", "/", "."])
def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(run, tmp_path, monkeypatch, form, place):
    monkeypatch.chdir(tmp_path)
    if form == "tensorboard" and place != "below a file":
        pytest.skip("a folder is the place for TensorBoard")
    (tmp_path / "file").write_text("")
    path = {"a folder": tmp_path, "below a file": tmp_path / "file" / "out"}.get(place, Path(place))
    with pytest.raises(InputError, match="could not be written"):
        FORMATS[form](run, path)
    assert os.listdir(tmp_path) == ["file"]


def test_no_cell_of_text_can_be_a_formula(run):
    texts = {value for row in run.rows() for value in columns(row).values() if isinstance(value, str)}
    assert texts == {"train", "test"}
