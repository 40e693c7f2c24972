"""Request bodies as they go out, and completions as servers write them."""

from __future__ import annotations

import pytest

from chatbots.messages import Message, ModelRequest, Usage
from chatbots.provider.wire import Answer, Body, Completion, Dialect, decode, encode_request
from chatbots.sampling import Sampling


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
    return encode_request(request, model=model, default=default or Sampling(), dialect=dialect)


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


def test_a_request_may_name_another_model() -> None:
    request = ModelRequest(
        messages=(Message("user", "Hi"),), stream=False, request_id="r", model="other"
    )
    body = encode_request(request, model="own", default=Sampling(), dialect="openai")
    assert body["model"] == "other"


def test_the_limit_of_tokens_is_named_as_each_kind_of_server_knows_it() -> None:
    limit = Sampling(max_tokens=7)
    assert body_of(limit)["max_completion_tokens"] == 7
    assert body_of(limit, dialect="compatible")["max_tokens"] == 7


def test_an_explicit_zero_is_kept_and_not_replaced_by_the_default() -> None:
    body = body_of(Sampling(temperature=0), Sampling(temperature=0.7), dialect="compatible")
    assert body["temperature"] == 0


def test_a_default_temperature_is_left_out_for_models_that_refuse_it() -> None:
    default = Sampling(temperature=0.7)
    assert "temperature" not in body_of(default=default, model="gpt-5.6-sol")
    assert body_of(default=default, model="gpt-4o")["temperature"] == 0.7
    assert body_of(default=default, model="gpt-5", dialect="compatible")["temperature"] == 0.7


def test_a_temperature_the_caller_asks_for_is_sent_whatever_the_model() -> None:
    assert body_of(Sampling(temperature=1), model="gpt-5.6-sol")["temperature"] == 1


@pytest.mark.parametrize(
    "chunk",
    [
        "{}",
        '{"choices":null}',
        '{"choices":[]}',
        '{"choices":[{}]}',
        '{"choices":[{"delta":null}]}',
        '{"choices":[{"delta":{"content":null,"role":"assistant"}}]}',
        '{"choices":[{"delta":{"content":""},"finish_reason":null}],"usage":null}',
        '{"choices":[{"delta":{"content":"other answer"},"index":1,"finish_reason":"stop"}]}',
        '{"unknown":{"deeply":["nested"]},"choices":[]}',
    ],
)
def test_fields_that_are_missing_null_or_unknown_add_nothing(chunk: str) -> None:
    part = decode(chunk.encode())
    assert (part.text, part.finish_reason, part.counted, part.failure) == ("", None, None, None)


def test_a_whole_answer_is_read_like_a_single_chunk() -> None:
    part = decode(b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}')
    assert (part.text, part.finish_reason) == ("Hi", "stop")


def test_a_refusal_is_an_answer() -> None:
    part = decode(b'{"choices":[{"delta":{"content":null,"refusal":"I cannot."}}]}')
    assert part.text == "I cannot."


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    part = decode(rb'{"choices":[{"delta":{"content":"a\ud800b \ud83d\ude00"}}]}')
    assert part.text == "a\ufffdb \U0001f600"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[1]",
        b"nope",
        b'{"choices":5}',
        b'{"choices":[{"delta":{"content":"\xff"}}]}',
        b'{"\\ud800',
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_what_is_no_completion_raises_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(data)


@pytest.mark.parametrize(
    ("said", "message", "code"),
    [
        (b'{"error":{"message":"Overloaded","code":"busy"}}', "Overloaded", "busy"),
        (b'{"error":{"message":"Bad","code":500}}', "Bad", 500),
        (b'{"error":"It broke"}', "It broke", None),
    ],
)
def test_an_error_in_place_of_an_answer_is_seen(
    said: bytes, message: str, code: str | int | None
) -> None:
    failure = decode(said).failure
    assert failure is not None
    assert (failure.message, failure.code) == (message, code)


def parts(*chunks: bytes) -> list[Completion]:
    return [decode(chunk) for chunk in chunks]


def test_an_answer_is_the_sum_of_its_chunks_and_usage_comes_after_the_end() -> None:
    answer = Answer()
    for part in parts(
        b'{"choices":[{"delta":{"role":"assistant","content":""}}]}',
        b'{"choices":[{"delta":{"content":"Hel"}}]}',
        b'{"choices":[{"delta":{"content":"lo"}}]}',
        b'{"choices":[{"delta":{},"finish_reason":"stop"}]}',
        b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}',
    ):
        answer.add(part)
    result = answer.result()
    assert (result.text, result.state, result.reason) == ("Hello", "completed", "stop")
    assert result.usage == Usage(3, 2, 5)


def test_a_total_that_the_server_does_not_give_is_added_up() -> None:
    part = decode(b'{"usage":{"prompt_tokens":3,"completion_tokens":2}}')
    assert part.counted == Usage(3, 2, 5)


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("stop", "completed"),
        ("length", "incomplete"),
        ("content_filter", "incomplete"),
        ("something_new", "completed"),
    ],
)
def test_the_finish_reason_says_whether_the_answer_is_whole(reason: str, state: str) -> None:
    answer = Answer()
    answer.add(decode(b'{"choices":[{"delta":{},"finish_reason":"%s"}]}' % reason.encode()))
    assert (answer.result().state, answer.result().reason) == (state, reason)


def test_an_answer_without_a_finish_reason_is_no_answer() -> None:
    answer = Answer()
    answer.add(decode(b'{"choices":[{"delta":{"content":"Hello"}}]}'))
    assert not answer.finished
    with pytest.raises(ValueError, match="no finish reason"):
        answer.result()


def test_text_after_the_finish_reason_is_ignored() -> None:
    answer = Answer()
    answer.add(decode(b'{"choices":[{"delta":{"content":"A"},"finish_reason":"stop"}]}'))
    assert answer.add(decode(b'{"choices":[{"delta":{"content":"B"}}]}')) == ""
    assert answer.result().text == "A"
