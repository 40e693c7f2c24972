"""Every event by its name, and the way from frames to events and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar, Union

import msgspec

from chatbots.errors import InvalidRequest, ProviderError
from chatbots.realtime.events import beta, client
from chatbots.realtime.events.event import GA, ClientEvent, Dialect, Event, ServerEvent
from chatbots.realtime.events.items import MAX_ITEM_ID
from chatbots.realtime.events.unknown import UnknownEvent

EventT = TypeVar("EventT", bound=Event)

MAX_AUDIO: Final = 15 * 1024 * 1024
"""Bytes of audio an append may have (OpenAI's API reference, input_audio_buffer.append)."""

REFERENCE_CLIENT: Final = (
    "session.update", "input_audio_buffer.append", "input_audio_buffer.commit",
    "input_audio_buffer.clear", "conversation.item.create", "conversation.item.truncate",
    "conversation.item.delete", "response.create", "response.cancel",
)  # fmt: skip
"""The 9 client events of the reference."""

REFERENCE_SERVER: Final = (
    "session.created", "session.updated", "conversation.created",
    "input_audio_buffer.committed", "input_audio_buffer.cleared",
    "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
    "conversation.item.created", "conversation.item.truncated", "conversation.item.deleted",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "response.created", "response.done",
    "response.output_item.added", "response.output_item.done",
    "response.content_part.added", "response.content_part.done",
    "response.text.delta", "response.text.done",
    "response.audio_transcript.delta", "response.audio_transcript.done",
    "response.audio.delta", "response.audio.done",
    "response.function_call_arguments.delta", "response.function_call_arguments.done",
    "error", "rate_limits.updated",
)  # fmt: skip
"""The 28 server events of the reference, by the names of the beta dialect."""


def _named(kind: type[EventT]) -> Iterator[tuple[str, type[EventT]]]:
    """Yield every event of a *kind* by its name; those without one are only inherited from."""
    for event in kind.__subclasses__():
        if name := str(event.__struct_config__.tag):
            yield name, event
        yield from _named(event)


CLIENT: Final[dict[str, type[ClientEvent]]] = dict(_named(ClientEvent))
"""What a client may send: 11 events, of the same names in both dialects."""

_SERVER: Final = dict(_named(ServerEvent))
SERVER: Final = {name: event for name, event in _SERVER.items() if name not in beta.ONLY}
"""What a server may send today: 46 events."""

BETA_SERVER: Final = {name: event for name, event in _SERVER.items() if name in beta.ONLY}
"""What a server may send in the beta dialect beside them: 7 other names."""

_TRANSLATED: Final = frozenset(
    event
    for name, event in (CLIENT | _SERVER).items()
    if {"session", "response", "item"} & {*event.__struct_fields__}
    or name in beta.BETA_NAMES
    or name in beta.GA_NAMES
)
_encode: Final = msgspec.json.Encoder().encode


def _decoder(events: Mapping[str, type[EventT]]) -> msgspec.json.Decoder[EventT]:
    """Return what decodes one of the *events*, by its `type`, in one pass."""
    either: Any = Union[tuple(events.values())]  # noqa: UP007  # a union of what only the table knows
    return msgspec.json.Decoder(either)


_client: Final = _decoder(CLIENT)
_server: Final = _decoder(_SERVER)


def read_server(frame: bytes | str) -> ServerEvent | UnknownEvent:
    """Return the server's event in *frame*, of either dialect.

    One pass over the frame; only one that is unknown is looked at again.
    Raises `ProviderError` (`upstream_bad_response`) for what is no JSON.
    """
    try:
        return _server.decode(frame)
    except (ValueError, RecursionError):
        return _read_again(_server, frame)


def read_client(frame: bytes | str) -> ClientEvent | UnknownEvent:
    """Return the client's event in *frame*, as `read_server` does; a server wants it."""
    try:
        return _client.decode(frame)
    except (ValueError, RecursionError):
        return _read_again(_client, frame)


def _read_again(decoder: msgspec.json.Decoder[EventT], frame: bytes | str) -> EventT | UnknownEvent:
    """Return the event in a frame that is strange: half a surrogate pair becomes U+FFFD."""
    raw = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
    try:
        text = json.dumps(json.loads(raw), ensure_ascii=False)
        return decoder.decode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except msgspec.ValidationError as error:
        return UnknownEvent.of(raw, str(error))
    except (ValueError, RecursionError) as error:
        raise ProviderError(
            "upstream_bad_response", f"A frame of the realtime socket is no JSON: {error}."
        ) from error


def write(event: Event, dialect: Dialect = GA) -> bytes:
    """Return the frame for an *event*, in the words of *dialect*.

    Raises `InvalidRequest`, which names the field, for a client's event that cannot be right.
    """
    if isinstance(event, client.InputAudioBufferAppend):
        if len(event.audio) > MAX_AUDIO * 4 // 3 + 4:
            raise _wrong("The audio has more than 15 MiB; send it in pieces.", "audio")
        return _encode(event)
    try:
        told = msgspec.to_builtins(event) if type(event) in _TRANSLATED else None
        frame = _encode(event if told is None else beta.translate(told, dialect))
    except (TypeError, ValueError) as error:  # such as half a surrogate pair
        raise _wrong(f"The event cannot be written as JSON: {error}.", None) from error
    if isinstance(event, ClientEvent):
        _check(event, frame)
    return frame


def _check(event: ClientEvent, frame: bytes) -> None:
    """Raise `InvalidRequest` if what is to be sent does not read as what it should be."""
    try:
        _client.decode(frame)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$.")
        raise _wrong(f"{said}.", path.rstrip("`") or None) from None
    match event:
        case client.ConversationItemCreate(item=item) if len(item.id or "") > MAX_ITEM_ID:
            raise _wrong(f"An item's id has at most {MAX_ITEM_ID} characters.", "item.id")
        case client.ConversationItemTruncate(audio_end_ms=end) if end < 0:
            raise _wrong("A message is cut at 0 ms or later.", "audio_end_ms")
        case _:
            pass


def _wrong(message: str, param: str | None) -> InvalidRequest:
    return InvalidRequest("invalid_request", message, param=param)
