"""Train: three questions and one button."""

import streamlit as st

from ui.ask import all_settings, ask_beta, ask_data, ask_model, ask_preset, assemble
from ui.parts import heading, told
from ui.start import beta_preview, dataset_card, start_button
from ui.ways import after_train

heading("train")

preset = ask_preset()
left, middle, right = st.columns(3, gap="large")
with left:
    data = ask_data(preset)
with middle:
    net = ask_model(preset)
with right:
    beta = ask_beta(preset)
rest = all_settings(preset, data, net)

with told():
    config = assemble(preset, data, net, beta, rest)
    with left:
        dataset_card(config)
    with right:
        beta_preview(config)
    start_button(preset, config)

after_train()
