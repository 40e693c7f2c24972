from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from chatbots.errors import InvalidRequest
from chatbots.realtime.events.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    IntOrInf,
    ResponseParams,
    Session,
    Tool,
    TurnDetection,
    choice,
)
from chatbots.tool_calls import ToolSpec

FLAT = {"type": "function", "name": "now", "description": "", "parameters": {"type": "object"}}


def wire(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))


@pytest.mark.checklist(29, 55, 79)
def test_null_and_false_and_nothing_are_said_and_what_is_not_said_is_left_out() -> None:
    detection = TurnDetection(create_response=False, threshold=0, silence_duration_ms=0)
    audio = Audio(input=AudioInput(turn_detection=detection, noise_reduction=None))
    session = Session(instructions="", tools=(), tracing=None, audio=audio)
    assert wire(session) == {
        "instructions": "",
        "tools": [],
        "tracing": None,
        "audio": {
            "input": {
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "create_response": False,
                    "threshold": 0,
                    "silence_duration_ms": 0,
                },
            }
        },
    }
    assert wire(AudioInput(turn_detection=None)) == {"turn_detection": None}
    assert wire(ResponseParams()) == {}
    assert Session().voice is UNSET


@pytest.mark.checklist(119)
@pytest.mark.parametrize("tokens", [1, 4096, "inf", None])
def test_a_number_of_tokens_may_be_as_many_as_there_are(tokens: IntOrInf | None) -> None:
    session = Session(max_output_tokens=tokens)
    assert wire(session) == {"max_output_tokens": tokens}
    assert msgspec.convert(wire(session), Session) == session


@pytest.mark.checklist(119)
@pytest.mark.parametrize("tokens", ["true", "1.5", '"1"', '"infinite"'])
def test_a_number_of_tokens_is_nothing_else(tokens: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'{{"max_output_tokens":{tokens}}}', type=Session)


@pytest.mark.checklist(53, 140)
@pytest.mark.parametrize(
    "said",
    [
        FLAT,
        {"type": "function", "function": FLAT},
        {"name": "now", "parameters": {"type": "object"}},
        ToolSpec("now", "", {"type": "object"}),
    ],
    ids=["flat", "nested", "bare", "spec"],
)
def test_a_tool_in_any_shape_is_sent_flat(said: object) -> None:
    assert wire(Tool.of(said)) == FLAT


def test_what_is_no_tool_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        Tool.of({"type": "web_search"})


@pytest.mark.checklist(141)
@pytest.mark.parametrize(
    "said", ["now", {"type": "function", "name": "now"}, {"function": {"name": "now"}}]
)
def test_a_choice_of_a_tool_in_any_spelling_is_sent_flat(said: object) -> None:
    assert choice(said) == {"type": "function", "name": "now"}


@pytest.mark.checklist(141)
def test_a_choice_of_no_tool_is_a_word() -> None:
    assert [choice(word) for word in ("auto", "none", "required")] == ["auto", "none", "required"]
    with pytest.raises(InvalidRequest):
        choice("a b")


def test_an_mcp_server_is_a_tool_whose_tools_the_api_calls() -> None:
    tool = Tool(type="mcp", server_label="x", server_url="https://x", require_approval="never")
    assert wire(tool) == {
        "type": "mcp",
        "server_label": "x",
        "server_url": "https://x",
        "require_approval": "never",
    }


def test_what_a_server_says_of_a_session_is_read_in_either_dialect() -> None:
    today = msgspec.json.decode(
        '{"id":"sess_1","expires_at":7,"audio":{"output":{"voice":"marin","format":'
        '{"type":"audio/pcm","rate":24000}}}}',
        type=Session,
    )
    output = AudioOutput(voice="marin", format=AudioFormat(type="audio/pcm", rate=24000))
    assert today == Session(id="sess_1", expires_at=7, audio=Audio(output=output))
    before = msgspec.json.decode('{"voice":"alloy","input_audio_format":"pcm16"}', type=Session)
    assert before == Session(voice="alloy", input_audio_format="pcm16")
