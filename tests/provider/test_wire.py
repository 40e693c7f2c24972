"""Request bodies as they go out."""

from __future__ import annotations

import json

import msgspec
import pytest

from chatbots.images import Image
from chatbots.messages import Message, ModelRequest
from chatbots.output import OutputFormat
from chatbots.provider.wire import Body, Dialect, encode_request
from chatbots.sampling import Sampling
from chatbots.tool_calls import ToolCall, ToolSpec


def body_of(
    request_sampling: Sampling | None = None,
    default: Sampling | None = None,
    *,
    model: str = "gpt-6-luna",
    dialect: Dialect = "openai",
    stream: bool = False,
) -> Body:
    request = ModelRequest(
        messages=(Message("system", "Be brief."), Message("user", "Hi")),
        stream=stream,
        request_id="r",
        sampling=request_sampling or Sampling(),
    )
    return sent(
        encode_request(request, model=model, default=default or Sampling(), dialect=dialect)
    )


def sent(body: Body) -> Body:
    """Return what the server reads."""
    read: Body = msgspec.json.decode(msgspec.json.encode(body))
    assert json.loads(json.dumps(msgspec.to_builtins(body))) == read, "the SDK is given the same"
    return read


def message_of(message: Message) -> Body:
    request = ModelRequest(messages=(message,), stream=False, request_id="r")
    body = encode_request(request, model="m", default=Sampling(), dialect="openai")
    (written,) = sent(body)["messages"]
    assert isinstance(written, dict)
    return written


def test_a_request_holds_the_model_and_the_messages_and_nothing_it_was_not_told() -> None:
    assert body_of() == {
        "model": "gpt-6-luna",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
    }


def test_a_request_for_a_stream_asks_for_the_usage_too() -> None:
    body = body_of(stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


def test_the_model_is_the_one_whose_turn_it_is_whatever_was_asked_for_first() -> None:
    request = ModelRequest(
        messages=(Message("user", "Hi"),), stream=False, request_id="r", model="first"
    )
    body = encode_request(request, model="fallback", default=Sampling(), dialect="openai")
    assert body["model"] == "fallback"


def test_a_demanded_shape_is_asked_for_as_a_json_schema() -> None:
    shape = OutputFormat(name="Pet", schema={"type": "object"}, parse=str, strict=True)
    request = ModelRequest(
        messages=(Message("user", "Hi"),), stream=False, request_id="r", output=shape
    )
    body = encode_request(request, model="m", default=Sampling(), dialect="openai")
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "Pet", "schema": {"type": "object"}, "strict": True},
    }


@pytest.mark.checklist(233)
def test_the_limit_of_tokens_is_named_as_each_kind_of_server_knows_it() -> None:
    limit = Sampling(max_tokens=7)
    assert body_of(limit)["max_completion_tokens"] == 7
    assert body_of(limit, dialect="compatible")["max_tokens"] == 7


@pytest.mark.checklist(234)
def test_an_explicit_zero_is_kept_and_not_replaced_by_the_default() -> None:
    body = body_of(Sampling(temperature=0), Sampling(temperature=0.7), dialect="compatible")
    assert body["temperature"] == 0


ALL = Sampling(
    temperature=0,
    top_p=0.5,
    frequency_penalty=-2,
    presence_penalty=0.5,
    max_tokens=7,
    stop=("\n", "END"),
    seed=0,
    logprobs=2,
    reasoning_effort="low",
)
HOW_TO_PICK = {
    "temperature": 0,
    "top_p": 0.5,
    "frequency_penalty": -2,
    "presence_penalty": 0.5,
    "logprobs": True,
    "top_logprobs": 2,
}
ANYHOW = {"max_tokens": 7, "stop": ["\n", "END"], "seed": 0, "reasoning_effort": "low"}


def sampling_in(body: Body) -> Body:
    return {name: value for name, value in body.items() if name not in ("model", "messages")}


def test_every_way_to_pick_words_has_its_field() -> None:
    assert sampling_in(body_of(ALL, dialect="compatible")) == HOW_TO_PICK | ANYHOW


