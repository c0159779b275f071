"""Watch: one run, live or recorded."""

import streamlit as st

from ui.controls import controls, run_bar
from ui.data import pick_run
from ui.details import details
from ui.live import run_figure
from ui.parts import page, told

run = None
with told():
    run = pick_run()

if run is None:
    st.page_link(page("train"), label="Train a VAE")
    st.stop()

st.query_params["run"] = run.name
show_train = run_bar(run)
run_figure(run, run.state, show_train=show_train)
controls(run)
details(run)
