"""Race: the same model under several schedules of β, side by side."""

from ui.parts import next_step
from ui.race import race_page

race_page()
next_step("Put any runs on the same axes", "compare")
