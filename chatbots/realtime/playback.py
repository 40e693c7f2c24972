"""How much of what the model says has been heard, and what to cut when the user speaks into it."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.realtime.conversation import Conversation, Entry
from chatbots.realtime.events.client import (
    ConversationItemDelete,
    ConversationItemTruncate,
)
from chatbots.realtime.events.event import ClientEvent
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.events.session import Audio, AudioFormat, AudioOutput, Session
from chatbots.realtime.outcomes import Interrupted

PCM_PER_MS: Final = 48
"""Bytes of a millisecond at 24 kHz, two each."""

_BYTES_PER_MS: Final = {"audio/pcmu": 8, "audio/pcma": 8}


def bytes_per_ms(told: object) -> int:
    """Return how many bytes a millisecond has in the format that a session is told, or is not."""
    match told:
        case AudioFormat(type=str(name)):
            return _BYTES_PER_MS.get(name, PCM_PER_MS)
        case _:
            return PCM_PER_MS


def size(audio: str) -> int:
    """Return how many bytes *audio* has, which is base64 and stays it."""
    return len(audio) * 3 // 4 - audio[-2:].count("=")


class Playback:
    """The items that sound. Who never says what was played is taken to have heard everything."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._sounding: list[Entry] = []
        self._per_ms = PCM_PER_MS

    def configure(self, session: Session) -> None:
        """Take the output format of a *session*, said in today's words."""
        match session:
            case Session(audio=Audio(output=AudioOutput(format=told))):
                self._per_ms = bytes_per_ms(told)
            case _:
                self._per_ms = PCM_PER_MS

    def sounds(self, entry: Entry, event: ResponseAudioDelta) -> None:
        """Take in a piece of audio, by its size."""
        entry.audio += size(event.delta)
        entry.content_index = event.content_index or 0
        if entry not in self._sounding:
            self._sounding = [one for one in self._sounding if self._unheard(one)]
            self._sounding.append(entry)

    def played(self, item_id: str, ms: int) -> None:
        """Take in how much of an item has been heard."""
        if (entry := self._conversation.entries.get(item_id)) is not None:
            entry.played = ms

    @property
    def unheard(self) -> bool:
        """Whether there is audio that has come and has not been heard."""
        return any(map(self._unheard, self._sounding))

    def interrupted(self) -> tuple[list[Interrupted], list[ClientEvent]]:
        """Return what to say of an interruption, and the events that cut what was not heard."""
        told: list[Interrupted] = []
        cuts: list[ClientEvent] = []
        for entry in self._sounding:
            item_id, heard = entry.item.id or "", entry.played
            told.append(Interrupted(item_id, heard))
            if heard is not None and self._unheard(entry):
                cuts.append(self.cut(ConversationItemTruncate(item_id, entry.content_index, heard)))
        self._sounding = []
        return told or [Interrupted(None, None)], cuts

    def cut(self, event: ConversationItemTruncate) -> ClientEvent:
        """Return what cuts an item as *event* wants it, but to no more than was heard of it.

        Cut to nothing it is deleted. Raises `InvalidRequest` for an item without audio.
        """
        entry = self._conversation.entries.get(event.item_id)
        if entry is None or not entry.audio:
            raise InvalidRequest(
                "invalid_request",
                f"The item {event.item_id!r} has no audio that could be cut.",
                param="item_id",
            )
        whole = self._ms(entry)
        heard = min(event.audio_end_ms, whole, whole if entry.played is None else entry.played)
        if heard > 0:
            entry.heard = heard / whole
            return replace(event, audio_end_ms=heard)
        entry.heard = 0.0
        self._conversation.delete(event.item_id)
        return ConversationItemDelete(event.item_id, event_id=event.event_id)

    def truncated(self, item_id: str, ms: int) -> None:
        """Take in that the server has cut an item to *ms*."""
        entry = self._conversation.entries.get(item_id)
        if entry is not None and (whole := self._ms(entry)):
            entry.heard = min(ms / whole, 1.0)

    def _unheard(self, entry: Entry) -> bool:
        return entry.played is not None and entry.played < self._ms(entry)

    def _ms(self, entry: Entry) -> int:
        return entry.audio // self._per_ms
