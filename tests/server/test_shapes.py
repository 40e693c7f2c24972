from __future__ import annotations

from array import array
from typing import Any

import msgspec
import pytest

from chatbots.deltas import (
    Delta,
    Done,
    Notice,
    ReasoningDelta,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from chatbots.embedded import Embeddings
from chatbots.images import Image
from chatbots.messages import REFUSAL, Message, Turn, Usage
from chatbots.server import shapes
from chatbots.tool_calls import ToolCall

CALL = ToolCall("c1", "multiply", '{"a":2}')
CALLED = {"id": "c1", "type": "function", "function": {"name": "multiply", "arguments": '{"a":2}'}}


def done(reason: str = "stop", **more: Any) -> Done:
    values = {"usage": Usage(3, 4, 7), "request_id": "req_1", "session": None, **more}
    return Done(state="completed", reason=reason, **values)


def message(end: Done, text: str, *calls: ToolCall) -> Any:
    choices: Any = shapes.completion(end, text, calls, model="m", at=9.7)["choices"]
    return choices[0]["message"]


def test_a_whole_answer_is_a_chat_completion() -> None:
    assert shapes.completion(done(), "Hi.", (), model="m", at=9.7) == {
        "id": "req_1", "object": "chat.completion", "created": 9, "model": "m",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }  # fmt: skip


def test_bare_calls_have_null_beside_them() -> None:
    expected = {"role": "assistant", "content": None, "tool_calls": [CALLED]}
    assert message(done("tool_calls"), "", CALL) == expected


def test_a_refusal_is_an_answer() -> None:
    assert message(done(REFUSAL), "No.") == {
        "role": "assistant", "content": None, "refusal": "No.",
    }  # fmt: skip
    assert shapes.finish_reason(done(REFUSAL)) == "stop"


def test_a_stream_ends_with_why_and_at_what_cost() -> None:
    end = done("length", session="ada", usage=Usage(1, 2, 3, estimated=True), stored=False)
    assert shapes.last_chunk(end, model="m", at=9.7) == {
        "id": "req_1", "object": "chat.completion.chunk", "created": 9, "model": "m",
        "session_id": "ada", "stored": False,
        "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}],
        "usage": {
            "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "estimated": True,
        },
        "done": True,
    }  # fmt: skip


def test_a_piece_of_text_is_a_delta() -> None:
    assert shapes.text_chunk("Hi") == {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}


def test_calls_in_a_stream_have_their_places() -> None:
    chunk: Any = shapes.calls_chunk([CALL, CALL])
    called = chunk["choices"][0]["delta"]["tool_calls"]
    assert called == [{"index": 0, **CALLED}, {"index": 1, **CALLED}]


@pytest.mark.parametrize(
    ("delta", "data"),
    [
        (ReasoningDelta("Hm."), {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]}),
        (
            Notice("not_stored", "This answer is not stored. /home/x is full."),
            {
                "choices": [],
                "notice": {"code": "not_stored", "message": "This answer is not stored."},
            },
        ),
        (Notice("c", "m"), {"choices": [], "notice": {"code": "c", "message": "m"}}),
        (
            ToolStarted("c1", "n", "{}"),
            {"choices": [], "tool_started": {
                "type": "tool_started", "call_id": "c1", "name": "n", "arguments": "{}",
            }},
        ),
        (
            ToolProgress("c1", "half", 0.5),
            {"choices": [], "tool_progress": {
                "type": "tool_progress", "call_id": "c1", "message": "half", "fraction": 0.5,
            }},
        ),
        (
            ToolFinished("c1", "n", "6", False, 0.5),
            {"choices": [], "tool_finished": {
                "type": "tool_finished", "call_id": "c1", "name": "n", "content": "6",
                "is_error": False, "seconds": 0.5,
            }},
        ),
        (TextDelta("x"), None),
    ],
)  # fmt: skip
def test_what_is_no_part_of_the_answer_goes_beside_it(
    delta: Delta, data: dict[str, object] | None
) -> None:
    assert msgspec.to_builtins(shapes.aside(delta)) == data


def test_vectors_are_those_of_the_embeddings_api() -> None:
    made = Embeddings(vectors=(array("f", [0.5, 1.0]),), model="e")
    assert shapes.embeddings(made) == {
        "object": "list", "model": "e",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
    }  # fmt: skip


def test_a_turn_is_read_again_as_it_was_said() -> None:
    kept = Turn(
        session="s",
        request_id="r1",
        seq=2,
        state="completed",
        said=(Message("user", "2x3?", images=(Image("https://e.test/a.png"),)),),
        answer=(
            Message("assistant", "", tool_calls=(CALL,)),
            Message("tool", "6", tool_call_id="c1"),
        ),
        reason="stop",
    )
    assert shapes.turn(kept) == {
        "seq": 2, "request_id": "r1", "state": "completed", "reason": "stop", "began_at": None,
        "messages": [
            {"role": "user", "content": "2x3?", "images": ["https://e.test/a.png"]},
            {"role": "assistant", "content": "", "tool_calls": [CALLED]},
            {"role": "tool", "content": "6", "tool_call_id": "c1"},
        ],
    }  # fmt: skip
