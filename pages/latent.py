"""Map: the codes of a run as a map, and its decoder under the pointer."""

from ui.canvas import latent_canvas
from ui.contents import entry
from ui.controls import open_run
from ui.details import how_it_was_read
from ui.parts import lead, next_step

run, _ = open_run("latent", batches=False)
lead(entry("latent").purpose)
latent_canvas(run)
how_it_was_read(run)
next_step("Watch how it learned", "watch", run=run.name)
