"""Walk: from one image to another through the latent space, and whether the path is plausible."""

import streamlit as st

from ui.contents import entry
from ui.controls import run_bar
from ui.data import pick_run
from ui.parts import lead, next_step, sibling_row, told
from ui.walk import ASKED, latent_walk

run = None
with told():
    run = pick_run()

if run is None:
    st.stop()

st.query_params["run"] = run.name
with st.container(horizontal=True, vertical_alignment="center", key="run-page"):
    sibling_row("walk")
    run_bar(run, batches=False)
lead(entry("walk").purpose)
latent_walk(run, {name: st.query_params[name] for name in ASKED if name in st.query_params})
next_step("Touch the whole map", "latent", run=run.name)
