"""Home: collapse and its cure, a door into it, and your runs."""

import streamlit as st

from ui.contents import doors
from ui.data import store, summaries
from ui.labels import HOME, news
from ui.live import pair_figure
from ui.opening import open_dialog
from ui.parts import heading, next_step
from ui.races import races_list
from ui.tables import add_run, run_list, shipped_cards
from vae_core.comparison import headline

PAIR = ("digits-collapsed", "digits-annealed")
SECONDS = 12.0

heading("home")
news(HOME)
shipped = [row for row in summaries() if row.shipped]

if {row.name for row in shipped}.issuperset(PAIR):
    one, other = (store()[name] for name in PAIR)
    pair_figure(one, other, headline=headline(one.config, other.config), seconds=SECONDS, key="pair")

with st.container(horizontal=True, key="doors"):
    for index, entry in enumerate(doors()):
        if st.button(entry.door, type="secondary" if index else "primary", key=f"door-{entry.name}"):
            st.switch_page(entry.script)
    if st.button("Open your own model", key="door-open"):
        open_dialog()

run_list()
races_list()

if shipped:
    st.subheader("Trained already", anchor=False)
    st.caption("Real runs, recorded as they trained. Open one and move the pointer over its curves.")
    shipped_cards(shipped)

add_run()
next_step("Train one yourself", "train")
