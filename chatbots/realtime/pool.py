"""Realtime sessions for many conversations: so many at once, each for one user at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self, TypeAlias

import anyio
from anyio.abc import TaskStatus

from chatbots.realtime.conversation import Conversation
from chatbots.realtime.session import RealtimeSession

Make: TypeAlias = Callable[[str, Conversation | None], RealtimeSession]
"""Makes the session of a conversation by its name; given what was said, it goes on with that."""


class _Seat:
    """A place for a session, taken for a conversation; *before* must have left it first."""

    def __init__(self, before: _Seat | None = None) -> None:
        self.before = before
        self.session: RealtimeSession | None = None
        self.busy = True
        self.leave = anyio.Event()
        self.left = anyio.Event()

    async def hold(
        self, session: RealtimeSession, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep *session* open until it is to leave."""
        try:
            async with session:
                self.session = session
                task_status.started()
                await self.leave.wait()
        finally:
            self.left.set()


class RealtimePool:
    """At most *size* sessions, open while the pool is: use it in an `async with`.

    A conversation keeps its session until another needs the place: that of the one which was
    used least recently is closed then. One whose session is over gets another, which is told what
    was said.
    """

    def __init__(self, make: Make, *, size: int = 100) -> None:
        self._make = make
        self._size = size
        self._seats: dict[str, _Seat] = {}
        """Those used last are last."""
        self._changed = anyio.Condition()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        self._group = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every session."""
        self._group.cancel_scope.cancel()
        await self._stack.aclose()

    @asynccontextmanager
    async def session(self, name: str) -> AsyncGenerator[RealtimeSession]:
        """Give the session of a conversation to one user, and take it back.

        Waits while another uses it, or all places are taken. Raises the `ChatError` of a session
        that could not be opened.
        """
        seat = await self._seat(name)
        try:
            yield await self._opened(name, seat)
        finally:
            with anyio.CancelScope(shield=True):
                async with self._changed:
                    seat.busy = False
                    if seat.session is None:
                        self._seats.pop(name, None)
                    self._changed.notify_all()

    async def _seat(self, name: str) -> _Seat:
        """Return the conversation's place, or one that gets free, marked as in use."""
        async with self._changed:
            while True:
                seat = self._seats.get(name)
                if seat is not None and not seat.busy:
                    seat.busy = True
                    self._seats[name] = self._seats.pop(name)
                    return seat
                idle = next((key for key, one in self._seats.items() if not one.busy), None)
                if seat is None and (idle is not None or len(self._seats) < self._size):
                    full = len(self._seats) == self._size
                    seat = _Seat(self._seats.pop(idle or "") if full else None)
                    self._seats[name] = seat
                    return seat
                await self._changed.wait()

    async def _opened(self, name: str, seat: _Seat) -> RealtimeSession:
        said: Conversation | None = None
        if seat.before is not None:
            await _close(seat.before)
            seat.before = None
        if (session := seat.session) is not None:
            if session.line.over is None:
                return session
            said, seat.session = session.conversation, None
            await _close(seat)
            seat.leave, seat.left = anyio.Event(), anyio.Event()
        session = self._make(name, said)
        await self._group.start(seat.hold, session)
        return session


async def _close(seat: _Seat) -> None:
    seat.leave.set()
    await seat.left.wait()
