from __future__ import annotations

import json
from typing import Any

import pytest

from chatbots.realtime.events import client
from chatbots.realtime.events.event import Dialect
from chatbots.realtime.events.session import Audio, AudioInput, TurnDetection
from chatbots.realtime.hosting.checks import read
from chatbots.realtime.hosting.refusal import Refusal


def message(role: str, kind: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": "x"}]}


def in_audio(way: str, **told: object) -> dict[str, Any]:
    return {"audio": {way: told}}


MANNERS: list[tuple[Dialect, dict[str, Any], str]] = [
    ("ga", {"voice": "alloy"}, "voice"),
    ("ga", {"temperature": 0.8}, "temperature"),
    ("ga", {"id": "sess_1"}, "id"),
    ("ga", {"output_modalities": ["audio", "text"]}, "output_modalities"),
    ("beta", {"modalities": ["audio"]}, "modalities"),
    ("beta", {"output_modalities": ["text"]}, "output_modalities"),
    ("beta", {"audio": {}}, "audio"),
    ("ga", {"tools": [{"type": "mcp"}, {"function": {"name": "f"}}]}, "tools[1].name"),
    ("ga", {"tool_choice": "some"}, "tool_choice"),
    ("ga", {"tool_choice": {"type": "function", "function": {}}}, "tool_choice.name"),
    ("ga", {"max_output_tokens": 0}, "max_output_tokens"),
    ("ga", in_audio("output", format={"type": "mp3"}), "audio.output.format.type"),
    ("ga", in_audio("input", turn_detection={"type": "x"}), "audio.input.turn_detection.type"),
]


@pytest.mark.parametrize(("dialect", "told", "param"), MANNERS)
def test_a_session_that_cannot_be_is_refused(
    dialect: Dialect, told: dict[str, Any], param: str
) -> None:
    kind = {"type": "realtime"} if dialect == "ga" else {}
    with pytest.raises(Refusal) as caught:
        read(json.dumps({"type": "session.update", "session": kind | told}), dialect)
    assert caught.value.param == f"session.{param}"


@pytest.mark.parametrize(("limit", "code"), [(0, "below_min"), (4097, "above_max")])
def test_a_limit_out_of_bounds_says_on_which_side(limit: int, code: str) -> None:
    told = {"type": "realtime", "max_output_tokens": limit}
    with pytest.raises(Refusal) as caught:
        read(json.dumps({"type": "session.update", "session": told}), "ga")
    assert caught.value.code == f"integer_{code}_value"


def test_a_response_is_checked_as_well() -> None:
    frame = json.dumps({"type": "response.create", "response": {"tool_choice": "some"}})
    with pytest.raises(Refusal) as caught:
        read(frame, "ga")
    assert caught.value.param == "response.tool_choice"
    assert isinstance(read('{"type":"response.create"}', "ga"), client.ResponseCreate)


def test_the_kind_of_a_session_is_asked_for() -> None:
    with pytest.raises(Refusal, match=r"session\.type"):
        read('{"type":"session.update","session":{}}', "ga")
    assert read('{"type":"session.update","session":{}}', "beta")


def test_what_is_right_is_in_todays_words() -> None:
    detection = {"type": "server_vad"}
    told = {
        "modalities": ["text", "audio"],
        "turn_detection": detection,
        "tools": [{"type": "function", "name": "f"}],
        "tool_choice": {"type": "function", "name": "f"},
        "max_response_output_tokens": 7,
        "input_audio_format": "g711_ulaw",
    }
    event = read(json.dumps({"type": "session.update", "session": told}), "beta")
    assert isinstance(event, client.SessionUpdate)
    assert event.session.output_modalities == ("audio",)
    assert event.session.max_output_tokens == 7
    assert isinstance(event.session.audio, Audio)
    assert isinstance(event.session.audio.input, AudioInput)
    assert isinstance(event.session.audio.input.turn_detection, TurnDetection)
    assert read(json.dumps({"type": "response.create", "response": {"tool_choice": "none"}}), "ga")


ITEMS: list[tuple[Dialect, dict[str, Any], str]] = [
    ("ga", {}, "item.type"),
    ("ga", {"type": "any"}, "item.type"),
    ("ga", {"type": "message", "content": []}, "item.role"),
    ("ga", {"type": "message", "role": "user"}, "item.content"),
    ("ga", {"type": "function_call_output", "output": "1"}, "item.call_id"),
    ("ga", message("user", "text") | {"id": "i" * 33}, "item.id"),
    ("ga", message("robot", "text"), "item.role"),
    ("ga", message("user", "text"), "item.content[0].type"),
    ("ga", message("assistant", "text"), "item.content[0].type"),
    ("beta", message("assistant", "output_text"), "item.content[0].type"),
]


@pytest.mark.parametrize(("dialect", "item", "param"), ITEMS)
def test_an_item_that_cannot_be_is_refused(
    dialect: Dialect, item: dict[str, Any], param: str
) -> None:
    with pytest.raises(Refusal) as caught:
        read(json.dumps({"type": "conversation.item.create", "item": item}), dialect)
    assert caught.value.param == param


def test_an_item_of_the_beta_dialect_becomes_one_of_today() -> None:
    item = message("assistant", "text")
    event = read(json.dumps({"type": "conversation.item.create", "item": item}), "beta")
    assert isinstance(event, client.ConversationItemCreate)
    assert event.item.content
    assert event.item.content[0].type == "output_text"
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    assert read(json.dumps({"type": "conversation.item.create", "item": call}), "ga")


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        read('{"type":"any"}', "ga")
    assert caught.value.param == "type"
