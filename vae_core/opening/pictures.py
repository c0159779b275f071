"""Images from a .npy file, a folder or a zip of pictures: uint8 [n, c, h, w], in the order of the codes."""

from __future__ import annotations

import io
import re
import stat
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vae_core.opening.arrays import check_finite, read_npy
from vae_core.opening.asking import Question
from vae_core.spec import InputError

LARGEST = 2 * 2**30
LARGEST_FILE = 50 * 2**20
MOST_PIXELS = 16_000_000
LONGEST_SIDE = 4096
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
Named = tuple[str, Callable[[], bytes]]


@dataclass(frozen=True)
class Pictures:
    """The images, uint8 [n, c, h, w], and what was read out of the file about them, in words."""

    images: np.ndarray
    read_as: str


def read_pictures(path: Path, count: int, layout: str | None = None) -> Pictures:
    """As many images as there are codes. `layout` is the user's word for an array whose shape does not say."""
    if path.is_dir():
        return _decoded(_of_folder(path, count), path.name, count)
    if path.suffix.lower() == ".zip":
        return _of_zip(path, count)
    array = read_npy(path)
    if len(array) != count:
        raise _count(len(array), count, path.name)
    array, shape = _as_nchw(array, layout, path.name)
    pixels, scale = _bytes(array, path.name)
    return Pictures(pixels, f"{shape}, {scale}")


def _count(found: int, count: int, where: str) -> InputError:
    return InputError(f"there are {found:,} images for {count:,} codes", where, fix="give one for each, in their order")


def _as_nchw(array: np.ndarray, layout: str | None, where: str) -> tuple[np.ndarray, str]:
    """[n, c, h, w] of an array in another order of axes."""
    if array.ndim == 3:
        return _checked(array[:, None], where), "nhw"
    if array.ndim == 2:
        return _unflattened(array, layout, where)
    if array.ndim != 4:
        raise InputError(f"the array has shape {array.shape}", where, "n × c × h × w or n × h × w × c is wanted")
    fits = [name for name, axis in (("nchw", 1), ("nhwc", 3)) if array.shape[axis] in (1, 3)]
    if len(fits) == 2 and layout not in fits:
        raise Question("layout", f"shape {array.shape} may have its channels in front or at the end", where)
    if not fits:
        raise InputError(f"the array has shape {array.shape}", where, "images have 1 or 3 channels")
    chosen = layout if layout in fits else fits[0]
    return _checked(array if chosen == "nchw" else array.transpose(0, 3, 1, 2), where), chosen


def _unflattened(array: np.ndarray, layout: str | None, where: str) -> tuple[np.ndarray, str]:
    """Flat rows are taken for square images: grey, or three channels one after the other (or pixel by pixel)."""
    for channels in (1, 3):
        side = round((array.shape[1] / channels) ** 0.5)
        if channels * side**2 == array.shape[1]:
            if channels == 3 and layout not in ("flat", "flat-nhwc"):
                raise Question("layout", f"rows of {array.shape[1]:,} numbers may hold colours in two orders", where)
            if layout == "flat-nhwc":
                return _checked(array.reshape(-1, side, side, channels).transpose(0, 3, 1, 2), where), layout
            return _checked(array.reshape(-1, channels, side, side), where), "flat"
    raise InputError(f"rows of {array.shape[1]:,} numbers are no square images", where, fix="save them as [n, c, h, w]")


def _checked(array: np.ndarray, where: str) -> np.ndarray:
    if max(array.shape[2:]) > LONGEST_SIDE or array.size > LARGEST:
        raise InputError(
            f"the images are {array.shape}", where, f"{LARGEST >> 30} GB and sides of {LONGEST_SIDE:,} are the limit"
        )
    return array


def _bytes(array: np.ndarray, where: str) -> tuple[np.ndarray, str]:
    """0 to 255 from whatever range the numbers have, in parts to need little memory."""
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array.astype(np.uint8) * 255), "black and white"
    if array.dtype == np.uint8 and array.max() > 1:
        return np.ascontiguousarray(array), "0 to 255"
    if array.dtype.kind not in "fiu":
        raise InputError(f"the images are of type {array.dtype}", where, "numbers are wanted")
    check_finite(array, where)
    low, high, name = _range(float(array.min()), float(array.max()), where)
    out = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), 1024):
        part = (array[start : start + 1024].astype(np.float32) - low) * (255 / (high - low))
        out[start : start + 1024] = part.round().clip(0, 255)
    return out, name


