from __future__ import annotations

import pytest

from chatbots.realtime.events import server
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.items import Item, user_text
from chatbots.realtime.events.registry import read_server, write
from chatbots.realtime.events.unknown import UnknownEvent


@pytest.mark.checklist(95)
def test_an_item_that_was_added_was_created_for_who_knows_the_old_word() -> None:
    added = read_server('{"type":"conversation.item.added","item":{"id":"item_1"}}')
    created = read_server('{"type":"conversation.item.created","item":{"id":"item_1"}}')
    assert isinstance(added, server.ConversationItemCreated)
    assert isinstance(added, server.ConversationItemAdded)
    assert isinstance(created, server.ConversationItemCreated)
    assert not isinstance(created, server.ConversationItemAdded)
    assert added.item == created.item == Item(id="item_1")


@pytest.mark.checklist(65, 114)
def test_an_error_says_which_event_it_is_about() -> None:
    event = read_server(
        '{"type":"error","event_id":"event_9","error":{"type":"invalid_request_error",'
        '"code":null,"message":"No.","param":"session.voice","event_id":"event_1"}}'
    )
    error = server.ApiError(
        type="invalid_request_error", message="No.", param="session.voice", event_id="event_1"
    )
    assert event == server.ErrorEvent(error=error, event_id="event_9")


def test_a_transcript_is_read_with_what_it_cost_in_tokens_or_seconds() -> None:
    event = read_server(
        '{"type":"conversation.item.input_audio_transcription.completed","item_id":"item_1",'
        '"transcript":"Hi","usage":{"type":"duration","seconds":0.7},"logprobs":null}'
    )
    assert event == server.ConversationItemInputAudioTranscriptionCompleted(
        item_id="item_1", transcript="Hi", usage={"type": "duration", "seconds": 0.7}
    )


@pytest.mark.parametrize(
    "event",
    [
        server.ConversationItemTruncated(item_id="item_1", audio_end_ms=0),
        server.RateLimitsUpdated(rate_limits=(server.RateLimit(name="tokens", remaining=0),)),
        server.ConversationItemDone(item=user_text("Hi"), previous_item_id="item_0"),
        server.InputAudioBufferDtmfEventReceived(event="5", received_at=7),
    ],
)
def test_an_event_is_read_as_it_was_written(event: ServerEvent) -> None:
    assert read_server(write(event)) == event


@pytest.mark.parametrize(
    "name", ["error", "conversation.item.deleted", "session.created", "rate_limits.updated"]
)
def test_an_event_without_what_it_is_about_is_unknown(name: str) -> None:
    event = read_server(f'{{"type":"{name}"}}')
    assert isinstance(event, UnknownEvent)
    assert "missing required field" in event.problem
