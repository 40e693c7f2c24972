from __future__ import annotations

import pytest

from chatbots.errors import ProviderError
from chatbots.testing import ScriptedModel
from chatbots.tool_calls import ToolCall
from tests.server.peer import application, connected, user


@pytest.mark.checklist(242)
async def test_pieces_come_in_order_then_one_frame_ends_them() -> None:
    async with connected(application(ScriptedModel(["Once ", "upon ", "a time"]))) as peer:
        peer.send("chat_completion_stream", user("Hi"), request_id="s1")
        *pieces, last = await peer.read_all()
    assert {(f["type"], f["request_id"]) for f in (*pieces, last)} == {
        ("chat_completion_stream_response", "s1")
    }
    text = [piece["data"]["choices"][0]["delta"]["content"] for piece in pieces]
    assert text == ["Once ", "upon ", "a time"]
    assert last["data"]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.checklist(242)
async def test_an_error_mid_stream_ends_it() -> None:
    broken = ProviderError("stream_interrupted", "It broke.")
    async with connected(application(ScriptedModel(["Once ", broken]))) as peer:
        peer.send("chat_completion_stream", user("Hi"))
        piece, last = await peer.read_all()
    assert piece["data"]["choices"][0]["delta"]["content"] == "Once "
    assert (last["type"], last["error_code"]) == (piece["type"], "stream_interrupted")


async def test_calls_of_the_clients_tools_come_before_the_end() -> None:
    model = ScriptedModel()
    model.answer("Let me see.", reason="tool_calls", tool_calls=[ToolCall("c1", "look", "{}")])
    tools = [{"name": "look", "parameters": {"type": "object"}}]
    async with connected(application(model)) as peer:
        peer.send("chat_completion_stream", user("Hi", tools=tools))
        _, calls, last = await peer.read_all()
    [call] = calls["data"]["choices"][0]["delta"]["tool_calls"]
    assert (call["index"], call["id"], call["function"]["name"]) == (0, "c1", "look")
    assert last["data"]["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_notice_goes_beside_the_answer() -> None:
    async with connected(application(ScriptedModel("One."))) as peer:
        for _ in range(2):
            peer.send("chat_completion_stream", user("Hi", session_id="s"))
            frames = await peer.read_all()
    assert frames[0]["data"]["notice"]["code"] == "replayed"
