"""Adding runs that others made: all of an honest one, nothing of a hostile one."""

import json
import os
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.run_helpers import content, finish, numbers, tiny
from vae_core.branching import branch
from vae_core.checkpoints import load_checkpoint
from vae_core.commands import SetBeta
from vae_core.imports import add
from vae_core.runs import LONGEST_NOTE, LONGEST_TITLE, Run, RunStore, Status, write_status
from vae_core.schedules import Piecewise
from vae_core.spec import InputError

MARKUP = '<img src=x onerror="alert(1)"> [a](javascript:alert(1)) ' + "x" * 500


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a changed β, a label and all else a run may have."""
    run = RunStore(tmp_path_factory.mktemp("honest") / "runs").create(tiny(steps=60), "honest")
    run.post(SetBeta(schedule=Piecewise(points=((0, 0.25), (50, 1.5)))))
    assert finish(run) == 0
    (run.path / "label.json").write_text(json.dumps({"title": "Mine", "note": "A note", "star": True}))
    return run.path


@pytest.fixture
def source(honest: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(honest, tmp_path / "source"))


def packed(folder: Path, prefix: str = "", **options) -> Path:
    """A zip of a folder."""
    path = folder.parent / "packed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
        for name, data in options.items():
            archive.writestr(name, data)
    return path


def refused(source: Path, store: RunStore, says: str) -> None:
    """It is refused in one sentence, and nothing of it is left."""
    with pytest.raises(InputError, match=says) as error:
        add(source, store)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    assert not store.root.exists() or os.listdir(store.root) == []


# An honest run


@pytest.mark.parametrize("form", ["directory", "zip", "zip with its folder"])
def test_a_run_arrives_whole(honest, source, store, form):
    if form != "directory":
        source = packed(source, "some folder/" if "folder" in form else "")
    run = add(source, store)
    theirs = Run(honest)
    assert numbers(run) == numbers(theirs)
    assert (run.config, run.rows(), run.journal(), run.label) == (
        theirs.config,
        theirs.rows(),
        theirs.journal(),
        theirs.label,
    )
    assert (run.state, run.status().step) == ("done", 60)
    assert run.name == ("source" if form == "directory" else "packed")
    assert not list(run.path.glob("run.lock"))
    assert load_checkpoint(run.checkpoints()[-1]).step == 60


def test_a_run_that_was_added_can_be_branched_and_added_again(source, store):
    run = add(source, store)
    child = branch(run, 60, store, config=tiny(steps=80))
    assert finish(child) == 0
    again = add(child.path, store)
    assert again.origin == child.origin
    assert again.name == f"{child.name}-2"
    assert numbers(again) == numbers(child)


def test_a_name_that_is_taken_is_counted_on_or_refused(source, store):
    assert [add(source, store).name for _ in range(2)] == ["source", "source-2"]
    assert add(source, store, "mine").name == "mine"
    with pytest.raises(InputError, match="exists"):
        add(source, store, "mine")
    with pytest.raises(InputError, match="is not a name"):
        add(source, store, "../mine")


def test_a_name_that_is_none_becomes_that_of_the_data(source, store):
    assert add(source.rename(source.parent / "No Name!"), store).name == "digits"


@pytest.mark.parametrize("state", ["queued", "running", "paused", "interrupted", "stopped"])
def test_what_was_going_on_elsewhere_does_not_go_on_here(source, store, state):
    write_status(Run(source), Status(state, 30))
    run = add(source, store)
    assert (run.state, run.status().step) == ("stopped", 30)


def test_only_what_belongs_to_a_run_is_copied(source, store):
    (source / "commands").mkdir(exist_ok=True)
    for name in (
        "run.lock",
        "evil.py",
        "commands/1.json",
        "frames/x.png",
        "checkpoints/x.pt",
        "snapshots/٠٠٠٠٠٠٠١.safetensors",
    ):
        (source / name).write_text("x")
    (source / "frames" / "00009999.png").symlink_to("/etc/passwd")
    run = add(source, store)
    names = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*")}
    assert names.isdisjoint(
        {"run.lock", "evil.py", "commands", "frames/x.png", "checkpoints/x.pt", "frames/00009999.png"}
    )
    assert len(run.snapshots()) == len(list(source.glob("snapshots/0*")))


def test_a_label_stays_text_and_gets_no_longer_than_a_label(source, store):
    label = {"title": MARKUP, "note": [1, {"a": MARKUP}], "star": "yes", "script": "alert(1)"}
    (source / "label.json").write_text(json.dumps(label))
    kept = add(source, store).label
    assert kept.keys() == {"title", "note", "star"}
    assert kept["title"] == MARKUP[:LONGEST_TITLE]
    assert len(kept["note"]) <= LONGEST_NOTE
    assert kept["star"] is True


@pytest.mark.parametrize(
    "status", ['{"state": "<script>"}', '{"state": "done", "step": "<b>"}', '{"state":"done","step":-5}', "[]", "["]
)
def test_a_status_of_nonsense_does_no_harm(source, store, status):
    (source / "status.json").write_text(status)
    run = add(source, store)
    assert run.state in ("done", "stopped")
    assert 0 <= run.status().step <= 60


@pytest.mark.parametrize(
    "origin",
    [
        {"run": "../x", "step": 1, "optimiser": "kept"},
        {"run": MARKUP},
        "x",
        {"run": "a", "step": "1", "optimiser": "kept"},
    ],
)
def test_an_origin_of_nonsense_is_forgotten(source, store, origin):
    card = json.loads((source / "config.json").read_bytes()) | {"origin": origin}
    (source / "config.json").write_text(json.dumps(card))
    assert add(source, store).origin is None


# Hostile archives


def member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    """A member with a mode of ones own."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "name",
    ["../../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "../evil/", "inner.zip", "deep/INNER.ZIP"],
)
def test_a_member_that_leads_out_or_holds_another_archive_is_refused(source, store, name):
    path = packed(source)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member(name), b"x")
    refused(path, store, "not safe")
    assert not (path.parent / "evil").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_a_member_that_is_no_file_is_refused(source, store, kind):
    path = packed(source)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member("frames/00009999.png", kind | 0o777), "/etc/passwd")
    refused(path, store, "not safe")


