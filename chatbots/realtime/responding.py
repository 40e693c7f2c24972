"""One response at a time: what is asked for waits until the one before it has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.realtime.events.client import ConversationItemCreate, ResponseCreate
from chatbots.realtime.events.event import ClientEvent
from chatbots.realtime.events.items import Item, function_output, generate_id
from chatbots.realtime.turns import Turns
from chatbots.tool_calls import ToolCall


class Responding:
    """The responses that are asked for, and the results of functions that must come first."""

    def __init__(self, turns: Turns) -> None:
        self.active: str | None = None
        """The id of the response that writes to the conversation."""
        self.owed: dict[str, ToolCall] = {}
        self._turns = turns
        self._waiting: deque[ResponseCreate] = deque()
        self._asked: ResponseCreate | None = None

    @property
    def asked(self) -> str | None:
        """The id of the event that asked for the response that has not ended, if one did."""
        return None if self._asked is None else self._asked.event_id

    def is_active(self, response_id: str | None) -> bool:
        """Tell whether that response writes now; a server may leave out its id."""
        return self.active is not None and response_id in (None, self.active)

    def ask(self, event: ResponseCreate) -> None:
        """Let a response be asked for as soon as one may be."""
        if event.event_id is None:  # without it nobody would know that it was refused
            event = replace(event, event_id=generate_id("event_", 21))
        self._waiting.append(event)

    def due(self) -> list[ClientEvent]:
        """Return the request that may be sent now, if there is one; it counts as sent."""
        if not self._waiting or self.owed or not self._turns.may("ask"):
            return []
        self._turns.does("ask")
        self._asked = self._waiting.popleft()
        return [self._asked]

    def answer(self, call_id: str, output: str) -> ConversationItemCreate:
        """Return the event for the result of a call; the last result asks for a response.

        Raises `InvalidRequest` for a call that was not made, or was answered.
        """
        if self.owed.pop(call_id, None) is None:
            raise InvalidRequest(
                "invalid_request",
                f"No result is owed for the call {call_id!r}: it was not made, or was answered.",
                param="call_id",
            )
        if not self.owed and not self._waiting:
            self.ask(ResponseCreate())
        return ConversationItemCreate(function_output(call_id, output))

    def refused(self, event_id: str | None) -> bool:
        """Take in that the server refuses an event; return whether it was to make a response."""
        if event_id is None or event_id != self.asked:
            return False
        self._asked = None
        if self._turns.may("refused"):
            self._turns.does("refused")
        return True

    def began(self, response_id: str) -> str | None:
        """Take in that a response has begun; return the id of the event that asked for it.

        Raises `Illegal` while there is one.
        """
        self._turns.does("created")
        self.active = response_id
        return self.asked

    def ended(self, calls: Sequence[Item], *, sounding: bool) -> list[ToolCall]:
        """Take in that the active response has ended; return the calls whose results are owed."""
        stopped = self._turns.model == "stopping"
        made = [] if stopped else [_call(item) for item in calls if item.call_id]
        self.owed |= {call.id: call for call in made}
        self.active = self._asked = None
        if stopped or not (self.owed or sounding):
            self._turns.does("done")
        else:
            self._turns.does("calls" if self.owed else "sounds")
        return made

    def forget(self) -> None:
        """Ask for nothing that was not sent yet."""
        self._waiting.clear()

    def lost(self) -> None:
        """Take in that the connection is gone, and with it all that was asked for."""
        self._turns.does("lost")
        self.active = self._asked = None
        self.owed.clear()
        self.forget()


def _call(item: Item) -> ToolCall:
    return ToolCall(item.call_id or "", item.name or "", item.arguments or "")
