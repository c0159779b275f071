"""The lower half of the Train page: what the data are, what β will do, how long it takes, and the button."""

from __future__ import annotations

import streamlit as st

from ui.data import store
from ui.host import ensure_engine
from ui.parts import duration, page, safe_sentence, theme, told
from vae_core.config import RunConfig
from vae_core.datasets import IdxSource
from vae_core.plots import KNOBS, beta_plan
from vae_core.presets import Preset
from vae_core.training.estimate import seconds_per_step

LESSON = 25.0
TIMED_PARAMETERS = 5_000_000


def dataset_card(config: RunConfig) -> None:
    """Examples, shape and range of the data, and which likelihood they are for."""
    dataset = config.dataset
    train, test = dataset.sizes
    shape = dataset.shape
    st.caption(dataset.about)
    st.caption(f"{train:,} training · {test:,} test · {shape.width} × {shape.height} · {dataset.values}")
    st.caption(dataset.expects)
    if not dataset.ready() and isinstance(dataset, IdxSource):
        _download(dataset)


def _download(dataset: IdxSource) -> None:
    if st.button(f"Download {dataset.title} ({dataset.download_bytes / 1e6:.0f} MB)"):
        bar = st.progress(0.0, "Downloading")

        def progress(done: int, total: int) -> None:
            bar.progress(min(1.0, done / max(1, total)), f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")

        with told():
            dataset.download(progress)
            st.rerun()


def beta_preview(config: RunConfig) -> None:
    """β over the run, as the schedule plans it."""
    figure = beta_plan(config.beta, config.steps, theme())
    st.plotly_chart(figure, theme=None, config=KNOBS, alt="β at each step of the run", key="beta-preview")


def start_button(preset: Preset, config: RunConfig) -> None:
    """The estimate, what is odd about the config, and the one button."""
    seconds = _estimate(config)
    paced = seconds < LESSON
    for note in config.notes():
        st.caption(f":material/info: {note}")
    columns = st.columns([1.2, 3], vertical_alignment="center")
    ready = config.dataset.ready() or not isinstance(config.dataset, IdxSource)
    pressed = columns[0].button("Start training", type="primary", width="stretch", disabled=not ready)
    shown = f"; shown at lesson pace, {LESSON:.0f} s" if paced else ""
    columns[1].caption(
        f"Trains about {duration(seconds)} on this computer{shown}. You can change β while it runs."
        if ready
        else "These data are not here yet: download them first, or set VAE\\_DATA\\_DIR to the folder that has them."
    )
    if pressed:
        with told():
            _start(preset, config, LESSON if paced else 0.0)


def _start(preset: Preset, config: RunConfig, pace: float) -> None:
    stem = preset.name if config == preset.config else f"{config.dataset.kind}-{config.beta.kind}"
    run = store().create(config, stem=stem, pace=pace)
    if not ensure_engine(store()):
        st.warning(safe_sentence("no engine could be started; see engine.log in the store"), icon=":material/warning:")
    st.switch_page(page("watch"), query_params={"run": run.name})


def _estimate(config: RunConfig) -> float:
    """Seconds for the whole run; large models are reckoned from their size instead of being tried."""
    parameters = config.parameters()
    if parameters > TIMED_PARAMETERS:
        return config.steps * 6 * parameters * max(1, config.batch) / 5e10
    return config.steps * _seconds_per_step(config.model_copy(update={"steps": 1, "seed": 0}).model_dump_json())


@st.cache_data(max_entries=64, show_spinner=False)
def _seconds_per_step(config: str) -> float:
    return seconds_per_step(RunConfig.model_validate_json(config))
