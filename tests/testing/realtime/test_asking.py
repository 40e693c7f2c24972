from __future__ import annotations

import pytest

from chatbots.testing.answers import Answer
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.requests import ChatRequest
from tests.testing.realtime.client import TEXT, session


async def test_a_rule_sees_what_is_asked_as_it_sees_a_chat() -> None:
    asked: list[ChatRequest] = []

    def rule(request: ChatRequest) -> Answer:
        asked.append(request)
        return Answer(tool_calls=[("f", {})]) if len(asked) == 1 else Answer(text="Done.")

    parameters = {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
    tools = [
        {"type": "function", "name": "f", "parameters": parameters},
        {"type": "function", "name": "g"},
        {"type": "mcp", "server_label": "x"},
    ]
    told = TEXT | {"instructions": "Be brief.", "tools": tools}
    async with FakeOpenAI(rule=rule) as fake, session(fake, told=told) as client:
        call = (await client.asks("Hi"))[-1]["response"]["output"][0]
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
        await client.send("conversation.item.create", item=result)
        await client.asks("And?")
    first, second = asked
    assert [(said.role, said.text) for said in first.messages] == [
        ("system", "Be brief."),
        ("user", "Hi"),
    ]
    assert [(tool.name, tool.required) for tool in first.offered] == [("f", ["a"]), ("g", [])]
    assert [said.role for said in second.messages] == ["system", "user", "tool", "user"]
    assert second.messages[2].text == "42"
    assert second.last_said == "And?"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", []),
        ("required", ["f"]),
        ({"type": "function", "name": "g"}, ["g"]),
        ({"type": "function", "name": "no_such_tool"}, []),
    ],
)
async def test_a_call_that_a_client_insists_on_is_made_until_it_has_answered(
    choice: object, called: list[str]
) -> None:
    tools = [{"type": "function", "name": name} for name in ("f", "g")]
    told = TEXT | {"tools": tools, "tool_choice": choice}
    async with FakeOpenAI() as fake, session(fake, told=told) as client:
        await client.send("response.create")
        output = (await client.until("response.done"))[-1]["response"]["output"]
        calls = [item for item in output if item["type"] == "function_call"]
        assert [call["name"] for call in calls] == called
        for call in calls:
            result = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
            await client.send("conversation.item.create", item=result)
            await client.send("response.create")
            await client.until("response.created")
            assert (await client.until("response.done"))[-1]["response"]["output"] == []
