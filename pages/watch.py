"""Watch: one run, live or recorded."""

import streamlit as st

from ui.controls import controls, run_bar
from ui.data import pick_run
from ui.details import details
from ui.labels import RUN, news
from ui.live import run_figure
from ui.parts import page, sibling_row, told
from ui.ways import after_watch

run = None
with told():
    run = pick_run()

if run is None:
    st.page_link(page("train"), label="Train a VAE")
    st.stop()

st.query_params["run"] = run.name
with st.container(horizontal=True, vertical_alignment="center", key="run-page"):
    sibling_row("watch")
    show_train = run_bar(run)
news(RUN)
run_figure(run, run.state, show_train=show_train)
controls(run)
details(run)
after_watch(run)
