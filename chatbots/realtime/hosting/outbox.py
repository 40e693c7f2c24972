"""The events that a host has to send, each with an id, in the words of its dialect."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import TypeAlias

from msgspec.structs import replace

from chatbots.realtime.events.event import BETA, Dialect, ServerEvent
from chatbots.realtime.events.registry import write
from chatbots.realtime.events.server import ConversationItemDone, ConversationItemRetrieved

Ids: TypeAlias = Callable[[str], str]
"""Makes an id that nobody has, with this prefix."""


def random_id(prefix: str) -> str:
    """Return an id that is as hard to guess as 64 bits."""
    return prefix + token_hex(8)


class Outbox:
    """Frames in the order they are to be sent."""

    def __init__(self, dialect: Dialect, ids: Ids = random_id) -> None:
        self.dialect: Dialect = dialect
        self.new_id = ids
        self._frames: list[bytes] = []

    def tell(self, event: ServerEvent, **where: object) -> None:
        """Let *event* be sent next, with these fields set; one that the dialect lacks is not."""
        if self.dialect == BETA and isinstance(
            event, ConversationItemDone | ConversationItemRetrieved
        ):
            return
        named = replace(event, event_id=self.new_id("event_"), **where)
        self._frames.append(write(named, self.dialect))

    def take(self) -> list[bytes]:
        """Return the frames to send now; they count as sent."""
        frames, self._frames = self._frames, []
        return frames
