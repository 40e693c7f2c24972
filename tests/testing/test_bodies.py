from __future__ import annotations

import msgspec
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from chatbots.testing import bodies
from chatbots.testing.bodies import ChatBodies

PLAIN = ChatBodies(id="chatcmpl-1", created=1, model="m")
COUNTED = ChatBodies(id="chatcmpl-1", created=1, model="m", include_usage=True)
REFUSED = ChatBodies(id="chatcmpl-1", created=1, model="m", said_in="refusal")


def chunk(body: bodies.Json) -> ChatCompletionChunk:
    return ChatCompletionChunk.model_validate(body, strict=True)


def test_a_whole_answer_is_a_chat_completion() -> None:
    body = ChatCompletion.model_validate(
        PLAIN.whole("Hello.", "stop", bodies.usage(2, 1)), strict=True
    )
    assert body.choices[0].message.content == "Hello."
    assert body.choices[0].message.refusal is None
    assert body.choices[0].finish_reason == "stop"
    assert body.usage is not None
    assert (body.usage.prompt_tokens, body.usage.total_tokens) == (2, 3)


def test_a_refusal_is_said_in_its_own_field() -> None:
    whole = ChatCompletion.model_validate(REFUSED.whole("I can't.", "stop", bodies.usage(2, 1)))
    assert (whole.choices[0].message.content, whole.choices[0].message.refusal) == (
        None,
        "I can't.",
    )
    assert chunk(REFUSED.opening()).choices[0].delta.refusal == ""
    assert chunk(REFUSED.piece("I")).choices[0].delta.refusal == "I"


def test_a_stream_opens_with_the_role_and_closes_with_the_reason() -> None:
    opening = chunk(PLAIN.opening()).choices[0]
    assert (opening.delta.role, opening.delta.content, opening.finish_reason) == (
        "assistant",
        "",
        None,
    )
    piece = chunk(PLAIN.piece("Hel")).choices[0]
    assert (piece.delta.role, piece.delta.content, piece.finish_reason) == (None, "Hel", None)
    closing = chunk(PLAIN.closing("length")).choices[0]
    assert (closing.delta.content, closing.finish_reason) == (None, "length")


def test_usage_is_null_in_every_chunk_but_the_last_where_it_was_asked_for() -> None:
    assert COUNTED.piece("x")["usage"] is None
    assert "usage" not in PLAIN.piece("x")
    last = chunk(COUNTED.accounting(bodies.usage(2, 1)))
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 1


def test_a_model_is_a_model() -> None:
    assert Model.model_validate(bodies.model("m"), strict=True).id == "m"


def test_an_event_is_one_line_of_data_and_a_blank_one() -> None:
    data = bodies.event({"text": "two\nlines"})
    assert data.startswith(b"data: ")
    assert data.endswith(b"\n\n")
    assert data.count(b"\n") == 2
    assert msgspec.json.decode(data.removeprefix(b"data: ")) == {"text": "two\nlines"}


def test_an_error_is_an_object_in_an_object() -> None:
    assert bodies.error({"message": "No."}) == {"error": {"message": "No."}}


def test_ids_look_drawn_by_lot_and_are_the_same_again() -> None:
    assert bodies.token_like("req_", 1, 32) == bodies.token_like("req_", 1, 32)
    assert len({bodies.token_like("req_", number, 32) for number in range(100)}) == 100
    assert len(bodies.token_like("req_", 1, 32)) == 36
