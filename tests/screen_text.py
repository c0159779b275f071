"""What the sources put on the screen: their strings, their styles, and the characters that the fonts can draw."""

from __future__ import annotations

import ast
import html
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from fontTools.ttLib import TTFont

from vae_core.datasets import Dataset
from vae_core.likelihoods import Likelihood
from vae_core.nets import Net
from vae_core.schedules import Schedule

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "ui" / "static"
CONFIG = ROOT / ".streamlit" / "config.toml"
OURS = [STATIC / "run", STATIC / "latent", STATIC / "lecture"]
STYLES = [path for folder in (ROOT / "ui", *OURS) for path in sorted(folder.glob("*.css"))]
MODULES = [path for folder in OURS for path in sorted(folder.glob("*.mjs"))]
SCRIPTS = [path for folder in ("ui", "pages", "vae_core") for path in sorted((ROOT / folder).rglob("*.py"))]
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
TOKEN = re.compile(
    r"""//[^\n]*|/\*[\s\S]*?\*/"""  # a comment, or
    r"""|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)"""  # a string, which may look like one
)
ESCAPE = re.compile(r"\\u\{?([0-9A-Fa-f]{4,6})\}?")
Rule = tuple[str, str]  # selector and declarations
Face = tuple[str, str, str]  # family, file, unicode range


def strings_of_script(path: Path) -> list[str]:
    """Every string of a Python file but its docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    told = {id(_told(node)) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told]
    return [html.unescape(node.value) for node in nodes if isinstance(node.value, str)]


def _told(node: Documented) -> ast.expr | None:
    """The docstring, if there is one."""
    first = node.body[0] if node.body else None
    return first.value if isinstance(first, ast.Expr) else None


def code_of_module(path: Path) -> str:
    """A JavaScript module without its comments, the escapes in its strings read."""
    code = TOKEN.sub(lambda match: match[1] or "", path.read_text("utf-8"))
    return ESCAPE.sub(lambda match: chr(int(match[1], 16)), code)


def shown() -> Iterator[tuple[str, str]]:
    """Where a text comes from, and the text: strings, the glossary, and what forms say of each variant."""
    for path in SCRIPTS:
        yield from ((str(path.relative_to(ROOT)), text) for text in strings_of_script(path))
    yield from ((str(path.relative_to(ROOT)), code_of_module(path)) for path in MODULES)
    yield from ((str(path.relative_to(ROOT)), without_comments(path.read_text("utf-8"))) for path in STYLES)
    for entry in tomllib.loads((ROOT / "docs" / "glossary.toml").read_text("utf-8")).values():
        yield from (("docs/glossary.toml", str(value)) for value in entry.values())
    for variant in (
        variant for union in (Dataset, Net, Likelihood, Schedule) for variant in get_args(get_args(union)[0])
    ):
        yield variant.__name__, (variant.__doc__ or "").strip().splitlines()[0]


def without_comments(css: str) -> str:
    """A style sheet without its comments."""
    return re.sub(r"/\*.*?\*/", "", css, flags=re.S)


def rules(path: Path) -> list[Rule]:
    """The innermost rules of a style sheet: selector and declarations."""
    found = re.findall(r"([^{}]+)\{([^{}]*)\}", without_comments(path.read_text("utf-8")))
    return [(" ".join(selector.split()), " ".join(body.split())) for selector, body in found]


def faces_of_config() -> set[Face]:
    """The faces that Streamlit declares."""
    faces = tomllib.loads(CONFIG.read_text("utf-8"))["theme"]["fontFaces"]
    return {(face["family"], Path(face["url"]).name, _spaceless(face["unicodeRange"])) for face in faces}


def faces_of_style(path: Path) -> set[Face]:
    """The faces that a style sheet declares."""
    bodies = [body for selector, body in rules(path) if selector == "@font-face"]
    return {
        (_family(body), Path(_one(r'url\("([^"]+)"\)', body)).name, _spaceless(_one(r"unicode-range: ([^;]+)", body)))
        for body in bodies
    }


def _family(body: str) -> str:
    return _one(r'font-family: "([^"]+)"', body)


def _one(pattern: str, text: str) -> str:
    (found,) = re.findall(pattern, text)
    return found


def _spaceless(text: str) -> str:
    return "".join(text.split())


def drawable(faces: set[Face]) -> dict[str, set[str]]:
    """The characters that each family draws: those in a face's file for which it is asked."""
    known: dict[str, set[str]] = defaultdict(set)
    for family, file, asked in faces:
        spans = [(part.removeprefix("U+") + "-").split("-")[:2] for part in asked.split(",")]
        ranges = [range(int(low, 16), int(high or low, 16) + 1) for low, high in spans]
        points = TTFont(STATIC / "fonts" / file).getBestCmap() or {}
        known[family] |= {chr(point) for point in points if any(point in span for span in ranges)}
    return known
