"""What every page is framed by: page settings and the table of contents."""

from pathlib import Path

import streamlit as st

from ui.parts import frame, page

ICON = Path(__file__).resolve().parent.parent / "assets" / "icon.png"

st.set_page_config(page_title="ELBO Room", page_icon=str(ICON), layout="wide")
contents = [
    st.Page(page("home"), title="Home", url_path="home", default=True),
    st.Page(page("train"), title="Train", url_path="train"),
    st.Page(page("watch"), title="Watch", url_path="watch"),
]
chosen = st.navigation(contents, position="top")
frame()
chosen.run()
