"""The identity of the screen: colours mean quantities, all eyes tell them apart, and every character has a glyph."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from PIL.ImageColor import colormap

from tests import screen_text as screen
from tests.colours import VISIONS, contrast, distance, linear, nearest, oklab
from vae_core.palette import BETA_AREA, DARK, KL_BAND, KL_TOP, LIGHT, PALETTES, Palette, Theme, translucent

FIGURE = screen.STATIC / "run" / "figure.css"
HEX = re.compile(r"#[0-9A-Fa-f]{3,8}\b")
RGB = re.compile(r"rgba?\((\d+),? (\d+),? (\d+)(?:,| /) [\d.]+\)")
THEMES = pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
SOURCES = [*screen.STYLES, *screen.MODULES, *(path for path in screen.SCRIPTS if path.name != "palette.py")]
EVERY_SOURCE = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(screen.ROOT)))

# What Streamlit calls a colour, and the role that it has here.
STREAMLIT = {
    "primaryColor": "ink",
    "backgroundColor": "page",
    "secondaryBackgroundColor": "surface",
    "textColor": "ink",
    "borderColor": "line",
    "linkColor": "ink",
    "greenColor": "good",
    "greenTextColor": "good",
    "orangeColor": "attention",
    "orangeTextColor": "attention",
    "redColor": "bad",
    "redTextColor": "bad",
    "blueColor": "reconstruction",
    "blueTextColor": "reconstruction",
    "grayTextColor": "muted",
    "chartCategoricalColors": "classes",
    "chartSequentialColors": "kl_scale",
}
# What a style sheet calls a colour, after --er-, --fr-, --lc-, --lx- or --wk-, and its role.
VARIABLES = {
    "page": "page",
    "surface": "surface",
    "rule": "line",
    "here": "line",
    "text": "ink",
    "ink": "ink",
    "muted": "muted",
    "blue": "reconstruction",
    "orange": "kl",
    "violet": "beta",
    "good": "good",
    "attention": "attention",
    "bad": "bad",
}
# The selectors that may use the colour of a role: what they style is that quantity, or that verdict.
OWNERS = {
    "reconstruction": (".er-reconstruction", ".lx-reconstruction"),
    "kl": (".er-kl", ".er-band", ".lx-kl"),
    "beta": (".er-beta", ".er-plan", ".er-knob"),
    "good": ('"good"',),
    "attention": ('"attention"', '"stalled"'),
    "bad": ('"bad"', '"failed"', '"crashed"'),
}


def all_colours(palette: Palette) -> set[str]:
    """Every colour of a theme."""
    named = palette.chrome | palette.quantities | palette.verdicts
    return {*named.values(), *palette.classes, *palette.kl_scale}


def text_of(path: Path) -> str:
    """What of a file can hold a colour: its styles, its code, its strings; `rgb(1 2 3 / 0.4)` reads as `#010203`."""
    if path.suffix == ".css":
        text = screen.without_comments(path.read_text("utf-8"))
    else:
        text = screen.code_of_module(path) if path.suffix == ".mjs" else "\n".join(screen.strings_of_script(path))
    text = re.sub(r"url\('data:[^']*'\)", "", text)  # masks, whose colour is not seen
    return RGB.sub(lambda match: "#" + "".join(f"{int(part):02X}" for part in match.groups()), text)


def variables(path: Path) -> list[tuple[str, Theme, str]]:
    """The colours that a style sheet names, as (variable, theme, colour)."""
    found: list[tuple[str, Theme, str]] = []
    for selector, body in screen.rules(path):
        theme: Theme = "dark" if '"dark"' in selector else "light"
        for name, value in re.findall(r"--\w\w-([\w-]+): ([^;]*#[^;]*)", body):
            if "light-dark" in value:
                found.extend(zip((name, name), PALETTES, HEX.findall(value), strict=True))
            else:
                found.append((name, theme, value))
    return found


# Every file writes the palette's colours


def test_streamlit_has_the_palette_and_no_other_colour() -> None:
    theme = tomllib.loads(screen.CONFIG.read_text("utf-8"))["theme"]
    for name, palette in PALETTES.items():
        expected = {key: getattr(palette, role) for key, role in STREAMLIT.items()}
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in theme[name].items()}
        assert given == expected
    assert not HEX.findall(str({key: value for key, value in theme.items() if key not in PALETTES}))


@pytest.mark.parametrize("path", screen.STYLES, ids=lambda path: path.name)
def test_a_style_sheet_gives_each_variable_its_role_in_both_themes(path: Path) -> None:
    found = variables(path)
    assert {name for name, theme, _ in found if theme == "light"} == {
        name for name, theme, _ in found if theme == "dark"
    }
    assert {"ink", "line", "muted"} <= {VARIABLES[name] for name, _, _ in found}
    assert not [entry for entry in found if entry[2] != getattr(PALETTES[entry[1]], VARIABLES[entry[0]])]


def test_the_figure_has_a_variable_for_every_quantity() -> None:
    named = {VARIABLES[name] for name, _, _ in variables(FIGURE)}
    assert {*LIGHT.chrome, "reconstruction", "kl", "beta", "attention", "bad"} == named


def test_the_heat_strip_has_the_scale_of_the_kl_and_its_fixed_range() -> None:
    code = screen.code_of_module(screen.STATIC / "run" / "palette.mjs")
    assert tuple(HEX.findall(code)) == LIGHT.kl_scale + DARK.kl_scale
    assert f"const BRIGHTEST = {KL_TOP};" in code


def test_the_map_has_the_colours_of_the_classes_and_stops_of_the_scale_of_the_kl() -> None:
    found = HEX.findall(screen.code_of_module(screen.STATIC / "latent" / "colours.mjs"))
    assert tuple(found[:20]) == LIGHT.classes + DARK.classes
    assert set(found[20:22]) < set(LIGHT.kl_scale)
    assert set(found[22:]) < set(DARK.kl_scale)


def test_band_and_area_are_as_opaque_as_in_the_palette() -> None:
    bodies = {selector: body for selector, body in screen.rules(FIGURE) if "fill-opacity" in body}
    assert f"fill-opacity: {KL_BAND};" in bodies[".er-figure .er-band"]
    assert f"fill-opacity: {BETA_AREA};" in bodies[".er-figure .er-beta-area"]
    assert len(bodies) == 2


@EVERY_SOURCE
def test_no_stray_hue(path: Path) -> None:
    text = text_of(path)
    assert set(HEX.findall(text)) <= all_colours(LIGHT) | all_colours(DARK)
    assert not re.findall(r"\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color|color-mix)\((?!\{)", text)
    quoted = "|".join(colormap)
    assert not re.findall(
        rf"""(?:(?:color|background|fill|stroke|border)[\w-]*: (?:[^;{{}}]* )?|=\s*["'])(?:{quoted})\b["';]""", text
    )


# A role's colour is for nothing else


@EVERY_SOURCE
def test_the_colours_of_quantities_and_verdicts_are_written_as_variables_alone(path: Path) -> None:
    roles = {*LIGHT.quantities.values(), *DARK.quantities.values(), *LIGHT.verdicts.values(), *DARK.verdicts.values()}
    hues = roles - {LIGHT.ink, DARK.ink}
    scale = {*LIGHT.kl_scale, *DARK.kl_scale} if path.name == "palette.mjs" else set()
    text = re.sub(r"--\w\w-[\w-]+: [^;]*;", "", text_of(path))
    assert not set(HEX.findall(text)) & (hues - scale)


@pytest.mark.parametrize("path", screen.STYLES, ids=lambda path: path.name)
def test_the_colour_of_a_role_is_used_by_that_role_alone(path: Path) -> None:
    for selector, body in screen.rules(path):
        for name in re.findall(r"var\(--\w\w-([\w-]+)", body):
            owners = OWNERS.get(VARIABLES.get(name, ""), ("",))
            parts = re.split(r",\s*(?![^()]*\))", selector)
            assert all(any(owner in part for owner in owners) for part in parts), (selector, name)


# Everyone can read them and tell them apart


@THEMES
def test_every_colour_of_text_can_be_read(palette: Palette) -> None:
    texts = palette.quantities | palette.verdicts | {"muted": palette.muted}
    assert min(contrast(colour, palette.page) for colour in texts.values()) >= 4.7
    # β is written over its strip, on the page; on the dark surface it would have 4.3.
    on_surface = [contrast(colour, palette.surface) for role, colour in texts.items() if role != "beta"]
    assert min(on_surface) >= 4.5
    assert min(contrast(colour, palette.line) for colour in (palette.ink, palette.muted)) >= 4.5


@THEMES
def test_every_class_stands_out_from_the_page(palette: Palette) -> None:
    assert min(contrast(colour, palette.page) for colour in palette.classes) >= 3.0


@pytest.mark.parametrize(("palette", "roles", "classes"), [(LIGHT, 16.1, 8.9), (DARK, 15.0, 11.0)], ids=PALETTES)
def test_no_two_colours_look_alike_to_any_eye(palette: Palette, roles: float, classes: float) -> None:
    assert nearest(list(palette.quantities.values())) >= roles
    assert nearest(list(palette.classes)) >= classes


@THEMES
@pytest.mark.parametrize("pair", [(4, 9), (3, 5), (3, 8), (5, 8), (7, 9)])
def test_digits_that_look_alike_do_not_as_colours(palette: Palette, pair: tuple[int, int]) -> None:
    one, other = (palette.classes[label] for label in pair)
    assert min(distance(one, other, vision) for vision in VISIONS) >= 13.5


def test_the_measures_know_what_is_known() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    assert oklab(linear("#FFFFFF")) == pytest.approx([1, 0, 0], abs=1e-4)
    assert oklab(linear("#FF0000")) == pytest.approx([0.628, 0.225, 0.126], abs=1e-3)
    red, green = "#D62728", "#2CA02C"  # of tab10, whose worst pair is notorious
    assert distance(red, green, "deutan") < distance(red, green, "normal") / 3


@THEMES
def test_more_kl_is_always_further_from_the_page(palette: Palette) -> None:
    lightness = [oklab(linear(stop))[0] for stop in palette.kl_scale]
    steps = [after - before for before, after in pairwise(lightness)]
    away = 1 if palette is DARK else -1
    assert len(palette.kl_scale) == 10
    assert min(away * step for step in steps) > 0.03
    assert contrast(palette.kl_scale[0], palette.page) < 1.2


def test_a_translucent_colour_is_the_same_colour() -> None:
    assert translucent(LIGHT.kl, KL_BAND) == "rgba(184, 67, 0, 0.3)"


# Every character has a glyph


def test_the_figure_declares_the_faces_that_streamlit_has() -> None:
    ours = screen.faces_of_style(FIGURE)
    assert ours == {face for face in screen.faces_of_config() if face[0] in ("Inter", "Source Serif")}
    assert len(ours) == 4


def test_every_character_on_the_screen_has_a_glyph_in_every_family() -> None:
    families = screen.drawable(screen.faces_of_config())
    assert set(families) == {"Inter", "Source Serif", "JetBrains Mono"}
    texts = list(screen.shown())
    assert {"β", "σ", "·", "−"} <= {character for _, text in texts for character in text}
    missing = {
        (where, family, character)
        for where, text in texts
        for character in set(text)
        for family, known in families.items()
        if not character.isascii() and character not in known
    }
    assert not missing


def test_the_fonts_have_what_the_texts_need_and_lack_what_they_are_known_to_lack() -> None:
    for known in screen.drawable(screen.faces_of_config()).values():
        assert set("βσμε−·×²½–…“”’") <= known
        assert not set("→≤‖∂₁") & known


# Nothing comes from another host


@pytest.mark.parametrize("path", [screen.CONFIG, *screen.STYLES, *screen.MODULES], ids=lambda path: path.name)
def test_nothing_is_asked_of_another_host(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"(?:https?|wss?)://|[\"'(]//\w|@import", text)
