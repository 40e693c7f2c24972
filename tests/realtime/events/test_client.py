from __future__ import annotations

import json

import pytest

from chatbots.realtime.events import client
from chatbots.realtime.events.event import ClientEvent
from chatbots.realtime.events.items import user_text
from chatbots.realtime.events.registry import CLIENT, write
from chatbots.realtime.events.session import ResponseParams, Session

GOLDEN: list[tuple[ClientEvent, object]] = [
    (
        client.SessionUpdate(Session(instructions="Be brief.")),
        {
            "type": "session.update",
            "session": {"type": "realtime", "instructions": "Be brief."},
        },
    ),
    (
        client.InputAudioBufferAppend.of(b"\x00\x01\x02"),
        {"type": "input_audio_buffer.append", "audio": "AAEC"},
    ),
    (client.InputAudioBufferCommit(), {"type": "input_audio_buffer.commit"}),
    (client.InputAudioBufferClear(), {"type": "input_audio_buffer.clear"}),
    (client.OutputAudioBufferClear(), {"type": "output_audio_buffer.clear"}),
    (
        client.ConversationItemCreate(user_text("Hello!"), previous_item_id="root"),
        {
            "type": "conversation.item.create",
            "previous_item_id": "root",
            "item": {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hello!"}],
            },
        },
    ),
    (
        client.ConversationItemRetrieve("item_1"),
        {"type": "conversation.item.retrieve", "item_id": "item_1"},
    ),
    (
        client.ConversationItemTruncate("item_1", 0, 0),
        {
            "type": "conversation.item.truncate",
            "item_id": "item_1",
            "content_index": 0,
            "audio_end_ms": 0,
        },
    ),
    (
        client.ConversationItemDelete("item_1", event_id="event_1"),
        {"type": "conversation.item.delete", "item_id": "item_1", "event_id": "event_1"},
    ),
    (client.ResponseCreate(), {"type": "response.create"}),
    (
        client.ResponseCreate(
            ResponseParams(
                conversation="none", metadata={"why": "aside"}, input=(), max_output_tokens="inf"
            )
        ),
        {
            "type": "response.create",
            "response": {
                "conversation": "none",
                "metadata": {"why": "aside"},
                "input": [],
                "max_output_tokens": "inf",
            },
        },
    ),
    (client.ResponseCancel(), {"type": "response.cancel"}),
    (
        client.ResponseCancel("resp_1"),
        {"type": "response.cancel", "response_id": "resp_1"},
    ),
]


@pytest.mark.checklist(31, 79, 80, 81, 82, 83, 84, 85, 86, 87)
@pytest.mark.parametrize(("event", "wire"), GOLDEN)
def test_an_event_is_sent_with_what_it_says_and_no_more(event: ClientEvent, wire: object) -> None:
    assert json.loads(write(event)) == wire


def test_each_client_event_has_a_golden_frame() -> None:
    assert {event.type for event, _ in GOLDEN} == set(CLIENT)
