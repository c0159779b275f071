"""The questions of the Train page. Every widget is drawn from a spec's own fields, starting at a preset's values."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from ui import forms
from vae_core.config import DERIVED, RunConfig, parse_config
from vae_core.presets import PRESETS, Preset

QUESTIONS = ("dataset", "net", "beta")
Tree = dict[str, Any]


def ask_preset() -> Preset:
    """An example to start from; `?preset=` chooses one."""
    names = list(PRESETS)
    wanted = st.query_params.get("preset", names[0])
    name = st.selectbox(
        "Start from an example",
        names,
        names.index(wanted) if wanted in names else 0,
        key="preset",
        format_func=lambda key: f"{PRESETS[key].title}  ({key})",
        width=560,
    )
    st.query_params["preset"] = name
    st.caption(PRESETS[name].prediction)
    return PRESETS[name]


def ask_data(preset: Preset) -> Tree:
    """Which data."""
    return _ask("dataset", "1 · Data", preset)


def ask_model(preset: Preset) -> Tree:
    """Which networks, and how they are built."""
    tree = _ask("net", "2 · Model", preset)
    options = forms.variants(RunConfig.model_fields["net"])
    start = _start(preset.config.net.model_dump(mode="json"), tree)
    return tree | forms.spec_fields(
        options[tree["kind"]], start, _key(preset, "net", tree["kind"]), ("start_at_mean", "gain")
    )


def ask_beta(preset: Preset) -> Tree:
    """How β rises."""
    tree = _ask("beta", "3 · β", preset)
    options = forms.variants(RunConfig.model_fields["beta"])
    start = _start(preset.config.beta.model_dump(mode="json"), tree)
    skip = ("start", "target") if tree["kind"] == "warmup" else ()
    return start | tree | forms.spec_fields(options[tree["kind"]], start, _key(preset, "beta", tree["kind"]), skip)


def all_settings(preset: Preset, data: Tree, net: Tree) -> Tree:
    """Everything else that decides the numbers, folded away: the fields of the config that were not asked."""
    with st.expander("All settings"):
        values = preset.config.model_dump(mode="json")
        columns = st.columns(3, gap="large")
        tree: Tree = {}
        names = [name for name in RunConfig.model_fields if name not in (*QUESTIONS, *DERIVED)]
        for index, name in enumerate(names):
            with columns[index % 3]:
                tree[name] = forms.field(RunConfig, name, values[name], _key(preset, name))
        with columns[0]:
            tree["dataset"] = _details("dataset", preset, data)
        with columns[1]:
            tree["net"] = _details("net", preset, net)
    return tree


def assemble(preset: Preset, data: Tree, net: Tree, beta: Tree, rest: Tree) -> RunConfig:
    """The config that the answers make, validated as a config file would be."""
    given = preset.config.model_dump(mode="json")
    derived = {name: given[name] for name in DERIVED if name in preset.config.model_fields_set and name == "threads"}
    if data["kind"] != given["dataset"]["kind"]:
        derived = {}
    tree = derived | rest | {"dataset": data | rest["dataset"], "net": rest["net"] | net, "beta": beta}
    return parse_config(json.dumps(tree), "the settings")


def _ask(name: str, label: str, preset: Preset) -> Tree:
    """The kind of one variant."""
    options = forms.variants(RunConfig.model_fields[name])
    return {"kind": forms.choose(options, getattr(preset.config, name).kind, label, _key(preset, name))}


def _details(name: str, preset: Preset, tree: Tree) -> Tree:
    """The fields of a chosen variant that its question did not show."""
    spec = forms.variants(RunConfig.model_fields[name])[tree["kind"]]
    start = _start(getattr(preset.config, name).model_dump(mode="json"), tree)
    return {"kind": tree["kind"]} | forms.spec_fields(spec, start, _key(preset, name, tree["kind"]), tuple(tree))


def _start(values: Tree, tree: Tree) -> Tree:
    """The preset's values, where the same variant is still chosen."""
    return values if values["kind"] == tree["kind"] else {}


def _key(preset: Preset, *parts: str) -> str:
    """Widgets of another preset are other widgets, so that they start at its values."""
    return ".".join(("ask", preset.name, *parts))
