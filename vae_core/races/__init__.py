"""Races: the same data under several schedules and seeds, side by side, with a prediction made before."""

from vae_core.races.cures import ALTERNATIVES, DEAD_UNITS, HEADLINE, MNIST
from vae_core.races.limits import LINEAR, NO_HELP
from vae_core.races.members import Alone as Alone
from vae_core.races.members import Members as Members
from vae_core.races.members import Stacked as Stacked
from vae_core.races.members import Steps as Steps
from vae_core.races.members import assemble as assemble
from vae_core.races.members import members_of as members_of
from vae_core.races.running import Finding as Finding
from vae_core.races.running import Lane as Lane
from vae_core.races.running import Race as Race
from vae_core.races.running import Result as Result
from vae_core.races.running import Summary as Summary
from vae_core.races.running import comparable as comparable
from vae_core.races.running import measure_members as measure_members
from vae_core.races.running import summarise as summarise
from vae_core.races.workers import run_race as run_race
from vae_core.spec import InputError

RACES = {race.name: race for race in (HEADLINE, ALTERNATIVES, DEAD_UNITS, MNIST, NO_HELP, LINEAR)}


def race(name: str) -> Race:
    """The race of that name."""
    try:
        return RACES[name]
    except KeyError:
        raise InputError(f"there is no race {name!r}", fix="choose one of " + ", ".join(RACES)) from None
