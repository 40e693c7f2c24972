from __future__ import annotations

import pytest

from chatbots.deltas import Done, TextDelta, ToolStarted
from chatbots.flow.calling import make_prompt
from chatbots.messages import Message
from chatbots.services.pass_through import PassThroughChat
from chatbots.services.take_turn import Manner
from chatbots.testing import ScriptedModel
from chatbots.testing.scripted import CollectingSink
from chatbots.tool_calls import ToolCall
from chatbots.tools.builtin import builtin


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_model_calls_comes_out_and_is_not_run(stream: bool) -> None:
    model, sink = ScriptedModel(), CollectingSink()
    model.answer("Let me see.", reason="tool_calls", tool_calls=[ToolCall("c1", "multiply", "{}")])
    bot = PassThroughChat(model, Manner(instructions="Be brief."), stream=stream)
    await bot.respond(make_prompt("2 x 3?", tools=[builtin("multiply")], session="s"), sink)
    [request] = model.requests
    assert request.messages == (Message("system", "Be brief."), Message("user", "2 x 3?"))
    assert (request.stream, [tool.name for tool in request.tools]) == (stream, ["multiply"])
    text, call, done = sink.deltas
    assert (text, call) == (TextDelta("Let me see."), ToolStarted("c1", "multiply", "{}"))
    assert isinstance(done, Done)
    assert (done.state, done.reason) == ("completed", "tool_calls")