def test_a_member_that_lies_about_its_size_is_refused(source, store):
    (source / "timing.jsonl").write_bytes(os.urandom(100_000))
    path = packed(source)
    data = bytearray(path.read_bytes())
    for position in _headers(data, b"timing.jsonl"):
        data[position : position + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    refused(path, store, "cannot be read")


def _headers(data: bytearray, name: bytes) -> list[int]:
    """Where the size of a member is written down: before its data, and in the directory."""
    local = data.index(b"PK\x03\x04", 0)
    places = []
    while local >= 0:
        if data[local + 30 : local + 30 + len(name)] == name:
            places.append(local + 22)
        local = data.find(b"PK\x03\x04", local + 4)
    central = data.find(b"PK\x01\x02")
    while central >= 0:
        if data[central + 46 : central + 46 + len(name)] == name:
            places.append(central + 24)
        central = data.find(b"PK\x01\x02", central + 4)
    assert len(places) == 2
    return places


def test_an_archive_that_blows_up_is_refused_before_it_is_read(source, store, monkeypatch):
    with open(source / "timing.jsonl", "wb") as file:
        file.truncate(50 * 2**20)
    path = packed(source)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was read"))
    refused(path, store, "not safe")


def test_an_archive_that_is_too_large_or_has_too_many_members_is_refused(source, store, monkeypatch):
    path = packed(source)
    monkeypatch.setattr("vae_core.imports.LARGEST", 1000)
    refused(path, store, "too large")
    monkeypatch.setattr("vae_core.imports.LARGEST", 10**9)
    monkeypatch.setattr("vae_core.imports.MOST", 3)
    refused(path, store, "too large")


def test_an_encrypted_member_is_refused(source, store):
    path = packed(source)
    data = bytearray(path.read_bytes())
    position = data.find(b"PK\x01\x02")
    while position >= 0:
        data[position + 8] |= 1
        position = data.find(b"PK\x01\x02", position + 4)
    path.write_bytes(data)
    refused(path, store, "cannot be read|not safe")


def test_two_members_of_one_name_are_refused(source, store):
    path = packed(source)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", b"{}")
    refused(path, store, "one name")


def test_members_that_share_their_bytes_are_refused(source, store):
    path = packed(source)
    with zipfile.ZipFile(path, "a") as archive:
        shared = archive.getinfo("metrics.jsonl")
        twin = zipfile.ZipInfo("frames/00009999.png")
        for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
            setattr(twin, field, getattr(shared, field))
        archive.filelist.append(twin)
        archive._didModify = True
    refused(path, store, "overlap")


@pytest.mark.parametrize("spoil", ["truncated", "garbled", "not a zip", "empty", "method"])
def test_a_damaged_archive_is_refused(source, store, spoil):
    path = packed(source)
    data = bytearray(path.read_bytes())
    match spoil:
        case "truncated":
            data = data[: len(data) // 2]
        case "garbled":
            start = data.index(b"metrics.jsonl") + 20
            data[start : start + 200] = bytes(200)
        case "not a zip":
            data = bytearray(b"%PDF-1.4 not at all")
        case "empty":
            data = bytearray()
        case "method":
            position = data.find(b"PK\x01\x02")
            while position >= 0:
                data[position + 10] = 99
                position = data.find(b"PK\x01\x02", position + 4)
    path.write_bytes(data)
    refused(path, store, "cannot be read|neither a run")


@pytest.mark.parametrize(
    "broken",
    [zlib.error("bad"), OSError(28, "No space left on device"), EOFError(), ValueError("x"), RuntimeError("x")],
)
def test_whatever_reading_an_archive_raises_is_one_sentence(source, store, monkeypatch, broken):
    path = packed(source)

    def fail(*_):
        raise broken

    monkeypatch.setattr(zipfile.ZipFile, "read", fail)
    refused(path, store, "cannot be")


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder"])
def test_what_is_no_run_is_refused(tmp_path, store, what):
    path = tmp_path / "thing"
    if what == "a file":
        path.write_text("hello")
    if what == "an empty folder":
        path.mkdir()
    refused(path, store, r"neither a run|no config\.json")


# Hostile content


CARD = '{"format": 1, "created": 0, "config": %s}'


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("", "not JSON"),
        ("[]", "not of this format"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"format": 2}', "not of this format"),
        (CARD % '{"latent": 1000000000}', "latent"),
        (CARD % '{"steps": NaN}', "steps"),
        (CARD % '{"evil": 1}', "evil"),
        (CARD.replace("0", '"now"') % "{}", "created"),
    ],
)
def test_a_bad_config_is_refused(source, store, config, says):
    (source / "config.json").write_text(config)
    refused(source, store, says)


