"""One connection of a session: a socket with the protocol on it, listened to and written to."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Final, TypeAlias

import anyio

from chatbots.errors import ChatError, ProviderError
from chatbots.realtime.events.client import SessionUpdate
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.registry import BETA_SERVER, SERVER
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.events.server import ErrorEvent, SessionCreated, SessionUpdated
from chatbots.realtime.events.session import Session
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.failures import Peer
from chatbots.realtime.outcomes import Outcome
from chatbots.realtime.patience import Overdue, Patience
from chatbots.realtime.protocol import Protocol
from chatbots.realtime.transport import WebSocketConn
from chatbots.wakeup import Wakeup

Event: TypeAlias = ServerEvent | UnknownEvent
Tell: TypeAlias = Callable[[Event | None, Sequence[Outcome], int], bool]
"""Tells readers of an event that counts, and what came of it, in a message of so many bytes;
returns whether one of them is to be waited for."""

News: TypeAlias = tuple[Event | None, Sequence[Outcome], int]

CONTENT: Final = frozenset(
    kind for name, kind in (SERVER | BETA_SERVER).items() if name.startswith("response.")
)
"""Events that show that a response goes on."""


class Link:
    """A connection to *peer*; with *plays*, what has been heard of the audio will be said."""

    def __init__(
        self,
        conn: WebSocketConn,
        protocol: Protocol,
        peer: Peer,
        patience: Patience,
        *,
        plays: bool = False,
    ) -> None:
        self.conn = conn
        self.protocol = protocol
        self.pending: deque[bytes] = deque()
        """What is to be written."""
        self.early: list[News] = []
        """What was said while the session was opened."""
        self._peer = peer
        self._plays = plays
        self._overdue = Overdue(patience)
        self._writing = anyio.Lock(fast_acquire=True)
        self._written = Wakeup()
        self._due = False
        self._scope: anyio.CancelScope | None = None
        self._left = False

    @property
    def progressed(self) -> bool:
        """Whether the session has answered yet, and not only opened."""
        return self._overdue.heard > 0

    async def opened(self, config: Session | None) -> None:
        """Wait until the session is there, and is as *config* has it; raises `ChatError`."""
        await self._until(SessionCreated)
        if config is not None:
            self.protocol.send(SessionUpdate(config))
            await self.flush()
            await self._until(SessionUpdated)

    async def _until(self, kind: type[ServerEvent]) -> None:
        event: Event | None = None
        while not isinstance(event, kind):
            self._take(await self.conn.read_message(), self._keep)
            event = self.early[-1][0]
            if isinstance(event, ErrorEvent):
                raise self._peer.told(event.error.code or event.error.type, event.error.message)

    def _keep(self, event: Event | None, outcomes: Sequence[Outcome], size: int) -> bool:
        self.early.append((event, outcomes, size))
        return False

    async def listen(self, tell: Tell, catch_up: Callable[[], Awaitable[None]]) -> ChatError | None:
        """Tell what comes, until the connection is lost; return why, or None once it was left.

        *catch_up* waits for the readers who are far behind.
        """
        try:
            self._left = False
            while not self._left:
                full = False
                with anyio.CancelScope(deadline=self._deadline()) as self._scope:
                    while not full:
                        full = self._take(await self.conn.read_message(), tell)
                if full:
                    since = monotonic()
                    await catch_up()
                    self._overdue.waited(monotonic() - since)
                elif (late := self._overdue.error(monotonic())) is not None:
                    return late
        except ChatError as error:
            return error
        return None

    def _take(self, frame: str | bytes, tell: Tell) -> bool:
        """Take in a message and tell of it; return whether to wait for who is told."""
        event: Event | None = None
        try:
            event = self.protocol.receive(frame)
        except ProviderError:
            if isinstance(frame, str):
                raise
            self.protocol.ignored += 1  # binary: nobody says what it could be
        if type(event) in CONTENT:
            self._overdue.heard = monotonic()
            if self._plays and isinstance(event, ResponseAudioDelta):
                entry = self.protocol.now.conversation.entries.get(event.item_id or "")
                if entry is not None and entry.played is None:
                    self.protocol.played(event.item_id or "", 0)
        now = self.protocol.now
        full = tell(event, self.protocol.outcomes(), len(frame))
        if now.turns.model is not self._overdue.model or now.frames:
            self.attend()
        if type(event) is ErrorEvent and event.error.code == "session_expired":
            raise self._peer.told(event.error.code, event.error.message)
        return full

    def attend(self) -> None:
        """See to what has become due: deadlines, and what is to be written."""
        self._turned()
        self._due = True
        self._written.wake()

    def _turned(self) -> None:
        if (model := self.protocol.now.turns.model) == self._overdue.model:
            return
        self._overdue.turned(model, monotonic())
        if self._scope is not None:
            self._scope.deadline = self._deadline()

    def _deadline(self) -> float:
        due = self._overdue.due
        return inf if due == inf else anyio.current_time() + due - monotonic()

    async def flush(self) -> None:
        """Write what is due, in order and after what others write; raises `ChatError`.

        Cancelled, what is not written yet is left to `write`.
        """
        self.pending.extend(self.protocol.data_to_send())
        self._turned()
        try:
            async with self._writing:
                while self.pending:
                    frame = self.pending.popleft()
                    try:
                        await self.conn.write_message(frame)
                    except ChatError:
                        self.pending.appendleft(frame)
                        raise
        finally:
            if self.pending:
                self._written.wake()

    async def write(self) -> None:
        """Write what becomes due, and nobody else writes, for as long as there is a connection."""
        while True:
            with suppress(ChatError, anyio.ClosedResourceError):  # who listens hears of it too
                await self.flush()
            if not self._due:
                await self._written
            self._due = False

    def leave(self) -> None:
        """Let `listen` return."""
        self._left = True
        if self._scope is not None:
            self._scope.cancel()
