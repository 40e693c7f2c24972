from __future__ import annotations

import pytest

from chatbots.messages import Usage
from chatbots.testing import ScriptedModel
from chatbots.tool_calls import ToolCall
from tests.server.peer import application, connected, user


@pytest.mark.checklist(203)
async def test_a_whole_answer_is_asked_for_and_given_in_the_upstreams_shape() -> None:
    model = ScriptedModel()
    model.answer("Hello.", usage=Usage(3, 4, 7))
    async with connected(application(model)) as peer:
        frame = await peer.ask("chat_completion", user("Hi"))
    data = frame["data"]
    assert data.pop("id").startswith("req_")
    assert data.pop("created") > 1_700_000_000
    assert data == {
        "object": "chat.completion", "model": "the-model",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "Hello."},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }  # fmt: skip
    assert [request.stream for request in model.requests] == [False]


@pytest.mark.checklist(218, 219)
async def test_a_call_of_the_clients_tool_is_the_clients_to_run() -> None:
    model = ScriptedModel()
    model.answer(reason="tool_calls", tool_calls=[ToolCall("c1", "look", "{}")])
    tools = [{"name": "look", "parameters": {"type": "object"}}]
    async with connected(application(model)) as peer:
        frame = await peer.ask("chat_completion", user("Hi", tools=tools, model="m"))
    assert frame["data"]["model"] == "m"
    [choice] = frame["data"]["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "look"
