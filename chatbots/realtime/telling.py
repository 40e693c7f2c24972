"""All who are told what happens in a session: readers, handlers, and who waits for a response."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from chatbots.deltas import Notice
from chatbots.errors import ChatError
from chatbots.realtime.asking import Asking, Told
from chatbots.realtime.audience import Audience
from chatbots.realtime.events.client import ResponseCreate
from chatbots.realtime.failures import Peer
from chatbots.realtime.handlers import Handlers, Said
from chatbots.wakeup import Wakeup


class Telling:
    """Those who are told; the one furthest behind sets the pace, for *patience* seconds."""

    def __init__(
        self, peer: Callable[[], Peer], again: Callable[[ResponseCreate], bool], patience: float
    ) -> None:
        self.outcomes = Audience[Told](room := Wakeup())
        self.events = Audience[Said](room)
        self.asking = Asking(self.outcomes, peer, again)
        self.handlers = Handlers()
        self._patience = patience

    def tell(self, event: Said | None, outcomes: Sequence[Told], size: int) -> bool:
        """Tell of an event and what came of it, in *size* bytes; return whether to `catch_up`."""
        full = self.events.tell((event,), size) if event is not None and self.events else False
        return (self.asking.tell(outcomes, size) or full) if outcomes else full

    def notice(self, code: str, message: str) -> None:
        """Tell how the connection fares."""
        self.outcomes.tell((Notice(code, message),), 0)

    async def catch_up(self) -> None:
        """Wait for those who are far behind, and cut off those who stay there."""
        with anyio.move_on_after(self._patience):
            while self.outcomes.behind or self.events.behind:
                await self.outcomes.room
            return
        self.outcomes.cut()
        self.events.cut()

    def end(self, error: ChatError | None) -> None:
        """Tell all that the session is over."""
        self.outcomes.end(error)
        self.events.end(error)
