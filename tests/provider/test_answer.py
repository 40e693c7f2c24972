"""Completions as servers write them."""

from __future__ import annotations

import msgspec
import pytest

from chatbots.joined import Joined
from chatbots.messages import ModelAnswer, TokenLogprob, Usage
from chatbots.provider.answer import Answer, decode, talk

STOP = b'{"choices":[{"delta":{},"finish_reason":"stop"}]}'


def saying(**delta: object) -> bytes:
    return msgspec.json.encode({"choices": [{"delta": delta}]})


def answer_of(*chunks: bytes) -> ModelAnswer:
    answer = Answer()
    for chunk in chunks:
        answer.add(decode(chunk))
    return answer.result()


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
    answer = Answer()
    assert (answer.add(part), answer.finished, part.failure) == ("", False, None)
    assert answer.reasoning == ""
    answer.add(decode(STOP))
    assert answer.result() == ModelAnswer(text="", state="completed", reason="stop")


def test_a_whole_answer_is_read_like_a_single_chunk() -> None:
    result = answer_of(
        b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    )
    assert (result.text, result.reason) == ("Hi", "stop")


def test_a_refusal_is_an_answer() -> None:
    assert Answer().add(decode(saying(content=None, refusal="I cannot."))) == "I cannot."


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    part = decode(rb'{"choices":[{"delta":{"content":"a\ud800b \ud83d\ude00"}}]}')
    assert Answer().add(part) == "a\ufffdb \U0001f600"


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


def test_an_answer_is_the_sum_of_its_chunks_and_usage_comes_after_the_end() -> None:
    result = answer_of(
        b'{"model":"m-1","choices":[{"delta":{"role":"assistant","content":""}}]}',
        saying(content="Hel"),
        saying(content="lo"),
        STOP,
        b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}',
    )
    assert (result.text, result.state, result.reason) == ("Hello", "completed", "stop")
    assert (result.usage, result.model, result.retries) == (Usage(3, 2, 5), "m-1", 0)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ('{"prompt_tokens":3,"completion_tokens":2}', Usage(3, 2, 5)),
        ('{"prompt_tokens":null,"completion_tokens":null,"total_tokens":5}', Usage(0, 0, 5)),
        ('{"prompt_tokens_details":null,"completion_tokens_details":null}', Usage()),
        ('{"prompt_tokens_details":{},"completion_tokens_details":{}}', Usage()),
        (
            """{"prompt_tokens_details":{"cached_tokens":null},
            "completion_tokens_details":{"reasoning_tokens":null,"audio_tokens":0}}""",
            Usage(),
        ),
        (
            """{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,
            "prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},
            "completion_tokens_details":{"reasoning_tokens":6}}""",
            Usage(9, 7, 16, cached_tokens=8, reasoning_tokens=6),
        ),
    ],
)
def test_the_usage_is_what_the_server_counted_and_a_missing_total_is_added_up(
    said: str, usage: Usage
) -> None:
    assert answer_of(STOP, b'{"usage":%s}' % said.encode()).usage == usage


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


@pytest.mark.parametrize(
    ("field", "reason", "told"),
    [
        ("refusal", "stop", "refusal"),
        ("content", "stop", "stop"),
        ("refusal", "content_filter", "content_filter"),
    ],
)
@pytest.mark.parametrize("part", ["delta", "message"])
def test_a_refusal_is_the_reason_of_its_answer(
    part: str, field: str, reason: str, told: str
) -> None:
    answer = Answer()
    for said, end in (("", "null"), (f'"{field}":"I ca"', "null"), ("", f'"{reason}"')):
        chunk = f'{{"choices":[{{"{part}":{{{said}}},"finish_reason":{end}}}]}}'
        answer.add(decode(chunk.encode()))
    assert (answer.result().text, answer.result().reason) == ("I ca", told)


def test_a_refusal_in_another_choice_is_none() -> None:
    answer = Answer()
    answer.add(decode(b'{"choices":[{"index":1,"delta":{"refusal":"No."}}]}'))
    answer.add(decode(b'{"choices":[{"delta":{},"finish_reason":"stop"}]}'))
    assert answer.result().reason == "stop"


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


