"""Home: what this is, a door into it, and your runs."""

import streamlit as st

from ui.data import summaries
from ui.parts import lead, page
from ui.tables import add_run, run_table, shipped_cards

st.title("ELBO Room")
lead("Watch a variational autoencoder learn, then touch what it learned.")
st.space("small")
if st.button("Train a VAE", type="primary", width=260):
    st.switch_page(page("train"))

found = summaries()
shipped = [row for row in found if row.shipped]
own = [row for row in found if not row.shipped]

if shipped:
    st.subheader("Trained already")
    st.caption("Real runs, recorded as they trained. Open one and move the pointer over its curves.")
    shipped_cards(shipped)

st.subheader("Your runs")
run_table(own)
add_run()
