"""The glossary: every entry reads well and is exact, and every quantity that is shown has one."""

from __future__ import annotations

import ast
import html
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from ui import details
from vae_core import glossary
from vae_core.diagnostics import ACTIVE, DIAGNOSTICS
from vae_core.gaussian import DiagonalGaussian
from vae_core.glossary import Term, hover, term, terms
from vae_core.runs import ASSETS, Run
from vae_core.spec import InputError

ROOT = Path(__file__).resolve().parents[1]
MODULES = [path for folder in ("ui", "pages", "vae_core") for path in sorted((ROOT / folder).rglob("*.py"))]
FIGURE = ROOT / "ui" / "static" / "run"
NAMED = ("COLUMNS", "QUANTITIES", "HEADS")


@pytest.mark.parametrize("entry", terms().values(), ids=lambda entry: entry.name)
def test_an_entry_is_one_plain_sentence(entry: Term) -> None:
    assert entry.name.isidentifier()
    assert entry.label
    assert entry.label[-1] not in ".:,"
    assert 20 <= len(entry.sentence) <= 200
    assert re.fullmatch(r"[A-Zβ].*[\w)²]\.", entry.sentence)
    assert not re.search(r"[.!?]\s", entry.sentence), "more than one sentence"
    assert "  " not in entry.sentence


@pytest.mark.parametrize("entry", terms().values(), ids=lambda entry: entry.name)
def test_an_entry_holds_no_markup_and_only_letters_that_the_fonts_have(entry: Term) -> None:
    text = f"{entry.label} {entry.sentence} {entry.unit}"
    assert not re.search(r"[*_$`\[\]<>~#\\]|:\w+:|-\d", text)
    assert not [mark for mark in text + entry.symbol if not re.match(r"[ -~\u00a0-\u00ff\u0370-\u03ff–−…]", mark)]


def test_no_two_entries_have_one_label() -> None:
    labels = [entry.label.casefold() for entry in terms().values()]
    assert len(set(labels)) == len(labels)


def test_the_words_asked_for_are_there() -> None:
    wanted = """elbo reconstruction kl kl_per_dimension nat bits_per_dimension beta free_energy loss warm_up
        active_units latents_in_use collapse baseline mutual_information nll importance_samples latent posterior prior
        encoder decoder likelihood gradient_norm_encoder gradient_norm_decoder learning_rate step seed binarised
        checkpoint snapshot branch pace"""
    assert set(wanted.split()) <= set(terms())


def test_a_term_is_read_once_and_says_its_unit() -> None:
    assert term("kl") is term("kl")
    assert hover("kl") == f"{term('kl').sentence} In nats per image."
    assert hover("seed") == term("seed").sentence
    assert term("reconstruction").symbol == "ln p(x|z)"


def test_an_unknown_term_is_told_with_its_nearest() -> None:
    with pytest.raises(InputError, match="did you mean reconstruction"):
        term("reconstrution")
    with pytest.raises(InputError, match="the glossary has no '€'"):
        hover("€")


@pytest.mark.parametrize("text", ["[elbo", '[elbo]\nlabel = "ELBO"', '[elbo]\nlabel = "a"\nsentence = "b"\nlink = "c"'])
def test_a_broken_glossary_is_told_in_one_sentence(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "glossary.toml").write_text(text)
    monkeypatch.setattr(glossary, "SOURCE", tmp_path / "glossary.toml")
    with pytest.raises(InputError, match="the glossary cannot be read"):
        terms.__wrapped__()


def test_figures_in_sentences_are_those_of_the_code() -> None:
    assert f"above {ACTIVE}." in term("active_units").sentence
    assert f"{1 / math.log(2):.2f} bits" in term("nat").sentence
    assert "half the sum over latents of μ² + σ² − 1 − ln σ²" in term("kl").sentence
    mean, deviation = torch.tensor([[2.0, -0.5]]), torch.tensor([[3.0, 0.2]])
    formula = 0.5 * (mean**2 + deviation**2 - 1 - (deviation**2).log()).sum()
    torch.testing.assert_close(DiagonalGaussian(mean, 2 * deviation.log()).kl().sum(), formula)


# What is shown has an entry.


def trees(paths: list[Path]) -> Iterator[tuple[Path, ast.Module]]:
    """The modules, parsed."""
    return ((path, ast.parse(path.read_text("utf-8"))) for path in paths)


