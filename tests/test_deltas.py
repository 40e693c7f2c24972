from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from chatbots.deltas import (
    AudioDelta,
    Delta,
    Done,
    Failed,
    Interrupted,
    Notice,
    ReasoningDelta,
    Terminal,
    TextDelta,
    ToolDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UserSaid,
    VoiceDelta,
)
from chatbots.errors import ProviderError
from chatbots.messages import Usage

DONE = Done(state="completed", reason="stop", usage=Usage(1, 2, 3), request_id="r", session="s")
FAILED = Failed(
    error=ProviderError("rate_limited", "Slow down."),
    state="failed",
    request_id="r",
    session=None,
)


def test_a_delta_is_text_reasoning_voice_a_notice_news_of_a_tool_or_the_end() -> None:
    told = {ToolStarted, ToolProgress, ToolFinished}
    voice = {AudioDelta, UserSaid, Interrupted}
    assert set(get_args(Delta)) == {TextDelta, ReasoningDelta, *voice, Notice, *told, Done, Failed}
    assert set(get_args(VoiceDelta)) == voice
    assert set(get_args(ToolDelta)) == told
    assert set(get_args(Terminal)) == {Done, Failed}


@pytest.mark.parametrize(
    ("delta", "written"),
    [
        (TextDelta("Hi 👍"), {"type": "text", "text": "Hi 👍"}),
        (ReasoningDelta("Hm"), {"type": "reasoning", "text": "Hm"}),
        (
            AudioDelta("i", b"\x01\x02", 24_000),
            {"type": "audio", "item_id": "i", "pcm": "AQI=", "rate": 24_000},
        ),
        (UserSaid("i", "Hi"), {"type": "user_said", "item_id": "i", "text": "Hi"}),
        (Interrupted("i", 20), {"type": "interrupted", "item_id": "i", "heard_ms": 20}),
        (Notice("n", "By the way."), {"type": "notice", "code": "n", "message": "By the way."}),
        (
            ToolStarted("c", "f", "{}"),
            {"type": "tool_started", "call_id": "c", "name": "f", "arguments": "{}"},
        ),
        (
            ToolProgress("c", "Half.", 0.5),
            {"type": "tool_progress", "call_id": "c", "message": "Half.", "fraction": 0.5},
        ),
        (
            ToolFinished("c", "f", "42", is_error=False, seconds=0.25),
            {
                "type": "tool_finished",
                "call_id": "c",
                "name": "f",
                "content": "42",
                "is_error": False,
                "seconds": 0.25,
            },
        ),
        (
            DONE,
            {
                "type": "done",
                "state": "completed",
                "reason": "stop",
                "usage": {
                    "input_tokens": 1,
                    "output_tokens": 2,
                    "total_tokens": 3,
                    "cached_tokens": 0,
                    "reasoning_tokens": 0,
                    "estimated": False,
                },
                "request_id": "r",
                "session": "s",
            },
        ),
    ],
)
def test_a_delta_names_its_kind_when_it_is_written(
    delta: TextDelta | ReasoningDelta | VoiceDelta | Notice | ToolDelta | Done, written: object
) -> None:
    encoded = msgspec.json.encode(delta)
    assert msgspec.json.decode(encoded) == written
    assert msgspec.json.decode(encoded, type=type(delta)) == delta


def test_a_kind_is_not_read_as_another() -> None:
    encoded = msgspec.json.encode(TextDelta("Hi"))
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'text'"):
        msgspec.json.decode(encoded, type=Notice)


@pytest.mark.parametrize(
    "delta", [TextDelta("Hi"), ReasoningDelta("Hm"), Notice("n", "m"), DONE, FAILED]
)
def test_a_delta_does_not_change(delta: Delta) -> None:
    with pytest.raises(AttributeError):
        setattr(delta, delta.__struct_fields__[0], "another")


def test_a_failure_keeps_the_error_itself() -> None:
    assert isinstance(FAILED.error, ProviderError)
    assert FAILED.error.retryable
