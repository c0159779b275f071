"""Watch: one run, live or recorded."""

from ui.controls import controls, open_run
from ui.details import details
from ui.labels import RUN, news
from ui.live import run_figure
from ui.ways import after_watch

run, show_train = open_run("watch")
news(RUN)
run_figure(run, run.state, show_train=show_train)
controls(run)
details(run)
after_watch(run)
