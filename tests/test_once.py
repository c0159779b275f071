"""Answers that are worked out once, however many ask for them at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ui.once import once
from vae_core.spec import InputError

MANY = 8


def together(ask: Callable[[], Any]) -> list[Any]:
    """What so many threads are answered that ask at once; an error is an answer."""
    barrier = threading.Barrier(MANY)

    def wait_and_ask(_: int) -> Any:
        barrier.wait()
        try:
            return ask()
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(wait_and_ask, range(MANY)))


def test_whoever_asks_meanwhile_waits_for_the_same_answer() -> None:
    calls = []

    @once(4)
    def slow(number: int) -> object:
        calls.append(number)
        threading.Event().wait(0.1)
        return object()

    found = together(lambda: slow(3))
    assert calls == [3]
    assert len({id(one) for one in found}) == 1
    assert slow(3) is found[0]


def test_an_error_goes_to_all_who_wait_and_is_not_kept() -> None:
    calls = []

    @once(4)
    def fails(number: int) -> int:
        calls.append(number)
        threading.Event().wait(0.1)
        if len(calls) == 1:
            raise InputError("not yet")
        return number

    assert together(lambda: fails(3)) == ["not yet"] * MANY
    assert fails(3) == 3
    assert calls == [3, 3]


def test_the_last_to_be_asked_for_is_the_last_to_go() -> None:
    calls = []

    @once(2)
    def square(number: int) -> int:
        calls.append(number)
        return number**2

    assert [square(number) for number in (1, 2, 1, 3, 1, 2)] == [1, 4, 1, 9, 1, 4]
    assert calls == [1, 2, 3, 2]


def test_what_is_known_does_not_wait_for_what_is_in_the_making() -> None:
    going, done = threading.Event(), threading.Event()

    @once(4)
    def waits(number: int) -> int:
        if number:
            going.set()
            assert done.wait(10)
        return number

    assert waits(0) == 0
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(waits, 1)
        assert going.wait(10)
        assert waits(0) == 0
        assert not other.done()
        done.set()
        assert other.result(10) == 1


@pytest.mark.parametrize("depth", [5])
def test_an_answer_may_need_others(depth: int) -> None:
    @once(depth)
    def sum_to(number: int) -> int:
        return number + sum_to(number - 1) if number else 0

    assert together(lambda: sum_to(depth)) == [15] * MANY
