"""One client's WebSocket, down to the bytes: messages in, and out whatever is wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import anyio
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from chatbots.testing.calls import Changes
from chatbots.testing.http1 import Exchange

MAX_MESSAGE: Final = 32 * 1024 * 1024
"""Bytes of a client's message: 15 MiB of audio in base64 is a third longer."""
FAREWELL: Final = 1.0
"""Seconds a client is given to close, once it was asked to."""


class Socket:
    """A WebSocket on the connection of an *exchange*.

    *deaf*: pings get no pong. *protocols* are the subprotocols that may be chosen.
    """

    def __init__(self, exchange: Exchange, *, protocols: Sequence[str] = ()) -> None:
        self.exchange = exchange
        self.deaf = False
        self._protocol = ServerProtocol(
            select_subprotocol=lambda _, offered: (
                next((one for one in offered if one in protocols), Subprotocol("")) or None
            ),
            max_size=MAX_MESSAGE,
        )
        self._bytes: deque[bytes] = deque()
        self._news = Changes()
        self._parts: list[bytes] = []
        self._messages: deque[bytes] = deque()
        self._closed = False
        self._writing = anyio.Lock()

    async def accept(self, *, spoiled: bool = False) -> bool:
        """Answer the handshake; return whether the socket is open.

        *spoiled*: with an accept header that no client takes.
        """
        call = self.exchange.call
        head = Request(call.target, Headers(dict(call.headers)))
        self._protocol.receive_data(head.serialize())
        (request,) = self._protocol.events_received()
        assert isinstance(request, Request)  # noqa: S101 - it was serialized just now
        response = self._protocol.accept(request)
        if spoiled:
            del response.headers["Sec-WebSocket-Accept"]
            response.headers["Sec-WebSocket-Accept"] = "bm90IHdoYXQgd2FzIGFza2Vk"
        self._protocol.send_response(response)
        self.exchange.receive = self._arrived
        await self._flush()
        return self._protocol.state is State.OPEN

    async def receive(self) -> bytes | None:
        """Return the client's next message; None when it has closed, or said nonsense."""
        while not self._messages:
            if self._closed:
                return None
            await self._news.until(lambda: bool(self._bytes))
            self._protocol.receive_data(self._bytes.popleft())
            for frame in self._protocol.events_received():
                if isinstance(frame, Frame):
                    self._take(frame)
            self._closed |= self._protocol.close_expected()
            if self.deaf and not self._closed:
                self._protocol.data_to_send()  # the pong
            await self._flush()
        return self._messages.popleft()

    async def send(self, frame: bytes) -> None:
        """Send a text message, while the socket is open."""
        async with self._writing:  # between the two nobody may throw it away with a pong
            if self._protocol.state is State.OPEN:
                self._protocol.send_text(frame)
                await self._write(b"".join(self._protocol.data_to_send()))

    async def ping(self) -> None:
        """Send a ping, while the socket is open."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"?")
            await self._flush()

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        async with self._writing:
            await self._write(data)

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            await self._flush()

    def _arrived(self, data: bytes) -> None:
        self._bytes.append(data)
        self._news.announce()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._closed = True
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts.append(bytes(frame.data))
            if frame.fin:
                self._messages.append(b"".join(self._parts))
                self._parts.clear()

    async def _flush(self) -> None:
        await self.raw(b"".join(self._protocol.data_to_send()))

    async def _write(self, data: bytes) -> None:
        try:
            await self.exchange.raw(data)
        except anyio.BrokenResourceError:  # the client is gone: there is nobody to tell
            self._closed = True
            self._arrived(b"")
