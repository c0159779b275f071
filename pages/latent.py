"""Map: the codes of a run as a map, and its decoder under the pointer."""

import streamlit as st

from ui.canvas import latent_canvas
from ui.contents import entry
from ui.controls import run_bar
from ui.data import pick_run
from ui.parts import lead, next_step, sibling_row, told

run = None
with told():
    run = pick_run()

if run is None:
    st.stop()

st.query_params["run"] = run.name
with st.container(horizontal=True, vertical_alignment="center", key="run-page"):
    sibling_row("latent")
    run_bar(run, batches=False)
lead(entry("latent").purpose)
wanted = ("method", "axes", "step", "split")
latent_canvas(run, {name: st.query_params[name] for name in wanted if name in st.query_params})
next_step("Watch how it learned", "watch", run=run.name)
