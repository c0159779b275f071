"""Runs and their store: a run is a directory, and everything known of it is read from there each time."""

from vae_core.runs.asking import forgive as forgive
from vae_core.runs.asking import requeue as requeue
from vae_core.runs.label import LONGEST_NOTE as LONGEST_NOTE
from vae_core.runs.label import LONGEST_TITLE as LONGEST_TITLE
from vae_core.runs.lock import present as present
from vae_core.runs.run import ASSETS as ASSETS
from vae_core.runs.run import FORMAT as FORMAT
from vae_core.runs.run import HELD as HELD
from vae_core.runs.run import LIVE as LIVE
from vae_core.runs.run import NAME as NAME
from vae_core.runs.run import STALLED_AFTER as STALLED_AFTER
from vae_core.runs.run import STATES as STATES
from vae_core.runs.run import Run as Run
from vae_core.runs.run import Status as Status
from vae_core.runs.run import load as load
from vae_core.runs.run import write_status as write_status
from vae_core.runs.store import RunStore as RunStore
from vae_core.runs.store import age as age
from vae_core.runs.store import check_name as check_name
from vae_core.runs.store import find as find
from vae_core.runs.store import held_lock as held_lock
from vae_core.runs.trash import Trashed as Trashed
