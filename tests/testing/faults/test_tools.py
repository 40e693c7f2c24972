from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.faults.tools import FAULTS, sample
from chatbots.testing.requests import Tool
from tests.testing.faults.wire import TEXT, Got, ask

PARAMETERS = {
    "properties": {"unit": {"enum": ["C", "F"]}, "days": {"type": "integer"}, "odd": {}},
    "required": ["unit", "days"],
}
OFFERED = [{"type": "function", "function": {"name": "forecast", "parameters": PARAMETERS}}]
GOOD = '{"unit":"C","days":1}'

Calls = list[dict[str, Any]]


def fragments(got: Got) -> Calls:
    deltas = [choice["delta"] for event in got.events for choice in event["choices"]]
    return [fragment for delta in deltas for fragment in delta.get("tool_calls", [])]


def assembled(got: Got) -> Calls:
    """Put the calls of a stream together by index."""
    calls: dict[int, dict[str, Any]] = {}
    for fragment in fragments(got):
        call = calls.setdefault(fragment["index"], {"id": "", "name": "", "arguments": ""})
        call["id"] += fragment.get("id", "")
        call["name"] += fragment["function"].get("name", "")
        call["arguments"] += fragment["function"]["arguments"]
    return list(calls.values())


def calls_of(got: Got) -> Calls:
    said = got.json["choices"][0]["message"]["tool_calls"]
    return [{"id": call.get("id", ""), **call["function"]} for call in said]


def fine(calls: Calls) -> bool:
    ids = {call["id"] for call in calls if call["id"].startswith("call_")}
    return len(ids) == len(calls) and all(
        (call["name"], call["arguments"].replace(" ", "")) == ("forecast", GOOD) for call in calls
    )


def cut(calls: Calls) -> bool:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(calls[0]["arguments"])
    return len(calls) == 1 and GOOD.startswith(calls[0]["arguments"])


WIRE: dict[str, Callable[[Calls], bool]] = {
    "tool-split": fine,
    "tool-interleaved:3": lambda calls: fine(calls) and len(calls) == 3,
    "tool-no-id": lambda calls: calls[0] == {"id": "", "name": "forecast", "arguments": GOOD},
    "tool-then-text": fine,
    "tool-invalid-json": cut,
    "tool-truncated": cut,
    "tool-unknown": lambda calls: [call["name"] for call in calls] == ["no_such_tool"],
    "tool-huge-args:1": lambda calls: (
        len(msgspec.json.decode(calls[0]["arguments"])["huge"]) == 2**20
    ),
    "tool-loop": fine,
    "tool-bomb": lambda calls: fine(calls) and len(calls) == 100,
}


@pytest.mark.parametrize("fault", WIRE)
async def test_the_calls_are_what_the_name_says_in_both_forms(fault: str) -> None:
    reason = "length" if fault == "tool-truncated" else "tool_calls"
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault, tools=OFFERED, stream_options={"include_usage": True})
        assert got.reasons == [reason]
        assert WIRE[fault](assembled(got))
        whole = await ask(fake, fault, tools=OFFERED, stream=False)
        assert whole.json["choices"][0]["finish_reason"] == reason
        assert WIRE[fault](calls_of(whole))
        assert got.text == (TEXT if fault == "tool-then-text" else "")


async def test_split_arguments_come_in_a_hundred_parts() -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, "tool-split", tools=OFFERED)
        assert len(fragments(got)) == 101
        assert all(fragment["function"]["arguments"] for fragment in fragments(got)[1:])


async def test_interleaved_fragments_take_turns() -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, "tool-interleaved", tools=OFFERED)
        assert [fragment["index"] for fragment in fragments(got)] == [0, 1] * 4


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_tools_result_the_answer_is_good_but_in_a_loop(fault: str) -> None:
    said = [{"role": "user", "content": TEXT}, {"role": "tool", "content": "1"}]
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault, tools=OFFERED, messages=said)
        assert got.text == ("" if fault == "tool-loop" else TEXT)


async def test_without_tools_a_tool_is_made_up() -> None:
    async with FakeOpenAI() as fake:
        (call,) = assembled(await ask(fake, "tool-loop"))
        assert (call["name"], call["arguments"]) == ("get_weather", '{"city":"Zürich"}')


def test_a_parameter_of_no_known_type_gets_a_text() -> None:
    assert sample(Tool(name="t", parameters={"required": ["a"]})) == '{"a":"Zürich"}'


def test_every_fault_is_looked_at() -> None:
    assert {name.partition(":")[0] for name in WIRE} == set(FAULTS)
