"""Imports: a run directory, or a zip of one, checked and copied into a store."""

from __future__ import annotations

import json
import lzma
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from vae_core import records
from vae_core.checkpoints import BadCheckpoint, load_checkpoint, read_tensors, step_of
from vae_core.config import RunConfig
from vae_core.runs import LONGEST_NOTE, LONGEST_TITLE, NAME, Run, RunStore
from vae_core.schedules import Schedule
from vae_core.spec import InputError
from vae_core.vae import VAE

MEMBERS = re.compile(
    r"(config|status|label)\.json|(metrics|journal|timing)\.jsonl|frames/(inputs|\d{8})\.png"
    r"|snapshots/\d{8}\.safetensors|checkpoints/ckpt-\d{8}\.safetensors(\.sha256|\.asked)?",
    re.ASCII,
)
FOLDERS = ("", "frames", "snapshots", "checkpoints")
LARGEST = 500 * 2**20
MOST = 10_000
AGAIN = "export the run again"
KEY = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)


def add(source: Path, store: RunStore, name: str | None = None) -> Run:
    """Copy the run at `source` into the store, under its own name if that is free. Nothing of it is executed."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "run"
        draft.mkdir()
        try:
            _gather(source, draft)
        except OSError as error:
            raise InputError(f"the run cannot be copied ({error.strerror or error})", source.name) from None
        config = _checked(Run(draft))
        status, origin = Run(draft).status(), _safe_origin(Run(draft))
        for left_out in ("config.json", "status.json", "timing.jsonl"):
            (draft / left_out).unlink(missing_ok=True)
        if (draft / "label.json").exists():
            (draft / "label.json").write_text(json.dumps(_safe_label(Run(draft))))
        stem = name or (source.stem if NAME.match(source.stem) else config.dataset.kind)
        # What was going on where the run comes from does not go on here until somebody asks for it.
        state = status.state if status.state in ("done", "failed") else "stopped"
        step = max(0, min(status.step, config.steps))
        return store.create(config, name, stem=stem, origin=origin, history=draft, state=state, step=step)


def _gather(source: Path, draft: Path) -> None:
    if source.is_dir():
        for path in (path for folder in FOLDERS for path in (source / folder).glob("*")):
            member = path.relative_to(source).as_posix()
            if MEMBERS.fullmatch(member) and path.is_file() and not path.is_symlink():
                (draft / member).parent.mkdir(exist_ok=True)
                shutil.copyfile(path, draft / member)
    elif zipfile.is_zipfile(source):
        _unzip(source, draft)
    else:
        raise InputError(f"{source.name} is neither a run's directory nor a zip of one", fix="choose another file")
    if not (draft / "config.json").exists():
        raise InputError("there is no config.json", source.name, fix="choose the run's own directory, or a zip of it")


def _unzip(source: Path, draft: Path) -> None:
    """An archive with anything odd in it is refused whole, before a member is read; none is read beyond its size."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            _check_members(members, source.name)
            prefix = _prefix(members)
            for member in members:
                path = member.filename.removeprefix(prefix)
                if MEMBERS.fullmatch(path):
                    (draft / path).parent.mkdir(exist_ok=True)
                    (draft / path).write_bytes(archive.read(member))
    except InputError:
        raise
    # Each of these, and ValueError for a name that cannot be decoded, is raised by some damaged archive.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(f"the zip cannot be read ({error})", source.name, fix="make it again") from None


def _check_members(members: list[zipfile.ZipInfo], where: str) -> None:
    if len(members) > MOST or sum(member.file_size for member in members) > LARGEST:
        raise InputError(
            "the zip is too large", where, f"{MOST:,} files and {LARGEST >> 20} MiB unpacked are the limit"
        )
    if len({member.filename for member in members}) < len(members):
        raise InputError("the zip has two members of one name", where, fix="make it again")
    by_place = sorted(members, key=lambda member: member.header_offset)
    if any(one.header_offset + one.compress_size > next_one.header_offset for one, next_one in pairwise(by_place)):
        raise InputError("the zip has members that overlap", where, fix="make it again")
    for member in members:
        if not _is_safe(member):
            raise InputError(f"the zip has a member that is not safe ({member.filename[:80]!r})", where)


def _is_safe(member: zipfile.ZipInfo) -> bool:
    """No way out of the folder, no link or device, no archive in the archive, nothing blown up over 200 times."""
    path = PurePosixPath(member.filename)
    inside = not path.is_absolute() and ".." not in path.parts and "\\" not in member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    squeezed = member.file_size > 10_000 and member.file_size > 200 * max(1, member.compress_size)
    return inside and kind in (0, stat.S_IFREG, stat.S_IFDIR) and path.suffix.lower() != ".zip" and not squeezed


def _prefix(members: list[zipfile.ZipInfo]) -> str:
    """The folder the run lies in, if it was zipped with its folder."""
    configs = [member.filename for member in members if PurePosixPath(member.filename).name == "config.json"]
    return min(configs, key=len, default="").removesuffix("config.json")


