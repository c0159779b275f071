"""Gradients: why a code is drawn as z = μ + σε."""

from ui.gradients import gradients_page
from ui.parts import next_step

gradients_page()
next_step("How far is the bound from the truth?", "evidence")
