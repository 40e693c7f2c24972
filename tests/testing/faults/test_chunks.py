from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.faults.chunks import FAULTS, HARD_TEXT
from tests.testing.faults.wire import PIECES, TEXT, Got, ask, framed

Check = Callable[[Got], bool]


def good(got: Got) -> bool:
    return (got.text, got.reasons, got.body.endswith(b"data: [DONE]\n\n")) == (TEXT, ["stop"], True)


def odd(look: Callable[[Any], bool]) -> Check:
    """One chunk is odd, after the first piece; the answer is there all the same."""
    return lambda got: (
        good(got) and [look(event) for event in got.events] == [False, False, True] + [False] * 4
    )


def every(look: Callable[[Any], bool]) -> Check:
    return lambda got: good(got) and all(look(event) for event in got.events)


def delta(look: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda event: bool(event.get("choices")) and look(event["choices"][0])


def spoilt(look: Callable[[bytes], bool]) -> Check:
    """The second piece is no chunk; all others are what they should be."""

    def check(got: Got) -> bool:
        data = framed(got.body)
        bad = data.pop(2)
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)):
            _ = msgspec.json.decode(bad)["choices"]
        rest = Got([b"HTTP/1.1 200 \r\n\r\n", *(b"data: " + one + b"\n\n" for one in data)])
        return rest.text == TEXT.replace(PIECES[1], "") and look(bad) and got.whole

    return check


def twins(got: Got) -> bool:
    said = {0: "", 1: ""}
    for event in got.events:
        (one,) = event["choices"]
        said[one["index"]] += one["delta"].get("content", "")
    return said == {0: TEXT, 1: "Another answer." * 4} and got.reasons == ["stop", "stop"]


def lone(got: Got) -> bool:
    last = framed(got.body)[5]
    return got.body.isascii() is False and last.count(rb'"content":"\ud83d"') == 1


def refused(got: Got) -> bool:
    said = [event["choices"][0]["delta"].get("refusal") for event in got.events]
    return got.text == "" and "".join(filter(None, said)) == TEXT


def thought(got: Got) -> bool:
    said = [event["choices"][0]["delta"].get("reasoning_content") for event in got.events]
    return good(got) and said[:5] == [None, "Let", " me", " see.", None]


WIRE: dict[str, Check] = {
    "huge-line:1": lambda got: got.text == TEXT + "x" * 2**20,
    "invalid-json": spoilt(lambda bad: bad.startswith(b'{"id":') and not bad.endswith(b"}]}")),
    "invalid-utf8": spoilt(lambda bad: b'"content":"\xff\xfe one"' in bad),
    "non-object": spoilt(lambda bad: bad == b"42"),
    "deep-json:5000": spoilt(lambda bad: bad == b"[" * 5000 + b"]" * 5000),
    "null-choices": odd(lambda event: event.get("choices", 0) is None),
    "missing-choices": odd(lambda event: "choices" not in event),
    "empty-choices": odd(lambda event: event["choices"] == [] and "usage" not in event),
    "usage-only": odd(lambda event: event["choices"] == [] and event["usage"]["total_tokens"] == 4),
    "usage-null": every(lambda event: event["usage"] is None),
    "delta-null": odd(delta(lambda choice: choice.get("delta", 0) is None)),
    "delta-missing": odd(delta(lambda choice: "delta" not in choice)),
    "content-null": odd(delta(lambda choice: choice["delta"].get("content", 0) is None)),
    "empty-delta": odd(
        delta(lambda choice: choice["delta"] == {} and choice["finish_reason"] is None)
    ),
    "role-repeat": every(delta(lambda choice: choice["delta"]["role"] == "assistant")),
    "unknown-fields": every(
        lambda event: "x_new" in event and "x_new" in event["choices"][0]["delta"]
    ),
    "reasoning": thought,
    "refusal": refused,
    "n2": twins,
    "unicode": lambda got: got.text == TEXT + HARD_TEXT,
    "lone-surrogate": lone,
}

WHOLE: dict[str, Callable[[Any], bool]] = {
    "null-choices": lambda body: body["choices"] is None,
    "delta-missing": lambda body: "message" not in body["choices"][0],
    "delta-null": lambda body: body["choices"][0]["message"] is None,
    "content-null": lambda body: body["choices"][0]["message"]["content"] is None,
    "reasoning": lambda body: body["choices"][0]["message"]["reasoning_content"] == "Let me see.",
    "n2": lambda body: [one["index"] for one in body["choices"]] == [0, 1],
    "refusal": lambda body: body["choices"][0]["message"]["refusal"] == TEXT,
    "unicode": lambda body: body["choices"][0]["message"]["content"] == TEXT + HARD_TEXT,
    "non-object": lambda body: body == 42,
}


@pytest.mark.parametrize("fault", WIRE)
async def test_what_goes_over_the_wire_is_what_the_name_says(fault: str) -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault)
        assert got.whole
        assert WIRE[fault](got), got


@pytest.mark.parametrize("fault", WHOLE)
async def test_the_same_happens_to_a_whole_answer(fault: str) -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault, stream=False)
        assert WHOLE[fault](got.json), got


@pytest.mark.parametrize("fault", ["invalid-json", "invalid-utf8"])
async def test_a_whole_answer_is_damaged_too(fault: str) -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault, stream=False)
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            _ = got.json


async def test_usage_that_was_asked_for_comes_beside_the_odd_ones() -> None:
    async with FakeOpenAI() as fake:
        for fault in ("n2", "unknown-fields", "role-repeat"):
            got = await ask(fake, fault, stream_options={"include_usage": True})
            assert [e["choices"] for e in got.events if e.get("usage")] == [[]]


def test_every_fault_is_looked_at() -> None:
    assert {name.partition(":")[0] for name in WIRE} == set(FAULTS)