GOOD_ROW = '{"step":1,"split":"train","kl_per_dimension":[1.0,2.0],"elbo":-3.0}'


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('{"a": 1}', "no step"),
        (GOOD_ROW.replace('"step":1', '"step":-1'), "no step"),
        (GOOD_ROW.replace('"step":1', '"step":61'), "no step"),
        (GOOD_ROW.replace('"step":1', '"step":true'), "no step"),
        (GOOD_ROW.replace('"step":1', '"step":1.5'), "no step"),
        (GOOD_ROW.replace("train", "<b>"), "no split"),
        (GOOD_ROW.replace("[1.0,2.0]", "[1.0]"), "2 dimensions"),
        (GOOD_ROW.replace("[1.0,2.0]", "7"), "2 dimensions"),
        (GOOD_ROW.replace("[1.0,2.0]", '["<b>",1.0]'), "2 dimensions"),
        (GOOD_ROW.replace("-3.0", '"=cmd()"'), "not a number"),
        (GOOD_ROW.replace("-3.0", "[1]"), "not a number"),
        (GOOD_ROW.replace('"elbo"', '"=cmd()"'), "not a number"),
        (GOOD_ROW.replace('"elbo"', '"<script>"'), "not a number"),
    ],
)
def test_a_row_of_nonsense_is_refused(source, store, row, says):
    with open(source / "metrics.jsonl", "a") as file:
        file.write(row + "\n")
    refused(source, store, says)


