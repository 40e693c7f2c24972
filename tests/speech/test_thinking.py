from __future__ import annotations

import pytest

from chatbots.errors import InvalidRequest
from chatbots.messages import Message
from chatbots.realtime.events.items import ContentPart, Item, assistant_text, user_text
from chatbots.realtime.events.session import ResponseParams, Tool
from chatbots.speech.thinking import MANNER, request
from chatbots.tool_calls import ToolCall, ToolSpec

MULTIPLY = Tool(name="multiply", description="Multiplies.", parameters={"type": "object"})


def test_what_was_said_is_what_the_model_is_told() -> None:
    heard = ContentPart(type="input_audio", transcript="Hello.")
    items = [
        Item(type="message", role="user", content=(heard,)),
        assistant_text("Hi."),
        Item(type="function_call", call_id="c1", name="multiply", arguments='{"a":6}'),
        Item(type="function_call_output", call_id="c1", output="42"),
        Item(type="mcp_call", name="x"),
        user_text(""),
    ]
    asked = request(ResponseParams(instructions="Be kind."), items, audible=False)
    assert asked.messages == (
        Message("system", "Be kind."),
        Message("user", "Hello."),
        Message("assistant", "Hi."),
        Message("assistant", "", tool_calls=(ToolCall("c1", "multiply", '{"a":6}'),)),
        Message("tool", "42", tool_call_id="c1"),
    )
    assert asked.stream


def test_an_answer_to_be_heard_is_to_be_short() -> None:
    asked = request(ResponseParams(), [user_text("Hello.")], audible=True)
    assert asked.messages[0] == Message("system", MANNER)
    assert request(ResponseParams(), [], audible=False).messages == ()


def test_a_long_past_begins_where_it_began_so_that_it_is_not_read_anew() -> None:
    past = [user_text(str(number)) for number in range(100)]
    asked = [request(ResponseParams(), past[:n], audible=False) for n in (1, 40, 41, 60, 61, 100)]
    begins = [one.messages[0].content for one in asked]
    assert begins == ["0", "0", "20", "20", "40", "60"]


def test_tools_and_limits_are_told_in_our_words() -> None:
    manner = ResponseParams(
        tools=(MULTIPLY, Tool(type="mcp", server_label="x"), Tool(name="now")),
        tool_choice={"type": "function", "name": "multiply"},
        max_output_tokens=50,
    )
    asked = request(manner, [], audible=True)
    assert asked.tools[0] == ToolSpec("multiply", "Multiplies.", {"type": "object"})
    assert asked.tools[1] == ToolSpec("now", "", {"type": "object", "properties": {}})
    assert len(asked.tools) == 2
    assert asked.tool_choice == "multiply"
    assert asked.sampling.max_tokens == 50


def test_without_tools_there_is_no_choice_and_without_a_limit_none() -> None:
    asked = request(ResponseParams(tool_choice="auto", max_output_tokens="inf"), [], audible=True)
    assert (asked.tool_choice, asked.sampling.max_tokens) == (None, None)


def test_a_tool_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        request(ResponseParams(tools=(Tool(name="no name"),)), [], audible=True)