@pytest.mark.checklist(234)
def test_a_default_way_to_pick_words_is_left_out_for_models_that_refuse_it() -> None:
    ours = {"max_completion_tokens" if n == "max_tokens" else n: v for n, v in ANYHOW.items()}
    assert sampling_in(body_of(default=ALL, model="gpt-5.6-sol")) == ours
    assert sampling_in(body_of(default=ALL, model="gpt-4o")) == HOW_TO_PICK | ours
    assert body_of(default=ALL, model="gpt-5", dialect="compatible")["temperature"] == 0


def test_a_way_to_pick_words_the_caller_asks_for_is_sent_whatever_the_model() -> None:
    body = body_of(Sampling(temperature=1), ALL, model="gpt-5.6-sol")
    assert body["temperature"] == 1
    assert "top_p" not in body


def test_no_alternatives_are_asked_for_as_none() -> None:
    body = body_of(Sampling(logprobs=0), dialect="compatible")
    assert (body["logprobs"], body["top_logprobs"]) == (True, 0)


def test_an_explicit_nothing_to_stop_at_is_not_sent_nor_is_the_default() -> None:
    assert "stop" not in body_of(Sampling(stop=()), ALL)


# Messages

CAT, DOG = Image("https://example.com/cat.png"), Image("data:image/png;base64,AAAA", "high")


def test_images_follow_the_text_as_parts() -> None:
    assert message_of(Message("user", "Which?", images=(CAT, DOG))) == {
        "role": "user",
        "content": [
            {"type": "text", "text": "Which?"},
            {"type": "image_url", "image_url": {"url": CAT.url}},
            {"type": "image_url", "image_url": {"url": DOG.url, "detail": "high"}},
        ],
    }


def test_an_image_may_be_all_that_is_said() -> None:
    (part,) = message_of(Message("user", "", images=(CAT,)))["content"]
    assert part["type"] == "image_url"


@pytest.mark.checklist(216)
@pytest.mark.parametrize(("content", "written"), [("", None), ("One moment.", "One moment.")])
def test_calls_of_tools_are_nested_and_their_message_may_say_nothing(
    content: str, written: str | None
) -> None:
    call = ToolCall("c1", "get_weather", '{"city": "Zürich"}')
    assert message_of(Message("assistant", content, tool_calls=(call,))) == {
        "role": "assistant",
        "content": written,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Zürich"}'},
            }
        ],
    }


def test_of_what_was_said_aloud_the_model_reads_what_was_heard() -> None:
    for heard in (0, 240):
        said = Message("assistant", "Once", heard_ms=heard, unheard=" upon a time")
        assert message_of(said) == {"role": "assistant", "content": "Once"}


def test_the_result_of_a_tool_names_its_call() -> None:
    assert message_of(Message("tool", "", tool_call_id="c1")) == {
        "role": "tool",
        "content": "",
        "tool_call_id": "c1",
    }


# Tools

TOOL = ToolSpec(name="now", description="Tell the time.", parameters={"type": "object"})


@pytest.mark.checklist(53)
def test_tools_are_offered_nested() -> None:
    request = ModelRequest(messages=(), stream=False, request_id="r", tools=(TOOL,))
    body = encode_request(request, model="m", default=Sampling(), dialect="openai")
    assert msgspec.json.decode(msgspec.json.encode(body["tools"])) == [
        {
            "type": "function",
            "function": {
                "name": "now",
                "description": "Tell the time.",
                "parameters": {"type": "object"},
            },
        }
    ]
    assert "tool_choice" not in body
    assert "parallel_tool_calls" not in body


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("now", {"type": "function", "function": {"name": "now"}}),
    ],
)
def test_the_choice_of_a_tool_is_sent_nested(choice: str, sent: object) -> None:
    request = ModelRequest(
        messages=(), stream=False, request_id="r", tools=(TOOL,), tool_choice=choice
    )
    body = encode_request(request, model="m", default=Sampling(), dialect="openai")
    assert body["tool_choice"] == sent


def test_no_choice_is_sent_where_there_is_none() -> None:
    request = ModelRequest(messages=(), stream=False, request_id="r", tool_choice="none")
    body = encode_request(request, model="m", default=Sampling(), dialect="openai")
    assert not {"tools", "tool_choice"} & set(body)


def test_how_a_question_was_to_be_answered_is_no_part_of_it() -> None:
    assert message_of(Message("user", "Hi", terms="abc")) == {"role": "user", "content": "Hi"}
