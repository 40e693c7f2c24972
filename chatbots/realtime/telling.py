"""All who are told what happens in a session: readers, handlers, and who waits for a response."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from chatbots.deltas import Notice
from chatbots.errors import ChatError
from chatbots.realtime.asking import Asking, Told
from chatbots.realtime.audience import CAPACITY, Audience
from chatbots.realtime.events.client import ResponseCreate
from chatbots.realtime.failures import Peer
from chatbots.realtime.handlers import Handlers, Said
from chatbots.wakeup import Wakeup


class Telling:
    """Those who are told; the one furthest behind sets the pace, for *patience* seconds.

    What comes in one go is told in one go: a reader costs a switch of tasks for each.
    """

    def __init__(
        self, peer: Callable[[], Peer], again: Callable[[ResponseCreate], bool], patience: float
    ) -> None:
        self.outcomes = Audience[Told](room := Wakeup())
        self.events = Audience[Said](room)
        self.asking = Asking(room, peer, again)
        self.handlers = Handlers()
        self.after: Callable[[], None] = lambda: None
        """Called once all have been told."""
        self._patience = patience
        self._events: list[Said] = []
        self._outcomes: list[Told] = []
        self._size = 0
        self._due = False
        self._wanted = Wakeup()
        self._behind = False

    def tell(self, event: Said | None, outcomes: Sequence[Told], size: int) -> bool:
        """Tell of an event and what came of it, in *size* bytes, soon.

        Return whether to `catch_up` before there is more to tell.
        """
        if event is not None and self.events.there:
            self._events.append(event)
        if outcomes:
            self._outcomes += outcomes
        self._size += size
        if not self._due:
            self._due = True
            self._wanted.wake()
        return self._behind or self._size >= CAPACITY

    def notice(self, code: str, message: str) -> None:
        """Tell how the connection fares."""
        self.tell(None, (Notice(code, message),), 0)

    async def run(self) -> None:
        """Tell what is to be told, again and again."""
        while True:
            if not self._due:
                await self._wanted
            self.hand_over()

    def hand_over(self) -> None:
        """Tell now all that is to be told."""
        events, outcomes, size = self._events, self._outcomes, self._size
        self._events, self._outcomes, self._size, self._due = [], [], 0, False
        self.events.tell(events, size)
        self.outcomes.tell(outcomes, size)
        self.asking.tell(outcomes, size)
        self._behind = self._someone_is_behind()
        self.after()

    async def catch_up(self) -> None:
        """Wait for those who are far behind, and cut off those who stay there."""
        self.hand_over()
        with anyio.move_on_after(self._patience):
            while self._someone_is_behind():
                await self.outcomes.room
        for audience in (self.events, self.outcomes, self.asking.reader):
            audience.cut()
        self._behind = False

    def _someone_is_behind(self) -> bool:
        return bool(self.events.behind or self.outcomes.behind or self.asking.reader.behind)

    def end(self, error: ChatError | None) -> None:
        """Tell all that the session is over."""
        self.hand_over()
        self.outcomes.end(error)
        self.events.end(error)
