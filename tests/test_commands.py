"""The mailbox of a run: every command arrives once, in order, and what cannot be read does no harm."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from vae_core.commands import COMMAND, Command, Pace, Pause, Resume, SetBeta, Stop, collect, discard, post
from vae_core.schedules import Constant, Piecewise, Schedule
from vae_core.spec import InputError, Variant

VARIANTS: tuple[type[Variant], ...] = get_args(get_args(Command)[0])
SCHEDULES: tuple[type[Variant], ...] = get_args(get_args(Schedule)[0])
COMMANDS = [variant.model_validate({}) for variant in VARIANTS]
COMMANDS += [SetBeta(schedule=schedule.model_validate({})) for schedule in SCHEDULES] + [Pace(seconds=12.5)]


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return tmp_path / "commands"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.model_dump_json())
def test_every_command_arrives_as_it_was_sent(mailbox: Path, command: Command) -> None:
    post(mailbox, command)
    [(_, received)] = collect(mailbox)
    assert received == command
    assert type(received) is type(command)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.model_dump_json())
def test_every_command_survives_json(command: Command) -> None:
    assert COMMAND.validate_json(command.model_dump_json()) == command


def test_commands_are_obeyed_in_the_order_of_posting(mailbox: Path) -> None:
    sent = [SetBeta(schedule=Constant(value=step / 10)) for step in range(20)] + [Pause(), Resume(), Stop()]
    for command in sent:
        post(mailbox, command)
    assert [command for _, command in collect(mailbox)] == sent


def test_a_command_waits_until_it_is_discarded(mailbox: Path) -> None:
    for command in (Pause(), Resume(), Stop()):
        post(mailbox, command)
    waiting = collect(mailbox)
    assert collect(mailbox) == waiting
    assert len({identity for identity, _ in waiting}) == 3
    discard(mailbox, waiting[1][0])
    assert collect(mailbox) == [waiting[0], waiting[2]]
    discard(mailbox, waiting[1][0])


def test_a_run_without_a_mailbox_has_no_commands(mailbox: Path) -> None:
    assert collect(mailbox) == []
    discard(mailbox, "nothing")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"kind": "delete"}',
        b'{"kind": "pause", "extra": 1}',
        b'{"kind": "pace", "seconds": -1}',
        b'{"kind": "pace", "seconds": NaN}',
        b'{"kind": "beta", "schedule": {"kind": "constant", "value": -1}}',
        b'{"kind": "beta", "schedule": {"kind": "piecewise", "points": [[2, 1], [1, 1]]}}',
    ],
    ids=lambda content: str(content[:50]),
)
def test_what_cannot_be_read_is_thrown_away_and_hides_nothing(mailbox: Path, content: bytes) -> None:
    post(mailbox, Pause())
    (mailbox / "00000000000000000000-bad.json").write_bytes(content)
    post(mailbox, Stop())
    assert [command for _, command in collect(mailbox)] == [Pause(), Stop()]
    assert len(list(mailbox.iterdir())) == 2


def test_other_files_in_a_mailbox_are_left_alone(mailbox: Path) -> None:
    mailbox.mkdir()
    for name in (".hidden.json", ".1.json.77.tmp", "readme.txt"):
        (mailbox / name).write_text("half a command")
    assert collect(mailbox) == []
    assert len(list(mailbox.iterdir())) == 3


def test_posting_leaves_nothing_but_whole_commands(mailbox: Path) -> None:
    post(mailbox, SetBeta(schedule=Piecewise()))
    [path] = mailbox.iterdir()
    assert COMMAND.validate_json(path.read_bytes()) == SetBeta(schedule=Piecewise())


def test_a_mailbox_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "run-1" / "commands"
    with pytest.raises(InputError, match="run-1") as error:
        post(blocked, Pause())
    assert len(str(error.value).splitlines()) == 1
