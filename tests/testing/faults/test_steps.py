from __future__ import annotations

import math
from random import Random

import pytest

from chatbots.testing.bodies import ChatBodies, usage
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.faults.steps import (
    End,
    Head,
    Mark,
    Raw,
    Script,
    Send,
    Step,
    Wait,
    answer,
    play,
    sends,
    until,
    without_fault,
)
from chatbots.testing.http1 import Exchange
from chatbots.testing.requests import ChatRequest, Said
from tests.testing.faults.wire import ask


def script(*pieces: str, stream: bool = True, reason: str | None = "stop") -> Script:
    return Script(
        request=ChatRequest(model="m", messages=[Said(role="user", content="Hi")], stream=stream),
        sheet=ChatBodies(id="c", created=1, model="m", include_usage=True),
        pieces=pieces,
        finish_reason=reason,
        usage=usage(1, 1),
        headers={"x-request-id": "r"},
        host="127.0.0.1:1",
        target="/v1/chat/completions",
        chance=Random(0),  # noqa: S311 (no secret)
    )


def test_a_stream_is_an_opening_the_pieces_a_reason_and_usage() -> None:
    steps = list(answer(script("a", "b")))
    assert isinstance(steps[0], Head)
    assert isinstance(steps[-1], End)
    assert [step.pieces for step in steps if isinstance(step, Send)] == [0, 1, 1, 0, 0]
    assert list(without_fault(script("a", "b"))) == steps


def test_an_answer_without_a_reason_has_no_chunk_for_it() -> None:
    assert len(sends(script("a", reason=None))) == len(sends(script("a"))) - 1


def test_a_whole_answer_comes_in_two_halves() -> None:
    first, second = sends(script("a", stream=False))
    assert (first.pieces, second.pieces) == (0, 1)
    assert abs(len(first.data) - len(second.data)) <= 1


@pytest.mark.parametrize(("pieces", "seen"), [(0, 0), (2, 2), (9, 3), (math.inf, 3)])
def test_a_break_is_after_so_many_pieces_and_before_the_end(pieces: float, seen: int) -> None:
    steps = list(until(script("a", "b", "c"), min(pieces, 1e8)))
    assert sum(step.pieces for step in steps if isinstance(step, Send)) == seen
    assert steps[-1] is Mark.STRIKE
    assert not any(isinstance(step, End) for step in steps)


def test_a_break_of_a_whole_answer_is_at_its_half() -> None:
    broken = script("a", stream=False)
    assert list(until(broken, 5))[1] == sends(broken)[0]


async def test_steps_go_over_the_wire_as_they_are() -> None:
    steps: list[Step] = [
        Head(201, {"content-length": "6"}),
        Send(b"abc", 1),
        Wait(0.01),
        Mark.STRIKE,
        End(b"def", 2),
        Raw(b"!"),
    ]

    async def player(exchange: Exchange) -> None:
        await play(steps, exchange, delay=0.01)

    async with FakeOpenAI() as fake:
        fake.play(player)
        got = await ask(fake, "")
        call = fake.calls[0]
        moments = call.moments
        assert got.raw == b"HTTP/1.1 201 \r\ncontent-length: 6\r\nConnection: close\r\n\r\nabcdef!"
        assert call.sent_chunks == 3
        assert moments.struck_at_byte == call.sent_bytes - 4
        struck = moments.after(moments.struck)
        assert struck is not None
        assert struck >= 0.02


async def test_a_reset_is_a_reset() -> None:
    async def player(exchange: Exchange) -> None:
        await play([Head(200, {}), Mark.RESET], exchange)

    async with FakeOpenAI() as fake:
        fake.play(player)
        assert (await ask(fake, "")).end == "reset"
