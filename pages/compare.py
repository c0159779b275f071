"""Compare: any runs on the same axes."""

from ui.compare import compare
from ui.parts import heading, next_step

heading("compare")
compare()
next_step("Train another", "train")
