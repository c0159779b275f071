"""Answers that are worked out once, however many ask for them: a class opens the same view at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import wraps
from threading import Lock
from typing import TypeVar, TypeVarTuple

Asked = TypeVarTuple("Asked")
Found = TypeVar("Found")
ONE_AT_A_TIME = Lock()  # around heavy work; what it needs of other answers is asked for before


def once(most: int) -> Callable[[Callable[[*Asked], Found]], Callable[[*Asked], Found]]:
    """Keep the last `most` answers of a function of plain values. Who asks for one in the making waits for that one.

    An error goes to all who wait, and is not kept.
    """

    def keep(work: Callable[[*Asked], Found]) -> Callable[[*Asked], Found]:
        answers: dict[tuple[*Asked], Future[Found]] = {}
        lock = Lock()

        @wraps(work)
        def answered(*asked: *Asked) -> Found:
            with lock:
                known = answers.pop(asked, None)
                answer = answers[asked] = known or Future()  # the last to be asked for is the last to go
                if len(answers) > most:
                    del answers[next(iter(answers))]
            if known is None:
                try:
                    answer.set_result(work(*asked))
                except BaseException as error:
                    with lock:
                        answers.pop(asked, None)
                    answer.set_exception(error)
            return answer.result()

        return answered

    return keep
