"""Imports: a run directory, or a zip of one, checked and copied into a store."""

from __future__ import annotations

import json
import re
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import torch
from PIL import Image

from vae_core.checkpoints import BadCheckpoint, read_tensors
from vae_core.config import RunConfig
from vae_core.runs import LIVE, NAME, Run, RunStore
from vae_core.spec import InputError
from vae_core.vae import VAE

MEMBERS = re.compile(
    r"(config|status|label)\.json|(metrics|journal|timing)\.jsonl|frames/(inputs|\d{8})\.png"
    r"|snapshots/\d{8}\.safetensors|checkpoints/ckpt-\d{8}\.safetensors(\.sha256|\.asked)?"
)
LARGEST = 500 * 2**20
MOST = 10_000


def add(source: Path, store: RunStore, name: str | None = None) -> Run:
    """Copy the run at `source` into the store, under its own name if that is free. Nothing of it is executed."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "run"
        draft.mkdir()
        _gather(source, draft)
        config = _checked(Run(draft))
        status, label = Run(draft).status(), draft / "label.json"
        history = Path(folder) / "history"
        keep = shutil.ignore_patterns("config.json", "status.json", "timing.jsonl")
        shutil.copytree(draft, history, ignore=keep)
        if label.exists():
            (history / "label.json").write_text(json.dumps(_safe_label(Run(draft))))
        stem = name or (source.stem if NAME.match(source.stem) else config.dataset.kind)
        state = "stopped" if status.state in LIVE else status.state
        return store.create(config, name, stem=stem, history=history, state=state, step=status.step)


def _gather(source: Path, draft: Path) -> None:
    if source.is_dir():
        for path in source.rglob("*"):
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
    """Members are read with a byte count of our own; an archive with anything odd in it is refused whole."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_members(members, source.name)
            prefix = _prefix(members)
            for member in members:
                path = member.filename.removeprefix(prefix)
                if MEMBERS.fullmatch(path):
                    (draft / path).parent.mkdir(exist_ok=True)
                    (draft / path).write_bytes(archive.read(member))
    except (zipfile.BadZipFile, RuntimeError, EOFError, NotImplementedError) as error:
        raise InputError(f"the zip cannot be read ({error})", source.name, fix="make it again") from None


def _check_members(members: list[zipfile.ZipInfo], where: str) -> None:
    if len(members) > MOST or sum(member.file_size for member in members) > LARGEST:
        raise InputError(
            "the zip is too large", where, f"{MOST:,} files and {LARGEST >> 20} MiB unpacked are the limit"
        )
    for member in members:
        path = PurePosixPath(member.filename)
        link = stat.S_ISLNK(member.external_attr >> 16)
        squeezed = member.file_size > 10_000 and member.file_size > 200 * max(1, member.compress_size)
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or link or squeezed:
            raise InputError(f"the zip has a member that is not safe ({member.filename[:80]!r})", where)


def _prefix(members: list[zipfile.ZipInfo]) -> str:
    """The folder the run lies in, if it was zipped with its folder."""
    configs = [member.filename for member in members if PurePosixPath(member.filename).name == "config.json"]
    return min(configs, key=len, default="").removesuffix("config.json")


def _checked(run: Run) -> RunConfig:
    config = run.config
    for row in run.rows():
        if not isinstance(row.get("step"), int) or row.get("split") not in ("train", "test"):
            raise InputError("a row has no step or no split", "metrics.jsonl", fix="export the run again")
        if len(row.get("kl_per_dimension", [])) != config.latent:
            raise InputError(f"a row does not have {config.latent} dimensions", "metrics.jsonl")
    with torch.device("meta"):
        model = VAE(config.net, config.likelihood, config.dataset.shape, config.latent)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for path in [*run.snapshots().values(), *run.checkpoints()]:
        _check_weights(path, shapes)
    for path in (run.path / "frames").glob("*.png"):
        _check_picture(path)
    return config


def _check_weights(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    _, tensors = read_tensors(path)
    if path.stem.startswith("ckpt-"):
        tensors = {name[2:]: tensor for name, tensor in tensors.items() if name.startswith("m.")}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if given != shapes:
        odd = next(name for name in sorted(given.keys() | shapes) if given.get(name) != shapes.get(name))
        raise BadCheckpoint(f"{odd} has shape {given.get(odd)}, the config wants {shapes.get(odd)}", path.name)


def _check_picture(path: Path) -> None:
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            if picture.width * picture.height > 4_000_000:
                raise InputError("a frame is too large", path.name, "4 million pixels are the limit")
            picture.verify()
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("a frame is not a PNG", path.name, fix="export the run again") from None


def _safe_label(run: Run) -> dict[str, object]:
    label = run.label
    kept: dict[str, object] = {key: str(label[key])[:200] for key in ("title", "note") if key in label}
    return kept | {"star": bool(label.get("star"))}
