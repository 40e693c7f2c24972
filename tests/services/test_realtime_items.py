"""What a chat model is asked, as a realtime session is told it."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from chatbots.deltas import AudioDelta
from chatbots.errors import InvalidRequest
from chatbots.flow.output import output_format
from chatbots.images import Image
from chatbots.messages import Message, ModelRequest, Usage
from chatbots.realtime.events.items import ContentPart, Item
from chatbots.realtime.events.responses import ResponseAudioDelta, ResponseUsage, TokenDetails
from chatbots.realtime.events.session import ResponseParams, Session, Tool
from chatbots.realtime.outcomes import Ended
from chatbots.sampling import Sampling
from chatbots.services.realtime_items import Asked, answer_of, items_of, params_of, sound_of
from chatbots.tool_calls import ToolCall, ToolSpec

HI, HELLO, BYE = Message("user", "Hi"), Message("assistant", "Hello."), Message("user", "Bye")
CALL = ToolCall("call_1", "multiply", '{"a":6,"b":7}')


def request(*messages: Message, **more: object) -> ModelRequest:
    return ModelRequest(messages=messages, stream=True, request_id="r", **more)  # type: ignore[arg-type]  # by name


def asked(*messages: Message, **more: object) -> Asked:
    return Asked.of(request(*messages, **more))


# Taking a request apart


def test_a_session_that_was_told_nothing_yet_goes_on_with_all_of_it() -> None:
    assert asked(HI, HELLO).since(asked()) == (HI, HELLO)


def test_the_system_messages_before_the_conversation_are_the_sessions_instructions() -> None:
    said = asked(Message("system", "Be brief."), Message("system", "Be kind."), HI, model="m")
    assert said == Asked("m", "Be brief.\n\nBe kind.", (), (HI,))
    assert said.session == Session(
        instructions="Be brief.\n\nBe kind.", output_modalities=("text",)
    )
    assert asked(HI).session.instructions is UNSET


def test_tools_are_the_sessions_in_the_flat_shape() -> None:
    spec = ToolSpec("multiply", "Multiply.", {"type": "object"})
    [tool] = asked(HI, tools=(spec,)).tools
    assert tool == Tool(name="multiply", description="Multiply.", parameters={"type": "object"})


def test_what_a_session_cannot_be_told_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidRequest, match="cannot be told the seed") as caught:
        asked(HI, sampling=Sampling(seed=7))
    assert caught.value.param == "seed"


def test_what_is_not_said_is_not_sent() -> None:
    assert params_of(request(HI)) is None


def test_a_response_is_told_its_length_its_effort_and_its_tool() -> None:
    sampling = Sampling(max_tokens=9, reasoning_effort="low")
    assert params_of(request(HI, sampling=sampling, tool_choice="multiply")) == ResponseParams(
        max_output_tokens=9,
        reasoning={"effort": "low"},
        tool_choice={"type": "function", "name": "multiply"},
    )


def test_a_demanded_shape_is_demanded_in_the_instructions() -> None:
    shape = output_format({"type": "object", "title": "x"})
    params = params_of(request(Message("system", "Be brief."), HI, output=shape))
    assert params is not None
    told = params.instructions
    assert isinstance(told, str)
    assert told.startswith("Be brief.\n\nAnswer with nothing but JSON")
    assert '"type":"object"' in told


# What is new


def test_what_comes_after_what_was_told_is_new() -> None:
    told = asked(HI).and_said(HELLO)
    assert asked(HI, HELLO, BYE).since(told) == (BYE,)


def test_a_session_that_sees_further_back_goes_on() -> None:
    told = asked(HI).and_said(HELLO)
    assert asked(HELLO, BYE).since(told) == (BYE,)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(asked(BYE), id="another conversation"),
        pytest.param(asked(HI, BYE), id="another answer"),
        pytest.param(asked(HI, HELLO, BYE, model="m"), id="model"),
        pytest.param(asked(Message("system", "x"), HI, HELLO, BYE), id="instructions"),
        pytest.param(asked(HI, HELLO, BYE, tools=(ToolSpec("t", "", {}),)), id="tools"),
    ],
)
def test_what_does_not_go_on_needs_another_session(other: Asked) -> None:
    assert other.since(asked(HI).and_said(HELLO)) is None


def test_an_answer_of_which_nothing_came_is_not_known() -> None:
    assert asked(HI).and_said(Message("assistant", "")) == asked(HI)


# Items


def test_messages_are_items() -> None:
    picture = Image("https://h/a.png", detail="low")
    messages = [
        Message("user", "Look.", images=(picture,)),
        Message("assistant", "I see.", tool_calls=(CALL,)),
        Message("tool", "42", tool_call_id="call_1"),
        Message("developer", "Be kind."),
    ]
    seen, words, call, result, rule = items_of(messages)
    assert seen.content == (
        ContentPart(type="input_text", text="Look."),
        ContentPart(type="input_image", image_url="https://h/a.png", detail="low"),
    )
    assert (words.role, words.text) == ("assistant", "I see.")
    assert call == Item(
        type="function_call", call_id="call_1", name="multiply", arguments='{"a":6,"b":7}'
    )
    assert result == Item(type="function_call_output", call_id="call_1", output="42")
    assert (rule.role, rule.text) == ("system", "Be kind.")


def test_only_an_image_or_only_a_call_is_an_item_without_text() -> None:
    [seen] = items_of([Message("user", "", images=(Image("https://h/a.png"),))])
    assert [part.type for part in seen.content or ()] == ["input_image"]
    [call] = items_of([Message("assistant", "", tool_calls=(CALL,))])
    assert call.type == "function_call"


# Answers


@pytest.mark.parametrize(
    ("ended", "calls", "state", "reason"),
    [
        (Ended("r", "completed", None, ""), (), "completed", "stop"),
        (Ended("r", "completed", None, ""), (CALL,), "completed", "tool_calls"),
        (Ended("r", "incomplete", "max_output_tokens", ""), (), "incomplete", "length"),
        (Ended("r", "incomplete", "content_filter", ""), (), "incomplete", "content_filter"),
        (Ended("r", "incomplete", None, ""), (), "incomplete", "length"),
    ],
)
def test_an_end_is_what_a_chat_model_calls_it(
    ended: Ended, calls: tuple[ToolCall, ...], state: str, reason: str
) -> None:
    answer = answer_of(ended, "Hello.", calls, "m")
    assert (answer.text, answer.state, answer.reason) == ("Hello.", state, reason)
    assert (answer.tool_calls, answer.model, answer.usage) == (calls, "m", None)


def test_usage_is_counted_as_in_a_chat() -> None:
    told = ResponseUsage(
        input_tokens=7, output_tokens=2, input_token_details=TokenDetails(cached_tokens=3)
    )
    usage = answer_of(Ended("r", "completed", None, "", told), "", (), None).usage
    assert usage == Usage(7, 2, 9, cached_tokens=3)
    bare = answer_of(Ended("r", "completed", None, "", ResponseUsage()), "", (), None).usage
    assert bare == Usage(0, 0, 0)


@pytest.mark.parametrize("audio", ["", "!!!!", "AAA", "AAAA"])
def test_sound_that_is_none_is_left_out(audio: str) -> None:
    """Not base64, and half a sample."""
    assert sound_of(ResponseAudioDelta(item_id="i", delta=audio)) is None


def test_sound_is_bytes() -> None:
    assert sound_of(ResponseAudioDelta(item_id="i", delta="AQI=")) == AudioDelta(
        "i", b"\1\2", 24_000
    )