# Reasoning


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"reasoning_content": "Hm.", "reasoning": "Hm."},
        {"reasoning_content": None, "reasoning": "Hm.", "content": None},
    ],
)
@pytest.mark.parametrize("field", ["delta", "message"])
def test_reasoning_is_kept_apart_from_the_text(delta: dict[str, object], field: str) -> None:
    answer = Answer()
    whole = {"choices": [{field: {"content": "Hi", **delta}, "finish_reason": "stop"}]}
    assert answer.add(decode(msgspec.json.encode(whole))) == (delta.get("content", "Hi") or "")
    assert answer.take_reasoning() == "Hm."
    assert answer.take_reasoning() == ""
    assert "Hm" not in answer.result().text


def test_reasoning_waits_to_be_taken() -> None:
    answer = Answer()
    for thought in ("One. ", "Two."):
        answer.add(decode(saying(reasoning=thought)))
    assert answer.reasoning == "One. Two."


@pytest.mark.parametrize("said", [{"summary": "Hm."}, ["Hm."], True, ""])
def test_reasoning_that_is_no_text_adds_nothing(said: object) -> None:
    answer = Answer()
    assert answer.add(decode(saying(reasoning=said, content="Hi"))) == "Hi"
    assert answer.reasoning == ""


# Logprobs


def test_the_probability_of_each_token_is_kept() -> None:
    def chunk(*tokens: object) -> bytes:
        return msgspec.json.encode({"choices": [{"logprobs": {"content": tokens}}]})

    likely = {"token": "He", "logprob": -0.5, "bytes": [72]}
    result = answer_of(
        chunk({**likely, "top_logprobs": [likely, {"token": "Hi", "logprob": -1}]}),
        chunk({"token": "l", "logprob": None}, {"token": "lo", "top_logprobs": None}),
        b'{"choices":[{"logprobs":{"content":null}}]}',
        STOP,
    )
    assert result.logprobs == (
        TokenLogprob("He", -0.5, (("He", -0.5), ("Hi", -1))),
        TokenLogprob("l", 0.0),
        TokenLogprob("lo", 0.0),
    )


# Calls of tools


# What is mostly said


PLAIN = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None, "logprobs": None}


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [PLAIN]},
        {"choices": [PLAIN], "usage": None, "model": "m", "id": "c", "obfuscation": "xyz"},
        {"choices": [{"delta": {"content": "Hi", "role": "assistant", "refusal": None}}]},
    ],
)
def test_text_alone_is_read_as_it_is_in_any_chunk(chunk: dict[str, object]) -> None:
    data = msgspec.json.encode(chunk)
    assert talk(data).choices[0].delta.content == Answer().add(decode(data)) == "Hi"


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": []},
        {"choices": [PLAIN, PLAIN]},
        {"choices": [PLAIN], "usage": {"prompt_tokens": 1}},
        {"choices": [PLAIN], "error": {"message": "no"}},
        {"choices": [PLAIN | {"index": 1}]},
        {"choices": [PLAIN | {"finish_reason": "stop"}]},
        {"choices": [PLAIN | {"logprobs": {"content": []}}]},
        *(
            {"choices": [PLAIN | {"delta": {"content": "Hi", more: "x"}}]}
            for more in ("refusal", "reasoning", "reasoning_content", "tool_calls")
        ),
        {"choices": [PLAIN | {"delta": {}}]},
        {"choices": [PLAIN | {"delta": {"content": None}}]},
    ],
)
def test_a_chunk_with_more_to_it_is_not_text_alone(chunk: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        talk(msgspec.json.encode(chunk))


def test_a_call_is_taken_in_beside_the_text() -> None:
    called = [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}]
    answer = Answer()
    answer.add(decode(saying(content="Wait.", tool_calls=called)))
    answer.add(decode(b'{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}'))
    result = answer.result()
    assert (result.text, [call.name for call in result.tool_calls]) == ("Wait.", ["f"])


def test_text_alone_is_to_be_expected_between_the_first_chunk_and_the_last() -> None:
    answer = Answer()
    expected = [answer.talks]
    for chunk in (saying(content=""), saying(content="A"), STOP):
        answer.add(decode(chunk))
        expected.append(answer.talks)
    assert expected == [False, True, True, False]


def test_an_answer_whose_text_is_kept_elsewhere_is_what_comes_to_stand_there() -> None:
    said = Joined()
    said.add("Before. ")
    answer = Answer(said)
    answer.add(decode(saying(content="A")))
    said.add("A")
    answer.say("B")
    said.add("B")
    answer.add(decode(STOP))
    assert (answer.result().text, said.text) == ("AB", "Before. AB")
