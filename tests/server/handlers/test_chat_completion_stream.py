from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from chatbots.deltas import ReasoningDelta, TextDelta
from chatbots.errors import ProviderError
from chatbots.server.asking import ChatPayload
from chatbots.server.call import Call
from chatbots.server.handlers.chat_completion_stream import Told
from chatbots.server.outbox import Outbox
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


@pytest.mark.parametrize("room", [True, False])
def test_a_piece_is_told_at_once_where_there_is_room_and_noted_only_then(room: bool) -> None:
    told: list[str] = []

    def now(frame: str) -> bool:
        told.extend([frame] * room)
        return room

    async def never(message: Any) -> None:
        raise AssertionError(message)

    outbox = Outbox(never, within=1, cut=lambda: None, now=now)
    call = SimpleNamespace(request=SimpleNamespace(request_id="s1"), outbox=outbox)
    heard = Told(ChatPayload(messages=[]), cast("Call", call))
    with pytest.raises(anyio.WouldBlock):
        heard.send_nowait(ReasoningDelta("Hm."))
    if room:
        heard.send_nowait(TextDelta("Once "))
    else:
        with pytest.raises(anyio.WouldBlock):
            heard.send_nowait(TextDelta("Once "))
    pieces = [json.loads(frame)["data"]["choices"][0]["delta"]["content"] for frame in told]
    assert (pieces, heard.said.text) == ((["Once "], "Once ") if room else ([], ""))
