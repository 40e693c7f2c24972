"""Tool calls as servers write them."""

from __future__ import annotations

import msgspec
import pytest

from chatbots.messages import ModelAnswer
from chatbots.provider.answer import Answer, decode
from chatbots.provider.calls import MAX_ARGUMENTS, ArgumentsTooLong
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
    monkeypatch.setattr("chatbots.provider.calls.MAX_HEARD", 1_000)
    answer = Answer()
    pieces = decode(calling(*(piece(n) for n in range(100))))
    for _ in range(10):
        answer.add(pieces)
    with pytest.raises(ArgumentsTooLong):
        answer.add(pieces)
