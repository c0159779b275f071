"""ELBO Room: `streamlit run app.py`, or `python -m vae_core serve`."""

from contextlib import asynccontextmanager

import streamlit as st

from ui.host import keep_engine
from ui.routes import routes


@asynccontextmanager
async def lifespan(app: st.App):
    """While the server lives, an engine serves its store."""
    async with keep_engine():
        yield {}


app = st.App("ui/main.py", routes=routes(), lifespan=lifespan)

if __name__ == "__main__":
    app.run()
