"""Collapse: whether a run uses its code, why if it does not, and what would cure it."""

from ui.collapse import collapse_page
from ui.controls import open_run
from ui.ways import after_collapse

run, _ = open_run("collapse", batches=False)
found = collapse_page(run)
after_collapse(run, found)
