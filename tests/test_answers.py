"""What the routes of runs do with a body: how much of it they read, where they work, and what is no code."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.requests import Request
from starlette.responses import Response

from ui import answers, evidence_routes, maps
from ui.answers import bodied
from vae_core.runs import ASSETS, Run

RUN = Run(ASSETS / "digits-annealed")
LATENT = RUN.config.latent
Answer = Callable[[Request, bytes], Response]
both = pytest.mark.parametrize("answer", [maps.decode, evidence_routes.likelihood])


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store, through which the shipped runs show."""
    monkeypatch.setenv("VAE_RUNS", str(tmp_path / "runs"))


def posted(answer: Answer, parts: Iterator[bytes]) -> Response:
    """The response to a body that arrives in parts."""

    async def receive() -> dict[str, Any]:
        part = next(parts, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    scope = {"type": "http", "path_params": {"run": RUN.name}, "query_string": b"image=2", "headers": []}
    # In a thread of its own: that of the tests has a loop while a browser is open.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(bodied(answer)(Request(scope, receive)))).result()


def sentence(response: Response) -> str:
    """Why there is no answer."""
    assert response.status_code == 404
    return json.loads(bytes(response.body))["error"]


def codes(count: int) -> torch.Tensor:
    """Some codes, always the same."""
    return torch.randn(count, LATENT, generator=torch.Generator().manual_seed(1))


def numbers(response: Response) -> np.ndarray:
    """What was answered, as numbers."""
    assert response.status_code == 200
    return np.frombuffer(bytes(response.body), "<f4")


def test_codes_in_any_parts_are_answered_with_their_pictures() -> None:
    body = codes(7).numpy().tobytes()
    found = numbers(posted(maps.decode, iter([body[:13], body[13:50], body[50:]])))
    with torch.no_grad():
        expected = RUN.model()[1].picture(codes(7))
    np.testing.assert_allclose(found, expected.flatten().numpy(), atol=1e-5)


def test_as_many_codes_as_may_be_asked_about_are_answered() -> None:
    body = codes(evidence_routes.CODES).numpy().tobytes()
    assert len(body) < answers.LARGEST
    assert len(numbers(posted(evidence_routes.likelihood, iter([body])))) == evidence_routes.CODES


@both
@pytest.mark.parametrize("length", [0, 1, 4 * LATENT - 1, 4 * LATENT + 1, 4 * LATENT + 4, 4 * LATENT * 20_001])
def test_a_body_of_another_length_is_one_sentence(answer: Answer, length: int) -> None:
    said = sentence(posted(answer, iter([bytes(length)])))
    assert said.startswith("those are no codes; 1 to ")
    assert f"of {LATENT} finite float32 numbers each" in said


@both
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_codes_that_are_not_finite_are_one_sentence(answer: Answer, value: float) -> None:
    assert "those are no codes" in sentence(posted(answer, iter([np.full(LATENT, value, "<f4").tobytes()])))


@both
def test_no_more_is_read_than_can_be_of_use(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LARGEST", 100)
    sent = []

    def endless() -> Iterator[bytes]:
        while True:
            sent.append(bytes(40))
            yield sent[-1]

    assert sentence(posted(answer, endless())) == "the body is too long; at most 100 bytes; send less"
    assert len(sent) == 3


def test_an_image_of_another_size_is_one_sentence() -> None:
    assert "64 bytes are wanted" in sentence(posted(maps.encode, iter([bytes(63)])))
    assert posted(maps.encode, iter([bytes(64)])).status_code == 200


def test_the_loop_that_reads_a_body_does_not_work_out_the_answer() -> None:
    threads = []

    def answer(request: Request, body: bytes) -> Response:
        threads.append(threading.get_ident())
        return Response(body)

    assert bytes(posted(answer, iter([b"a", b"b"])).body) == b"ab"
    assert threads != [threading.get_ident()]