def _checked(run: Run) -> RunConfig:
    run.refuse_opened()  # its files are checked where they are opened
    config = run.config
    _rewrite(run.path / "metrics.jsonl", lambda row: _check_row(row, config))
    _rewrite(run.path / "journal.jsonl", _check_entry)
    with torch.device("meta"):
        model = VAE(config.net, config.likelihood, config.dataset.shape, config.latent)
    for path in [*run.snapshots().values(), *run.checkpoints()]:
        _check_weights(path, model)
    for path in (run.path / "frames").glob("*.png"):
        _check_picture(path)
    return config


def _rewrite(path: Path, check: Any) -> None:
    """Check each record, and keep only what a record says: the same bytes, if a run wrote them."""
    if not path.exists():
        return
    rows = records.read(path)
    for row in rows:
        check(row)
    path.write_bytes(b"".join(records.encode(row) for row in rows))


def _check_row(row: records.Record, config: RunConfig) -> None:
    if not _is_step(row.get("step"), config.steps) or row.get("split") not in ("train", "test"):
        raise InputError("a row has no step or no split", "metrics.jsonl", fix=AGAIN)
    kl = row.get("kl_per_dimension", [])
    if not isinstance(kl, list) or len(kl) != config.latent or not all(map(_is_number, kl)):
        raise InputError(f"a row does not have {config.latent} dimensions", "metrics.jsonl", fix=AGAIN)
    for key, value in row.items():
        if not KEY.match(key) or not (key in ("split", "kl_per_dimension") or value is None or _is_number(value)):
            raise InputError(f"a row has something that is not a number ({key[:60]!r})", "metrics.jsonl", fix=AGAIN)


def _check_entry(entry: records.Record) -> None:
    try:
        SCHEDULE.validate_json(json.dumps(entry["schedule"]))
    except (ValidationError, KeyError):
        raise InputError("an entry is not a change of β", "journal.jsonl", fix=AGAIN) from None
    if not _is_step(entry.get("step"), 10_000_000) or entry.keys() != {"step", "id", "schedule"}:
        raise InputError("an entry has no step or no id", "journal.jsonl", fix=AGAIN)
    entry["id"] = str(entry["id"])[:64]


def _is_step(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_number(value: object) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or value in ("nan", "inf", "-inf")


def _check_weights(path: Path, model: VAE) -> None:
    """The step of its name, and the names, shapes and types of the model (and of Adam's moments)."""
    full = path.stem.startswith("ckpt-")
    try:
        step, tensors = read_tensors(path)
    except NotImplementedError:  # of a type so odd that it cannot be asked whether it is finite
        raise BadCheckpoint("not all its numbers are of 16 or 32 bits", path.name) from None
    if full:
        load_checkpoint(path)  # the checksum
    if step != step_of(path):
        raise BadCheckpoint(f"it is of step {step}", path.name)
    shapes = _shapes(model, full=full, moments=any(name.startswith("o.") for name in tensors))
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if given != shapes:
        odd = next(name for name in sorted(given.keys() | shapes) if given.get(name) != shapes.get(name))
        raise BadCheckpoint(f"{odd[:80]!r} has shape {given.get(odd)}, the config wants {shapes.get(odd)}", path.name)
    if any(tensor.dtype not in (torch.float32, torch.float16) for tensor in tensors.values()):
        raise BadCheckpoint("not all its numbers are of 16 or 32 bits", path.name)


def _shapes(model: VAE, *, full: bool, moments: bool) -> dict[str, tuple[int, ...]]:
    """The names and shapes of what a snapshot or, in `full`, a checkpoint of this model holds."""
    weights = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if not full:
        return weights
    shapes = {f"m.{name}": shape for name, shape in weights.items()}
    for index, parameter in enumerate(model.parameters() if moments else ()):
        shapes[f"o.{index}.step"] = ()
        shapes |= dict.fromkeys((f"o.{index}.exp_avg", f"o.{index}.exp_avg_sq"), tuple(parameter.shape))
    return shapes


def _check_picture(path: Path) -> None:
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            if picture.width * picture.height <= 4_000_000:
                return picture.verify()
    except (OSError, SyntaxError, ValueError):
        raise InputError("a frame is not a PNG", path.name, fix=AGAIN) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        pass
    raise InputError("a frame is too large", path.name, "4 million pixels are the limit")


def _safe_label(run: Run) -> dict[str, object]:
    label = run.label
    longest = {"title": LONGEST_TITLE, "note": LONGEST_NOTE}
    kept: dict[str, object] = {key: str(label[key])[:most] for key, most in longest.items() if key in label}
    return kept | {"star": bool(label.get("star"))}


def _safe_origin(run: Run) -> dict[str, object] | None:
    """Where a branch came from, if it is told as a branch would tell it."""
    match run.origin:
        case {"run": str(name), "step": int(step), "optimiser": "kept" | "fresh" as optimiser} if NAME.match(name):
            return {"run": name, "step": step, "optimiser": optimiser}
    return None
