"""One HTTP/1.1 connection: a request's bytes out, its answer in, a network read at a time.

It stands on `asyncio`, below anyio: a read there costs one callback and no task switch.
Its errors are those of httpx2, so that both ways to a server have one map (`resilience.py`).
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import anyio
import httpx2

from chatbots.provider.http1 import Incoming, NotHTTP
from chatbots.wakeup import Wakeup

if TYPE_CHECKING:
    import ssl

Take: TypeAlias = Callable[[bytes], bool]
"""Takes in a network read of a body; true where no more is to come before somebody has waited."""

READ_SIZE: Final = 64 * 1024
"""Bytes of one network read, at most."""
HIGH_WATER: Final = 256 * 1024
"""Bytes that wait for the reader before the socket does."""
NEXT_ADDRESS: Final = 0.25
"""Seconds before a host's next address is tried as well (RFC 8305, section 5)."""


class Connection(asyncio.Protocol):
    """A connection to one server, for one request at a time.

    `ask` sends it and waits for the head of the answer; `pour` hands over its body.
    One task uses it, and may be cancelled anywhere; then the connection is to be aborted.
    """

    def __init__(self) -> None:
        self.answer = Incoming()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._news = Wakeup()
        self._error: Exception | None = None
        self._asked = False
        self._held = 0
        self._take: Take | None = None
        self._expiry: asyncio.TimerHandle | None = None

    @classmethod
    async def to(cls, host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
        """Connect to a server; raises `OSError`, also where TLS fails."""
        connected = await _connected(host, port)
        loop, name = asyncio.get_running_loop(), host if tls else None
        kind = _Lending if isinstance(loop, asyncio.BaseEventLoop) else cls
        _, made = await loop.create_connection(kind, sock=connected, ssl=tls, server_hostname=name)
        return made

    @property
    def usable(self) -> bool:
        """Whether it can take a request: the last answer is whole, and the server stays."""
        done = not self._asked or (self.answer.whole and self.answer.keep_alive)
        return done and self._error is None and not self._transport.is_closing()

    async def ask(self, request: bytes, *, within: float = math.inf) -> None:
        """Send a whole *request* and wait until the head of its `answer` is there.

        Raises `httpx2.TransportError`: `ReadTimeout` where it is not *within* so many seconds.
        """
        self.rest(None)
        self.answer = Incoming()
        self._asked = True
        if self._error is None:
            self._transport.write(request)
        late = httpx2.ReadTimeout("The server did not begin to answer.")
        # An alarm of the loop's: a cancel scope costs a tenth of the request.
        alarm = None if within == math.inf else self._loop.call_later(within, self._fail, late)
        try:
            while not self.answer.status:
                if self._error is not None:
                    raise self._error
                await self._news
        finally:
            if alarm is not None:
                alarm.cancel()

    async def pour(self, take: Take) -> bool:
        """Hand the body to *take*, a network read at a time; tell whether more may come.

        Returns when *take* says true, or at the body's end. *take* is called by the event loop
        itself, so that a read costs no task switch; it must not raise.
        Raises `httpx2.TransportError` where the body breaks off, after what came before.
        """
        self._take = take
        if self._held > HIGH_WATER and not self._transport.is_closing():
            self._transport.resume_reading()
        self._held = 0
        try:
            if self._hand_over():
                return self._more
            while not self.answer.whole:
                if self._error is not None:
                    raise self._error
                await self._news
                if self._sated:
                    return self._more
        finally:
            self._take = None
        return False

    def rest(self, expiry: float | None) -> None:
        """Be idle, and close after *expiry* seconds of it."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = None if expiry is None else self._loop.call_later(expiry, self.abort)
        self._asked = False

    def abort(self) -> None:
        """Close the socket at once."""
        self.rest(None)
        self._fail(httpx2.ReadError("The connection was closed."))
        self._transport.abort()

    @property
    def _sated(self) -> bool:
        return self._take is None

    @property
    def _more(self) -> bool:
        return bool(self.answer.pieces) or not self.answer.whole

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._news.wake()

    def _hand_over(self) -> bool:
        """Give what is there to who takes it; true where that one has enough."""
        take, pieces = self._take, self.answer.pieces
        if take is None or not pieces:
            return False
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if not take(data):
            return False
        self._take = None
        return True

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes | memoryview) -> None:
        """Take in a network read and wake the reader."""
        if not self._asked:
            # An answer to no question: whatever follows could be taken for another one's.
            self.abort()
            return
        try:
            self.answer.feed(data)
        except NotHTTP as error:
            self._hand_over()
            self._fail(httpx2.RemoteProtocolError(str(error)))
            self._transport.abort()
            return
        if self._take is not None:
            if self._hand_over() or self.answer.whole:
                self._news.wake()
            return
        self._held += len(data)
        if self._held > HIGH_WATER:
            self._transport.pause_reading()
        self._news.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader, unless the end of the connection is the end of the answer."""
        if not (self._asked and self.answer.ends()):
            self._fail(httpx2.ReadError(str(exc or "The server closed the connection.")))
        self._news.wake()


class _Lending(Connection, asyncio.BufferedProtocol):
    """A connection on asyncio's own loop, which would else allocate 256 KiB for each read."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = memoryview(bytearray(READ_SIZE))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(self._buffer[:nbytes])


async def _connected(host: str, port: int) -> socket.socket:
    """Return a socket to the first of a host's addresses that answers; raises `OSError`.

    Not asyncio's own race for it: cancelled, that leaves behind what has just connected.
    """
    loop = asyncio.get_running_loop()
    addresses = await _addresses(host, port)
    connected: list[socket.socket] = []
    errors: list[OSError] = []

    async def attempt(family: int, address: Any, failed: anyio.Event) -> None:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            await loop.sock_connect(made, address)
            connected.append(made)
            group.cancel_scope.cancel()
        except OSError as error:
            errors.append(error)
            failed.set()
        finally:
            if made not in connected[:1]:
                made.close()

    try:
        async with anyio.create_task_group() as group:
            for family, *_, address in addresses:
                failed = anyio.Event()
                group.start_soon(attempt, family, address, failed)
                with anyio.move_on_after(NEXT_ADDRESS):
                    await failed.wait()
    except BaseException:
        for made in connected:
            made.close()
        raise
    if not connected:
        raise errors[0]
    return connected[0]


async def _addresses(host: str, port: int) -> list[Any]:
    try:
        # A number needs no lookup, which is a thread's work.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
