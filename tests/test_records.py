"""Append-only records: strict JSON, whole lines only, and readers who notice when the file was replaced under them."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from vae_core import records
from vae_core.records import Log, Record, Tail, cut, number, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def write(path: Path, *rows: Record) -> None:
    log = Log(path)
    for row in rows:
        log.append(row)
    log.close()


def steps(rows: list[Record]) -> list[int]:
    return [row["step"] for row in rows]


def strict(text: bytes) -> Record:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


RECORDS = [
    {},
    {"step": 10**12, "flag": True, "none": None, "text": 'β "quoted"\nline\u2028break\0'},
    {"kl": [0.1, 1e-30, -0.0], "deep": {"tuple": (1, 2.5), "list": [[math.inf], {"nan": math.nan}]}},
]


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_every_record_is_one_line_of_strict_json(record: Record) -> None:
    line = records.encode(record)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert strict(line).keys() == record.keys()


def test_plain_records_come_back_as_they_were(path: Path) -> None:
    write(path, *RECORDS[:2])
    assert read(path) == RECORDS[:2]


@pytest.mark.parametrize(("value", "text"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_numbers_that_are_none_are_written_as_text(value: float, text: str) -> None:
    stored = strict(records.encode({"loss": value, "kl": [value]}))
    assert stored == {"loss": text, "kl": [text]}
    assert str(number(stored["loss"])) == text


def test_a_number_is_read_however_it_was_written() -> None:
    assert number(1.5) == 1.5
    assert math.isnan(number(None))


@pytest.mark.parametrize("value", [math.pi, 1e-12 / 3, -123456.789, 2 / 3 * 1e20])
def test_six_digits_of_a_number_survive(value: float) -> None:
    assert strict(records.encode({"x": value}))["x"] == pytest.approx(value, rel=5e-6)


def test_integers_keep_every_digit() -> None:
    assert strict(records.encode({"step": 123_456_789_012}))["step"] == 123_456_789_012


def test_a_missing_file_has_no_records(path: Path) -> None:
    assert read(path) == []
    assert Tail(path).read() == ([], False)


def test_each_read_returns_only_what_is_new(path: Path) -> None:
    write(path, {"step": 0})
    tail = Tail(path)
    assert tail.read() == ([{"step": 0}], True)
    assert tail.read() == ([], False)
    write(path, {"step": 1}, {"step": 2})
    assert tail.read() == ([{"step": 1}, {"step": 2}], False)


def test_readers_do_not_disturb_each_other(path: Path) -> None:
    first, second = Tail(path), Tail(path)
    write(path, {"step": 0})
    assert steps(first.read()[0]) == [0]
    write(path, {"step": 1})
    assert steps(second.read()[0]) == [0, 1]
    assert steps(first.read()[0]) == [1]


@pytest.mark.parametrize("length", range(1, 12))
def test_a_torn_last_line_waits_until_it_is_whole(path: Path, length: int) -> None:
    line = records.encode({"step": 1})
    path.write_bytes(records.encode({"step": 0}) + line[:length])
    tail = Tail(path)
    whole = length == len(line)
    assert steps(tail.read()[0]) == ([0, 1] if whole else [0])
    with path.open("ab") as file:
        file.write(line[length:])
    assert steps(tail.read()[0]) == ([] if whole else [1])
    assert tail.bad == 0


def test_a_new_writer_cuts_off_what_a_dead_one_tore(path: Path) -> None:
    path.write_bytes(records.encode({"step": 0}) + b'{"step":1,"el')
    write(path, {"step": 2})
    assert path.read_bytes() == records.encode({"step": 0}) + records.encode({"step": 2})


@pytest.mark.parametrize(
    "garbage",
    [b"garbage", b"\xff\xfe\x00", b"", b"[1,2]", b"3", b'{"step":', b"null", b"[" * 100_000],
    ids=lambda line: repr(line[:20]),
)
def test_a_line_of_garbage_is_skipped_and_counted(path: Path, garbage: bytes) -> None:
    path.write_bytes(records.encode({"step": 0}) + garbage + b"\n" + records.encode({"step": 1}))
    tail = Tail(path)
    assert steps(tail.read()[0]) == [0, 1]
    assert tail.bad == 1
    cut(path, lambda row: row["step"] >= 0)
    assert path.read_bytes() == records.encode({"step": 0}) + records.encode({"step": 1})


def test_a_reader_starts_again_when_the_file_was_cut(path: Path) -> None:
    write(path, *({"step": step} for step in range(5)))
    tail = Tail(path)
    tail.read()
    cut(path, lambda row: row["step"] < 3)
    assert tail.read() == ([{"step": 0}, {"step": 1}, {"step": 2}], True)
    write(path, {"step": 3})
    assert tail.read() == ([{"step": 3}], False)


def test_a_reader_starts_again_when_the_file_was_replaced_by_a_longer_one(path: Path, tmp_path: Path) -> None:
    write(path, {"step": 0})
    tail = Tail(path)
    tail.read()
    write(tmp_path / "other", *({"step": step} for step in range(10, 15)))
    os.replace(tmp_path / "other", path)
    rows, reset = tail.read()
    assert (steps(rows), reset) == ([10, 11, 12, 13, 14], True)


def test_a_reader_starts_again_when_the_file_was_truncated_in_place(path: Path) -> None:
    write(path, {"step": 0}, {"step": 1})
    tail = Tail(path)
    tail.read()
    os.truncate(path, 0)
    assert tail.read() == ([], True)
    write(path, {"step": 7})
    assert tail.read() == ([{"step": 7}], False)


def test_a_reader_starts_again_when_another_longer_file_has_the_same_inode(path: Path) -> None:
    write(path, {"step": 0})
    tail = Tail(path)
    tail.read()
    path.write_bytes(b"".join(records.encode({"step": step}) for step in range(10, 15)))
    rows, reset = tail.read()
    assert (steps(rows), reset) == ([10, 11, 12, 13, 14], True)


def test_a_reader_outlives_the_file(path: Path) -> None:
    write(path, {"step": 0})
    tail = Tail(path)
    tail.read()
    path.unlink()
    assert tail.read() == ([], False)


def test_cutting_keeps_the_bytes_of_the_rest(path: Path) -> None:
    write(path, *({"step": step, "kl": [0.1, 2.0]} for step in range(6)))
    before = path.read_bytes().splitlines(keepends=True)
    cut(path, lambda row: row["step"] % 2 == 0)
    assert path.read_bytes() == b"".join(before[::2])


def test_cutting_leaves_alone_what_fits(path: Path, tmp_path: Path) -> None:
    write(path, {"step": 0}, {"step": 1})
    inode = path.stat().st_ino
    cut(path, lambda row: row["step"] < 2)
    assert path.stat().st_ino == inode
    cut(tmp_path / "missing", lambda row: True)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_cutting_drops_rows_that_it_cannot_judge(path: Path) -> None:
    write(path, {"step": 0}, {"other": 1}, {"step": "text"}, {"step": None})
    cut(path, lambda row: row["step"] < 2)
    assert steps(read(path)) == [0]


def test_a_durable_log_is_on_disk_when_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for durable, count in ((False, 0), (True, 2)):
        log = Log(path, durable=durable)
        log.append({"step": 0})
        log.append({"step": 1})
        log.close()
        assert len(synced) == count


def test_a_record_is_one_system_call_and_a_full_disk_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, write_all, calls = Log(path), os.write, []

    def half(file: int, data: bytes) -> int:
        calls.append(data)
        return write_all(file, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="full"):
        log.append({"step": 0})
    log.close()
    assert calls == [records.encode({"step": 0})]
    assert read(path) == []
