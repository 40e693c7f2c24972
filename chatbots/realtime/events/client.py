"""The events that a client sends: nine of the reference, and two that came since."""

from __future__ import annotations

from chatbots.realtime.events.event import ClientEvent
from chatbots.realtime.events.items import Item, encoded
from chatbots.realtime.events.session import ResponseParams, Session


class SessionUpdate(ClientEvent, frozen=True, tag="session.update"):
    """Change the session; what is left out stays as it is. Answered by `session.updated`."""

    session: Session


class InputAudioBufferAppend(ClientEvent, frozen=True, tag="input_audio_buffer.append"):
    """Say *audio*, in base64 and the session's input format; at most 15 MiB. Not answered."""

    audio: str

    @classmethod
    def of(cls, audio: bytes) -> InputAudioBufferAppend:
        """Return the event for *audio* as bytes."""
        return cls(encoded(audio))


class InputAudioBufferCommit(ClientEvent, frozen=True, tag="input_audio_buffer.commit"):
    """Make a user's message of the audio so far; an error if there is none."""


class InputAudioBufferClear(ClientEvent, frozen=True, tag="input_audio_buffer.clear"):
    """Forget the audio so far."""


class OutputAudioBufferClear(ClientEvent, frozen=True, tag="output_audio_buffer.clear"):
    """Stop the audio that is being played; on WebRTC and SIP, where the server plays it."""


class ConversationItemCreate(ClientEvent, frozen=True, tag="conversation.item.create"):
    """Add an item after `previous_item_id`: at the end without it, at the front with `root`."""

    item: Item
    previous_item_id: str | None = None


class ConversationItemRetrieve(ClientEvent, frozen=True, tag="conversation.item.retrieve"):
    """Ask for an item with all its audio."""

    item_id: str


class ConversationItemTruncate(ClientEvent, frozen=True, tag="conversation.item.truncate"):
    """Cut the audio of an assistant's message to what was heard, and its transcript with it."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDelete(ClientEvent, frozen=True, tag="conversation.item.delete"):
    """Remove an item from what the model sees."""

    item_id: str


class ResponseCreate(ClientEvent, frozen=True, tag="response.create"):
    """Ask for a response; one at a time may write to the conversation."""

    response: ResponseParams | None = None


class ResponseCancel(ClientEvent, frozen=True, tag="response.cancel"):
    """Stop a response: this one, or whichever is under way."""

    response_id: str | None = None
