"""What a server says, in few words: events for the tests of the protocol."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from msgspec.structs import replace

from chatbots.realtime.events import responses, server
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.items import ContentPart, Item, assistant_text, function_call
from chatbots.realtime.events.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    Session,
    TurnDetection,
)


def created(response_id: str = "resp_1", **metadata: str) -> responses.ResponseCreated:
    response = responses.Response(id=response_id, status="in_progress", metadata=metadata or None)
    return responses.ResponseCreated(response=response)


def growing(item_id: str = "item_1", response_id: str = "resp_1") -> ServerEvent:
    item = Item(id=item_id, type="message", role="assistant", content=(), status="in_progress")
    return responses.ResponseOutputItemAdded(item=item, response_id=response_id)


def text(delta: str, *, item: str = "item_1", response: str = "resp_1") -> ServerEvent:
    return responses.ResponseTextDelta(delta=delta, item_id=item, response_id=response)


def audio(ms: int, *, item: str = "item_1", response: str = "resp_1") -> ServerEvent:
    """Return a piece of that many ms of PCM at 24 kHz."""
    delta = b64encode(bytes(48 * ms)).decode()
    return responses.ResponseAudioDelta(
        delta=delta, item_id=item, response_id=response, content_index=0
    )


def done(
    *items: Item,
    response_id: str = "resp_1",
    status: str = "completed",
    why: responses.ResponseStatus | None = None,
    **metadata: str,
) -> responses.ResponseDone:
    return responses.ResponseDone(
        response=responses.Response(
            id=response_id,
            status=status,
            status_details=why,
            output=items or None,
            usage=responses.ResponseUsage(total_tokens=9),
            metadata=metadata or None,
        )
    )


def call(call_id: str = "call_1") -> Item:
    item = function_call(call_id, "multiply", '{"a": 6, "b": 7}')
    return Item(
        id=f"item_{call_id}",
        type=item.type,
        call_id=call_id,
        name=item.name,
        arguments=item.arguments,
        status="completed",
    )


def speech_started() -> ServerEvent:
    return server.InputAudioBufferSpeechStarted(item_id="item_u")


def speech_stopped() -> ServerEvent:
    return server.InputAudioBufferSpeechStopped(item_id="item_u")


def committed() -> ServerEvent:
    return server.InputAudioBufferCommitted(item_id="item_u")


def user_item(item_id: str = "item_u") -> Item:
    return Item(id=item_id, type="message", role="user", content=(ContentPart(type="input_audio"),))


def said(words: str, item_id: str = "item_1") -> Item:
    item = assistant_text(words, id=item_id)
    return Item(id=item_id, type="message", role="assistant", content=item.content, status="done")


def refused(event_id: str | None) -> server.ErrorEvent:
    return server.ErrorEvent(error=server.ApiError(code="no", message="No.", event_id=event_id))


def updated(*, interrupt: bool | None = True, audio_format: str = "audio/pcm") -> ServerEvent:
    detection = TurnDetection(interrupt_response=interrupt)
    output = AudioOutput(format=AudioFormat(type=audio_format))
    audio = Audio(input=AudioInput(turn_detection=detection), output=output)
    return server.SessionUpdated(session=Session(audio=audio))


def mixed() -> list[ServerEvent]:
    """Return a response that says something, calls twice, and says something more."""
    calls = [call("call_1"), call("call_2")]
    words = [said("Let me see: ", "item_1"), said("one moment. ", "item_2")]
    output = [words[0], *calls, words[1]]
    events: list[ServerEvent] = [created()]
    for place, item in enumerate(output):
        begun = replace(item, content=() if item in words else None, arguments=None)
        events.append(responses.ResponseOutputItemAdded(item=begun, response_id="resp_1"))
        of: dict[str, Any] = {"response_id": "resp_1", "item_id": item.id, "output_index": place}
        if item in words:
            events.append(responses.ResponseTextDelta(delta=item.text, **of))
        else:
            events += [
                responses.ResponseFunctionCallArgumentsDelta(
                    call_id=item.call_id, delta=piece, **of
                )
                for piece in ('{"a": 6,', ' "b": 7}')
            ]
        events.append(responses.ResponseOutputItemDone(item=item, response_id="resp_1"))
    return [*events, done(*output)]
