"""What every page is framed by: page settings and the bar."""

from pathlib import Path

import streamlit as st

from ui.contents import CONTENTS, bar, entry, siblings
from ui.parts import frame

ICON = Path(__file__).resolve().parent.parent / "assets" / "icon.png"
HOME = "home"

pages = [
    st.Page(
        page.script,
        title=page.word if page in bar() else page.title,
        url_path=page.name,
        default=page.name == HOME,
        visibility="visible" if page in bar() else "hidden",
    )
    for page in CONTENTS
]
chosen = st.navigation(pages, position="top")
current = entry(chosen.url_path or HOME)
title = "ELBO Room" if current.name == HOME else f"{current.title} · ELBO Room"
st.set_page_config(page_title=title, page_icon=str(ICON), layout="wide")
frame(siblings(current.name)[0])
chosen.run()
