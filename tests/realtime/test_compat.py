from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chatbots.errors import InvalidRequest
from chatbots.realtime import compat
from chatbots.realtime.events.registry import (
    BETA_SERVER,
    CLIENT,
    REFERENCE_CLIENT,
    REFERENCE_SERVER,
    SERVER,
    read_server,
    write,
)
from chatbots.realtime.events.session import Tool
from chatbots.realtime.events.unknown import UnknownEvent


def as_the_reference_sends(event: Any) -> Any:
    return json.loads(write(event, "beta"))


@pytest.mark.checklist(68)
def test_each_event_of_the_reference_has_the_name_it_has_there() -> None:
    events = {**CLIENT, **SERVER, **BETA_SERVER}
    for name in (*REFERENCE_CLIENT, *REFERENCE_SERVER):
        spelled = "".join(map(str.capitalize, re.split(r"[._]", name))) + "Event"
        assert issubclass(events[name], getattr(compat, spelled)), spelled


def test_the_text_chat_of_the_reference_is_sent_as_it_was() -> None:
    update = compat.SessionUpdateEvent(compat.ClientSession(modalities=[compat.ModalityText]))
    assert as_the_reference_sends(update)["session"] == {"modalities": ["text"]}
    hello = compat.MessageContentPart(type=compat.MessageContentTypeInputText, text="Hello!")
    item = compat.MessageItem(
        type=compat.MessageItemTypeMessage, role=compat.MessageRoleUser, content=[hello]
    )
    assert as_the_reference_sends(compat.ConversationItemCreateEvent(item))["item"] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hello!"}],
    }


@pytest.mark.checklist(139)
def test_the_voice_chat_of_the_reference_is_sent_as_it_was() -> None:
    session = compat.ClientSession(
        modalities=[compat.ModalityAudio, compat.ModalityText],
        voice=compat.VoiceAlloy,
        input_audio_format=compat.AudioFormatPcm16,
        output_audio_format=compat.AudioFormatPCM16,
        input_audio_transcription=compat.InputAudioTranscription(model="whisper-1"),
        turn_detection=compat.ClientTurnDetection(
            type=compat.ClientTurnDetectionTypeServerVad,
            threshold=0.5,
            prefix_padding_ms=300,
            silence_duration_ms=200,
        ),
    )
    assert as_the_reference_sends(compat.SessionUpdateEvent(session))["session"] == {
        "modalities": ["audio", "text"],
        "voice": "alloy",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
        },
    }


@pytest.mark.checklist(140, 141)
def test_tools_in_both_shapes_of_the_reference_are_sent_in_the_one_that_is_taken() -> None:
    function = {"name": "get_weather", "description": "Get it", "parameters": {"type": "object"}}
    nested = {"type": compat.ToolTypeFunction, "function": function}
    flat = {"type": "function", **function}
    session = compat.ClientSession(
        tools=[nested, flat, Tool.of(function)],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    sent = as_the_reference_sends(compat.SessionUpdateEvent(session))["session"]
    assert sent["tools"] == [flat, flat, flat]
    assert sent["tool_choice"] == {"type": "function", "name": "get_weather"}
    with pytest.raises(InvalidRequest):
        compat.ClientSession(tools=[{"type": "web_search"}])


@pytest.mark.checklist(46)
@pytest.mark.parametrize("name", ["response.text.delta", "response.output_text.delta"])
def test_a_switch_over_the_types_of_the_reference_works_in_both_dialects(name: str) -> None:
    event = read_server(f'{{"type":"{name}","delta":"Hi"}}')
    assert not isinstance(event, UnknownEvent)
    assert compat.ServerEventType(event) == compat.ServerEventTypeResponseTextDelta
    assert isinstance(event, compat.ResponseTextDeltaMessage)


@pytest.mark.checklist(69, 150)
async def test_azure_is_asked_as_there() -> None:
    resource = "wss://your-resource.openai.azure.com/openai/realtime"
    config = compat.DefaultAzureConfig("k", resource)
    query = "api-version=2024-10-01-preview&deployment=mine"
    assert config.url(model="mine") == f"{resource}?{query}"
    assert await config.headers() == {"api-key": "k"}


@pytest.mark.checklist(117)
def test_an_id_is_made_as_there() -> None:
    assert len(compat.GenerateID("msg_", 21)) == 21
    assert compat.GPT4oMiniRealtimePreview20241217 == "gpt-4o-mini-realtime-preview-2024-12-17"