def _range(least: float, most: float, where: str) -> tuple[float, float, str]:
    """Black, white and a name of the range. Small overshoots, as of a resampling, are cut."""
    if least >= -0.05 and most <= 1.05:
        return 0.0, 1.0, "0 to 1"
    if least >= -1.05 and most <= 1.05:
        return -1.0, 1.0, "-1 to 1"
    if least >= 0 and most <= 255:
        return 0.0, 255.0, "0 to 255"
    raise InputError(
        f"the images go from {least:.4g} to {most:.4g}", where, "0 to 1, -1 to 1 and 0 to 255 are read", "undo it"
    )


def _of_folder(path: Path, count: int) -> Iterator[Named]:
    files = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
    if len(files) != count:
        raise _count(len(files), count, path.name)
    for file in sorted(files, key=lambda file: _natural(file.name)):
        if file.stat().st_size > LARGEST_FILE:
            raise InputError("the picture is too large", file.name, f"{LARGEST_FILE >> 20} MB are the limit")
        yield file.name, file.read_bytes


def _of_zip(path: Path, count: int) -> Pictures:
    """Members are read one by one and never written; an archive with links, locks or bombs in it is refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir() and _is_picture(member.filename)]
            for member in members:
                squeezed = member.file_size > 10_000 and member.file_size > 200 * max(1, member.compress_size)
                link = stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG)
                if squeezed or link or member.flag_bits & 1 or member.file_size > LARGEST_FILE:
                    raise InputError(f"a member is not a plain picture ({member.filename[:60]!r})", path.name)
            if len(members) != count:
                raise _count(len(members), count, path.name)
            members.sort(key=lambda member: _natural(member.filename))
            named = ((member.filename, lambda member=member: archive.read(member)) for member in members)
            return _decoded(named, path.name, count)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError):
        raise InputError("the zip cannot be read", path.name, fix="make it again") from None


def _is_picture(name: str) -> bool:
    own = name.rpartition("/")[2]
    return own.lower().endswith(SUFFIXES) and not own.startswith(".") and not name.startswith("__MACOSX")


def _natural(name: str) -> list[tuple[int, str]]:
    """Names in the order people count in: 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _decoded(files: Iterator[Named], where: str, count: int) -> Pictures:
    """All pictures at the size of the first; in colour if any of them is."""
    out: np.ndarray | None = None
    grey = True
    for at, (name, read) in enumerate(files):
        picture = _picture(read(), name)
        if out is None:
            if count * picture.size > LARGEST:
                raise InputError("the pictures are too large", where, f"{LARGEST >> 30} GB in all are the limit")
            out = np.empty((count, *picture.shape), np.uint8)
        if picture.shape != out.shape[1:]:
            sizes = [f"{shape[1]} × {shape[0]}" for shape in (picture.shape, out.shape[1:])]
            raise InputError(f"{name[:60]!r} is {sizes[0]} and the first is {sizes[1]}", where, fix="make all alike")
        out[at] = picture
        grey = grey and bool((picture[..., :1] == picture).all())
    assert out is not None  # a folder without pictures has the wrong count
    kept = out[..., :1] if grey else out
    return Pictures(np.ascontiguousarray(kept.transpose(0, 3, 1, 2)), f"{'grey' if grey else 'colour'} pictures")


def _picture(data: bytes, name: str) -> np.ndarray:
    """One picture as [h, w, 3]: turned as its camera says, transparent parts on white, 16 bits as 8."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as found:
            warnings.simplefilter("ignore")
            if found.width * found.height > MOST_PIXELS or max(found.size) > LONGEST_SIDE:
                raise InputError(f"the picture is {found.width:,} × {found.height:,}", name[:60], "that is too large")
            picture = ImageOps.exif_transpose(found)
            if picture.mode.startswith("I"):
                deep = np.asarray(picture, np.float32) / 65535
                return np.repeat((deep * 255).round().clip(0, 255).astype(np.uint8)[..., None], 3, -1)
            if "A" in picture.mode or "transparency" in picture.info:
                clear = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
            return np.asarray(picture.convert("RGB"))
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError("this is not a picture that can be read", name[:60], fix="take it out") from None