def test_what_json_should_not_hold_is_rewritten_or_left_out(source, store):
    with open(source / "metrics.jsonl", "a") as file:
        file.write(
            GOOD_ROW.replace("-3.0", "NaN") + "\n" + GOOD_ROW.replace("-3.0", "1e999") + "\n" + "[" * 99_999 + "\n{torn"
        )
    run = add(source, store)
    assert [row["elbo"] for row in run.rows()[-2:]] == ["nan", "inf"]
    assert b"NaN" not in (run.path / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize(
    "entry",
    [
        '{"step": 3, "id": "x"}',
        '{"step": 3, "id": "x", "schedule": {"kind": "evil"}}',
        '{"id": "x", "schedule": {"kind": "constant"}}',
        '{"step": -3, "id": "x", "schedule": {"kind": "constant"}}',
        '{"step": 3, "id": "x", "schedule": {"kind": "constant", "value": NaN}}',
        '{"step": 3, "id": "x", "schedule": {"kind": "constant"}, "evil": 1}',
    ],
)
def test_a_journal_of_nonsense_is_refused(source, store, entry):
    (source / "journal.jsonl").write_text(entry + "\n")
    refused(source, store, "an entry")


def spoiled(tensors: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    """Tensors that a model should not get."""
    name = next(name for name in tensors if name.endswith("weight"))
    match how:
        case "nan":
            return tensors | {name: torch.full_like(tensors[name], torch.nan)}
        case "shape":
            return tensors | {name: tensors[name].flatten()}
        case "missing":
            return {key: tensor for key, tensor in tensors.items() if key != name}
        case "extra":
            return tensors | {"\x1b[31m" + "evil" * 100: torch.zeros(3)}
        case "complex":
            return tensors | {name: tensors[name].to(torch.complex64)}
        case "float8":
            return tensors | {name: tensors[name].to(torch.float8_e4m3fn)}
    return tensors | {name: tensors[name].to(torch.int64)}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("nan", "non-finite"),
        ("shape", "has shape"),
        ("missing", "has shape None"),
        ("extra", "wants None"),
        ("complex", "16 or 32 bits"),
        ("integer", "16 or 32 bits"),
        ("float8", "16 or 32 bits|not a valid"),
    ],
)
@pytest.mark.parametrize("kind", ["snapshots/*.safetensors", "checkpoints/*.safetensors"])
def test_weights_that_do_not_fit_are_refused(source, store, kind, how, says):
    path = sorted(source.glob(kind))[-1]
    step = str(int(path.stem.removeprefix("ckpt-")))
    tensors = safetensors.torch.load_file(path)
    _write(path, safetensors.torch.save(spoiled(tensors, how), {"step": step}))
    refused(source, store, says)


@pytest.mark.parametrize("step", ["59", "-1", "x", "9" * 30])
@pytest.mark.parametrize("kind", ["snapshots/*.safetensors", "checkpoints/*.safetensors"])
def test_weights_of_another_step_are_refused(source, store, kind, step):
    path = sorted(source.glob(kind))[-1]
    _write(path, safetensors.torch.save(safetensors.torch.load_file(path), {"step": step}))
    refused(source, store, "is of step|not a valid")


def test_moments_that_do_not_fit_are_refused(source, store):
    path = Run(source).checkpoints()[-1]
    tensors = safetensors.torch.load_file(path)
    tensors["o.0.exp_avg"] = tensors["o.0.exp_avg"].flatten()
    _write(path, safetensors.torch.save(tensors, {"step": "60"}))
    refused(source, store, r"o\.0\.exp_avg")


@pytest.mark.parametrize(
    "header",
    [struct.pack("<Q", 2**60), struct.pack("<Q", 8) + b"{}      ", b"", b"PK\x03\x04",
     (lambda text: struct.pack("<Q", len(text)) + text)(
         b'{"__metadata__":{"step":"60"},"a":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4]}}')],
    ids=["endless header", "no tensors", "empty", "a zip", "a huge shape"],
)  # fmt: skip
def test_a_file_that_is_no_safetensors_is_refused(source, store, header):
    _write(Run(source).checkpoints()[-1], header)
    refused(source, store, "safetensors|has shape")


def test_a_checkpoint_that_is_not_what_its_checksum_says_is_refused(source, store):
    path = Run(source).checkpoints()[-1]
    checksum = path.with_name(path.name + ".sha256")
    checksum.write_text("0" * 64)
    refused(source, store, "checksum")
    checksum.unlink()
    refused(source, store, "checksum")


def test_weights_of_another_architecture_are_refused(source, store):
    card = json.loads((source / "config.json").read_bytes())
    card["config"]["net"]["widths"] = [9]
    (source / "config.json").write_text(json.dumps(card))
    refused(source, store, "the config wants")


@pytest.mark.parametrize("picture", [b"", b"GIF89a", b"<svg/>", b"%!PS-Adobe", b"\x89PNG\r\n\x1a\n" + b"x" * 50])
def test_a_picture_that_is_no_png_is_refused(source, store, picture):
    (source / "frames" / "00000000.png").write_bytes(picture)
    refused(source, store, "not a PNG")


@pytest.mark.parametrize("side", [3000, 12_000, 60_000])
def test_a_picture_that_is_too_large_is_refused_unread(source, store, side):
    path = source / "frames" / "00000000.png"
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(data)
    refused(source, store, "too large")


def _write(path: Path, data: bytes) -> None:
    """A file of weights, with the checksum of what it holds where it had one."""
    import hashlib

    path.write_bytes(data)
    checksum = path.with_name(path.name + ".sha256")
    if checksum.exists():
        checksum.write_text(hashlib.sha256(data).hexdigest())


def test_the_source_is_left_as_it_was(source, store):
    before = {path: content(path) for path in source.rglob("*") if path.is_file()}
    add(source, store)
    assert {path: content(path) for path in source.rglob("*") if path.is_file()} == before
