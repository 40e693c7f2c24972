"""The way out to one client: a frame at a time, each within a deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, MutableMapping
from types import coroutine
from typing import Any, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from chatbots import telemetry

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""How an ASGI server sends; it waits while the client does not read."""
SendNow: TypeAlias = Callable[[str], bool]
"""How our own server sends a frame without waiting; false where it would have to."""


class Outbox:
    """Sends frames to a client, and none to one that has gone.

    Whoever puts a frame waits until the client has room for it, so what a client does not read is
    not read from upstream either: there waits one frame of each request, and no more.
    A client that takes longer than *within* seconds is cut, by *cut*.
    """

    def __init__(
        self,
        send: Send,
        *,
        within: float,
        cut: Callable[[], None],
        now: SendNow | None = None,
    ) -> None:
        self.gone = False
        self._send = send
        self._now = now
        self._within = within
        self._cut = cut

    async def put(self, frame: str) -> None:
        """Send *frame*; where nobody is left to read it, do nothing."""
        await self._put({"type": "websocket.send", "text": frame})

    def put_nowait(self, frame: str) -> None:
        """Send *frame* without a task switch; raises `anyio.WouldBlock` where only `put` can."""
        if self.gone or self._now is None or not self._now(frame):
            raise anyio.WouldBlock

    async def close(self, code: int) -> None:
        """Close the socket; *code* says why (RFC 6455, section 7.4)."""
        await self._put({"type": "websocket.close", "code": code})
        self.gone = True

    async def _put(self, message: MutableMapping[str, Any]) -> None:
        if self.gone:
            await checkpoint()  # What goes on for nobody must still let others go on.
            return
        try:
            # Most clients have room; a deadline costs more than the rest of this.
            sending = self._send(message).__await__()
            waits = next(sending)
            with anyio.move_on_after(self._within) as patience:
                await _go_on(sending, waits)
        except StopIteration:
            return
        except OSError:  # So ASGI servers say that the socket has gone.
            self.gone = True
            return
        if patience.cancelled_caught and not self.gone:
            self.gone = True
            telemetry.emit("warning", "server.cut", seconds=self._within)
            self._cut()


@coroutine
def _go_on(begun: Generator[Any, None, None], waits: object) -> Generator[Any, None, None]:
    """Await what has *begun*, and *waits* for this now."""
    try:
        yield waits
    except BaseException as error:
        try:
            waits = begun.throw(error)
        except StopIteration:
            return
        yield waits
    yield from begun
