"""Walk: from one image to another through the latent space, and whether the path is plausible."""

from ui.contents import entry
from ui.controls import open_run
from ui.parts import lead, next_step
from ui.walk import latent_walk

run, _ = open_run("walk", batches=False)
lead(entry("walk").purpose)
latent_walk(run)
next_step("Touch the whole map", "latent", run=run.name)
