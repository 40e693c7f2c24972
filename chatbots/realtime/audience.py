"""Who reads along with a session: each at its own pace, all of it, and nobody far behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Generic, Self, TypeVar
from weakref import ref

import anyio

from chatbots import telemetry
from chatbots.errors import ChatError, ProviderError
from chatbots.wakeup import Wakeup

T = TypeVar("T")

CAPACITY: Final = 1024 * 1024
"""Bytes of messages that a reader may leave unread before nothing more is read from the socket."""


class Stream(Generic[T]):
    """What one reader is told, in order: `async for`, in one task at a time.

    After all that was told it raises the `ChatError` that ended the session, if one did.
    Who reads no more lets go of it, or calls `close`; unread, it stops the session.
    """

    def __init__(self, room: Wakeup) -> None:
        self._room = room
        self._told: list[T] = []
        self._taken: Iterator[T] = iter(())
        self._held = 0
        self._over = False
        self.begun = False
        """Whether somebody has begun to read."""
        self.error: ChatError | None = None
        """Why nothing more comes, if it is an error."""
        self._readable = Wakeup()
        self._reading = False

    def put(self, things: Sequence[T], size: int) -> None:
        """Tell these *things*, which came in messages of so many bytes."""
        if not self._over and things:
            self._told += things
            self._held += size
            self._readable.wake()

    @property
    def full(self) -> bool:
        """Whether the reader should be waited for."""
        return self._held >= CAPACITY

    def end(self, error: ChatError | None = None) -> None:
        """Say that nothing more will come, and why; what was told can still be read."""
        if not self._over:
            self._over = True
            self.error = error or self.error
            self._readable.wake()

    def close(self) -> None:
        """Leave: what was not read is dropped."""
        self.end()
        self._told, self._taken, self._held = [], iter(()), 0
        self._room.wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        for one in self._taken:
            return one
        self.begun = True
        while not self._told:
            if self._over:
                if self.error is not None:
                    raise self.error
                raise StopAsyncIteration
            if self._reading:
                raise anyio.BusyResourceError("reading from")
            self._reading = True
            try:
                await self._readable
            finally:
                self._reading = False
        taken, full = iter(self._told), self.full
        self._told, self._taken, self._held = [], taken, 0
        if full:
            self._room.wake()
        return next(taken)


class Audience(Generic[T]):
    """All who are told the same. A reader who has let go of its stream has left."""

    def __init__(self, room: Wakeup) -> None:
        self.room = room
        """Wakes who waits for a reader that was far behind."""
        self.there: list[ref[Stream[T]]] = []
        """Those who are told."""
        self._over: tuple[ChatError | None] | None = None

    def join(self, stream: Stream[T] | None = None) -> Stream[T]:
        """Let a reader be told all from now on."""
        stream = stream or Stream(self.room)
        self.there.append(ref(stream, self._gone))
        if self._over is not None:
            stream.end(*self._over)
        return stream

    def leave(self, stream: Stream[T]) -> None:
        """Tell a reader no more."""
        self.there = [one for one in self.there if one() is not stream]

    def tell(self, things: Sequence[T], size: int) -> None:
        """Tell everybody; who waits for it may go on at once."""
        for one in tuple(self.there):
            if (stream := one()) is not None:
                stream.put(things, size)

    @property
    def behind(self) -> list[Stream[T]]:
        """Those who should be waited for."""
        there = (one() for one in self.there)
        return [stream for stream in there if stream is not None and stream.full]

    def cut(self) -> None:
        """Tell those no more who were waited for in vain."""
        for stream in self.behind:
            self.leave(stream)
            telemetry.emit("warning", "realtime.reader.cut")
            stream.end(
                ProviderError(
                    "stream_interrupted",
                    "What the session told was not read for too long; the rest is left out.",
                    hint="Read it in a task of its own.",
                )
            )

    def end(self, error: ChatError | None) -> None:
        """Tell everybody, those too who come late, that the session is over."""
        self._over = (error,)
        for one in tuple(self.there):
            if (stream := one()) is not None:
                stream.end(error)

    def _gone(self, one: ref[Stream[T]]) -> None:
        self.there.remove(one)
        self.room.wake()
