"""Spec → widgets → Spec: any spec drawn from its own fields, so that no widget of a config is written by hand.

The functions return plain trees of values; the caller validates the whole, once, as a config file would be.
"""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from vae_core.spec import Spec, Variant


def spec_fields(spec: type[Spec], values: dict[str, Any], key: str, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """One widget for each field of a spec (its `kind` is chosen elsewhere); returns the values."""
    names = [name for name in spec.model_fields if name != "kind" and name not in skip]
    return {name: field(spec, name, values.get(name), f"{key}.{name}") for name in names}


def field(spec: type[Spec], name: str, value: Any, key: str) -> Any:
    """The widget of one field, with `value` or the field's default in it."""
    info = spec.model_fields[name]
    label = info.title or name.replace("_", " ").capitalize()
    if value is None:
        value = info.get_default(call_default_factory=True, validated_data={})
    if options := variants(info):
        return variant(options, _tree(value), label, key)
    return _plain(info, label, value, key)


def variant(options: dict[str, type[Variant]], value: dict[str, Any], label: str, key: str) -> dict[str, Any]:
    """The choice among the variants of a union, then the fields of the chosen one."""
    kind = choose(options, value["kind"], label, key)
    given = value if kind == value["kind"] else {}
    return {"kind": kind} | spec_fields(options[kind], given, f"{key}.{kind}")


def choose(options: dict[str, type[Variant]], kind: str, label: str, key: str) -> str:
    """The choice alone; each variant's own first sentence explains it."""
    names = list(options)
    return st.selectbox(
        label, names, names.index(kind), key=key, format_func=lambda name: options[name].title, help=_help(options)
    )


def variants(info: FieldInfo) -> dict[str, type[Variant]]:
    """The variants of a field that holds a union of specs, by kind; none for other fields."""
    annotation = info.annotation
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    specs = [member for member in members if isinstance(member, type) and issubclass(member, Variant)]
    return {spec.model_fields["kind"].default: spec for spec in specs}


def _help(options: dict[str, type[Variant]]) -> str:
    first = {spec.title: (spec.__doc__ or "").strip().splitlines()[0] for spec in options.values()}
    return "\n".join(f"- **{name}** {sentence}" for name, sentence in first.items())


def _tree(value: Any) -> dict[str, Any]:
    return value.model_dump(mode="json") if isinstance(value, Spec) else value


def _plain(info: FieldInfo, label: str, value: Any, key: str) -> Any:
    annotation, text = info.annotation, info.description
    if get_origin(annotation) is Literal:
        names = list(get_args(annotation))
        return st.selectbox(label, names, names.index(value), key=key, help=text, format_func=str.capitalize)
    if annotation is bool:
        return st.toggle(label, value, key=key, help=text)
    if get_origin(annotation) is tuple:
        return _tuple(label, value, key, text)
    low, high = _bounds(info)
    if annotation is int:
        return st.number_input(label, _whole(low), _whole(high), int(value), 1, key=key, help=text)
    return st.number_input(label, low, high, float(value), _step(value), format="%.4g", key=key, help=text)


def _tuple(label: str, value: Any, key: str, text: str | None) -> Any:
    """Numbers separated by commas; points as step:β. What cannot be read goes to validation as it is."""
    shown = ", ".join(
        ":".join(f"{part:g}" for part in item) if isinstance(item, list | tuple) else f"{item:g}" for item in value
    )
    typed = st.text_input(label, shown, key=key, help=text)
    try:
        return [
            [_number(part) for part in item.split(":")] if ":" in item else _number(item) for item in typed.split(",")
        ]
    except ValueError:
        return typed


def _number(text: str) -> float | int:
    return int(text) if text.strip().lstrip("-").isdecimal() else float(text)


def _bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    """The widget's range; where a bound itself is not allowed, validation still says so."""
    low = high = None
    for item in info.metadata:
        low = next((getattr(item, name) for name in ("ge", "gt") if getattr(item, name, None) is not None), low)
        high = next((getattr(item, name) for name in ("le", "lt") if getattr(item, name, None) is not None), high)
    return (None if low is None else float(low)), (None if high is None else float(high))


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def _step(value: Any) -> float:
    """A tenth of the value's own size: fine enough to tune, coarse enough to move."""
    size = abs(float(value)) or 1.0
    return float(f"{size / 10:.0e}")
