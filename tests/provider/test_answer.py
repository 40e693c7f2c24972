"""Completions as servers write them."""

from __future__ import annotations

import msgspec
import pytest

from chatbots.messages import ModelAnswer, TokenLogprob, Usage
from chatbots.provider.answer import MAX_ARGUMENTS, Answer, ArgumentsTooLong, decode
from chatbots.tool_calls import ToolCall

STOP = b'{"choices":[{"delta":{},"finish_reason":"stop"}]}'
CALLS = b'{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}'
LENGTH = b'{"choices":[{"delta":{},"finish_reason":"length"}]}'


def saying(**delta: object) -> bytes:
    return msgspec.json.encode({"choices": [{"delta": delta}]})


def calling(*pieces: dict[str, object]) -> bytes:
    return saying(tool_calls=pieces)


def piece(
    index: int | None = 0,
    arguments: object = None,
    name: str | None = None,
    called: str | None = None,
) -> dict[str, object]:
    """Return a piece of a call; what is None is left out."""
    function = {"name": name, "arguments": arguments}
    fields = {
        "index": index,
        "id": called,
        "function": {n: value for n, value in function.items() if value is not None},
    }
    return {n: value for n, value in fields.items() if value is not None}


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


def test_calls_are_put_together_by_index() -> None:
    result = answer_of(
        calling(piece(0, "", "a", "c1"), piece(1, "", "b", "c2")),
        calling(piece(1, '{"y":')),
        calling(piece(0, '{"x":')),
        calling(piece(1, "2}"), piece(0, "1}")),
        CALLS,
    )
    assert result.tool_calls == (ToolCall("c1", "a", '{"x":1}'), ToolCall("c2", "b", '{"y":2}'))
    assert (result.text, result.reason) == ("", "tool_calls")


def test_many_pieces_make_one_call() -> None:
    arguments = '{"text":"' + "x" * 2000 + '"}'
    chunks = [calling(piece(0, letter)) for letter in arguments]
    result = answer_of(calling(piece(0, "", "f", "c1")), *chunks, CALLS)
    assert result.tool_calls == (ToolCall("c1", "f", arguments),)


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(None, "{}", "a", "c1"), piece(None, "[]", "b", "c2")],
        [piece(0, "{}", "a", "c1"), piece(0, "[]", "b", "c2")],
        [piece(None, "{", "a", "c1"), piece(None, "}"), piece(None, "[]", "b", "c2")],
        [piece(0, "{", "a", "c1"), piece(0, "}", "a", "c1"), piece(1, "[]", "b", "c2")],
        [piece(0, "{", "a", "c1"), piece(0, "}", "a"), piece(1, "[]", "b", "c2")],
        [
            piece(0, "{", "a"),
            piece(0, "}", called="c1"),
            piece(1, "[]", None, "c2"),
            piece(1, None, "b"),
        ],
        [piece(5, {}, "a", "c1"), {"index": 3, "id": "c2", "function": None}, piece(3, "[]", "b")],
    ],
)
def test_servers_that_number_calls_their_own_way_are_understood(
    pieces: list[dict[str, object]],
) -> None:
    result = answer_of(*map(calling, pieces), CALLS)
    assert result.tool_calls == (ToolCall("c1", "a", "{}"), ToolCall("c2", "b", "[]"))
    assert answer_of(calling(*pieces), CALLS) == result


def test_a_whole_message_may_call_tools_and_say_something() -> None:
    message = {"content": "Wait.", "tool_calls": [piece(None, "{}", "a", "c1")]}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}]}
    result = answer_of(msgspec.json.encode(whole))
    assert (result.text, result.tool_calls) == ("Wait.", (ToolCall("c1", "a", "{}"),))


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    chunks = (calling(piece(0, "{}", "a"), piece(1, "{}", "a", "")), CALLS)
    ids = {call.id for _ in range(2) for call in answer_of(*chunks).tool_calls}
    assert len(ids) == 4
    assert all(name.startswith("call_") for name in ids)


def test_no_call_is_given_out_of_an_answer_that_was_cut() -> None:
    chunks = calling(piece(0, "{}", "a", "c1")), calling(piece(1, '{"city": "Z', "b", "c2"))
    assert answer_of(*chunks, LENGTH).tool_calls == ()


def test_no_call_is_given_out_before_the_end() -> None:
    answer = Answer()
    answer.add(decode(calling(piece(0, "{}", "a", "c1"))))
    with pytest.raises(ValueError, match="no finish reason"):
        answer.result()


@pytest.mark.parametrize("calls", [1, 4])
def test_calls_may_be_as_long_as_allowed_and_the_rest_is_left_out(calls: int) -> None:
    answer = Answer()
    size = MAX_ARGUMENTS // 64 - 1
    for n in range(64):
        answer.add(decode(calling(piece(n % calls, "x" * size, "a"))))
    answer.add(decode(calling(piece(0, "y"))))
    answer.add(decode(LENGTH.replace(b"length", b"tool_calls")))
    whole = "".join(call.arguments for call in answer.result().tool_calls)
    assert whole == "x" * size * 64


def test_an_answer_that_goes_on_calling_is_none() -> None:
    answer = Answer()
    part = decode(calling(piece(0, "x" * MAX_ARGUMENTS, "a")))
    for _ in range(7):
        answer.add(part)
    with pytest.raises(ArgumentsTooLong, match="more than 8,388,608 characters"):
        answer.add(part)


def test_any_number_of_empty_calls_is_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatbots.provider.answer.MAX_HEARD", 1_000)
    answer = Answer()
    pieces = decode(calling(*(piece(n) for n in range(100))))
    for _ in range(10):
        answer.add(pieces)
    with pytest.raises(ArgumentsTooLong):
        answer.add(pieces)