def called(node: ast.AST) -> str:
    """The name of the function that is called here, if one is."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "id", getattr(function, "attr", ""))


def asked_for(tree: ast.Module) -> set[str]:
    """The names that are passed to `term` or `hover` as literals."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in ("term", "hover"))
    first = (argument for call in calls for argument in call.args[:1])
    return {node.value for node in first if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def listed(tree: ast.Module) -> set[str]:
    """The names in the module's lists of quantities."""
    assigned = (node for node in tree.body if isinstance(node, ast.Assign))
    lists = (node.value for node in assigned if any(getattr(target, "id", "") in NAMED for target in node.targets))
    items = (item for node in lists for item in ast.walk(node) if isinstance(item, ast.Constant))
    return {item.value for item in items if isinstance(item.value, str)}


def test_every_term_that_a_module_asks_for_exists() -> None:
    asked = {(path.name, name) for path, tree in trees(MODULES) for name in asked_for(tree)}
    assert ("details.py", "test") in asked
    assert {(path, name) for path, name in asked if name not in terms()} == set()


def test_every_quantity_that_a_page_lists_has_an_entry() -> None:
    names = {(path.name, name) for path, tree in trees(MODULES) for name in listed(tree)}
    assert {path for path, name in names if name == "reconstruction"} >= {"details.py", "viewer.py"}
    assert {(path, name) for path, name in names if name not in terms()} == set()


def test_every_diagnostic_and_every_key_of_a_row_has_an_entry() -> None:
    rows = [row for path in ASSETS.iterdir() for row in Run(path).rows()]
    keys = {key for row in rows for key in row} | {function.__name__ for function in DIAGNOSTICS}
    assert len(keys) > 12
    assert keys - set(terms()) == set()


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("terms", ["elbo", "reconstruction", "kl", "baseline"]),
        ("words", ["elbo", "reconstruction", "kl"]),
        ("strips", ["latents_in_use", "beta_planned"]),
        ("images", ["original", "binarised", "comes_back", "imagined"]),
    ],
)
def test_the_figure_uses_the_labels_of_the_glossary(script: str, names: list[str]) -> None:
    text = (FIGURE / f"{script}.mjs").read_text("utf-8").casefold()
    assert [name for name in names if not re.search(rf'["`>]{re.escape(term(name).label.casefold())}\b', text)] == []


QUANTITY = re.compile(
    r"(ELBO|KL|NLL|MI|AU|ESS|IWAE|FID|β|σ|ln p|Reconstruction|Loss|Free energy|Mutual information|Active units"
    r"|Latents|Gradient norm|Learning rate|Bits per|Baseline)\b",
)


def labels(tree: ast.Module) -> Iterator[str]:
    """What may be the label of a widget or a column: literals in lists and as keys, and arguments of Streamlit's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            yield from _texts(node.elts)
        if isinstance(node, ast.Dict):
            yield from _texts(node.keys)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _texts([*node.args[:1], *(word.value for word in node.keywords if word.arg == "label")])


def _texts(nodes: list[ast.expr] | list[ast.expr | None]) -> Iterator[str]:
    """The literals among them, f-strings with their values left out."""
    for node in nodes:
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
        if text:
            yield text


def own_labels(source: str) -> list[str]:
    """The labels of quantities that are written in the source instead of drawn from the glossary; no sentences."""
    return [text for text in labels(ast.parse(source)) if QUANTITY.match(text) and "·" not in text and text[-1] != "."]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('COLUMNS = ("Run", "NLL", "Age")', ["NLL"]),
        ('st.metric("KL, nats", value)', ["KL, nats"]),
        ('table = {f"β at {step}": [1]}', ["β at "]),
        ('column.number(label="FID of the samples")', ["FID of the samples"]),
        ('st.metric(term("kl").label, nats(row.kl))', []),
        ('st.caption("KL is what the code costs.")', []),
        ('rows = {"Convention": 1, "Klimt": 2}', []),
    ],
)
def test_the_search_for_labels_finds_those_that_are_not_drawn_from_the_glossary(source: str, found: list[str]) -> None:
    assert own_labels(source) == found


@pytest.mark.parametrize("module", ["tables", "details"])
def test_no_table_has_labels_of_its_own_for_quantities(module: str) -> None:
    own = own_labels((ROOT / "ui" / f"{module}.py").read_text("utf-8"))
    assert own == []


def test_the_fold_of_numbers_shows_each_label_with_its_sentence() -> None:
    def script() -> None:
        from ui.details import details
        from vae_core.runs import RunStore

        details(RunStore.default()["digits-annealed"])

    app = AppTest.from_function(script).run()
    assert not app.exception
    (table,) = (element.proto.body for element in app.get("html") if "fr-numbers" in element.proto.body)
    for name in details.QUANTITIES:
        assert html.escape(term(name).label) in table
        assert html.escape(hover(name)) in table
    cells = re.findall(r"<td>(.*?)</td>", table)
    assert cells[:2] == ["−23.6", "−23.5"]
    assert len(cells) == 2 * len(details.QUANTITIES)
