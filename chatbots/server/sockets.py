"""What comes in on a connection: a handshake in time, then frames, at nobody else's cost."""

from __future__ import annotations

import sys
from collections.abc import Generator
from time import perf_counter
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import apply_mask

from chatbots.server.application import ABORT, SEND_NOW
from chatbots.server.rpc import MAX_FRAME

HARD_LIMIT: Final = 2 * MAX_FRAME
"""Bytes of a message in parts that closes the socket (1009); a smaller one does not."""
PASSED_OVER: Final = 64 * MAX_FRAME
"""Bytes of one in one part that does not."""
HANDSHAKE: Final = 5.0
"""Seconds until a connection has said what it wants."""
MAX_HEAD: Final = 512 * 1024
"""Bytes in which it has to be said: some clients send their first frames along."""
UNREADABLE: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""The answer to a handshake that cannot be read."""
REFUSED: Final = 0.1
"""Seconds until who is not let in is told so: to knock again and again is to take others' time."""
TURN: Final = 0.00015
"""Seconds for what one socket has sent, before others have their turn."""
REST: Final = 0.001
"""Seconds that they have, where it was no message yet."""
SLICE: Final = 128
"""Bytes that are looked at before the clock is."""
CONTROLS: Final = 20
"""Pings and pongs a second of one socket; what it sends after them is read a second later."""
PARTS: Final = 16 * 1024
"""Parts that a message may come in; those without a byte would take memory without end."""


class _Http(HttpToolsProtocol):
    """Hangs up on who does not say in time, or in few words, what it wants."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        self._unclear += len(data)
        if self._unclear > MAX_HEAD and not self._waiting.cancelled():
            self.transport.abort()
        else:
            self._read = data
            super().data_received(data)
            self._read = b""

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        upgrade = sys.exception()  # It says where the handshake ends.
        if upgrade is not None and (rest := self._read[upgrade.args[0] :]):
            socket: Any = self.transport.get_protocol()
            socket.data_received(rest)

    def on_message_begin(self) -> None:
        self._heard()
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._heard()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._unclear = 0
        self._waiting = self.loop.call_later(HANDSHAKE, self.transport.abort)

    def _heard(self) -> None:
        self._waiting.cancel()


class _Frames(ServerProtocol):
    """Passes over a message that is too large, but for its beginning: that tells who asks."""

    def fail(self, code: int, reason: str = "") -> None:
        # The parser says no more of it: it ends with this, and goes on with `parser`.
        error = sys.exception()
        size = (isinstance(error, PayloadTooBig) and error.size) or 0
        if self.current_size is None and HARD_LIMIT < size <= PASSED_OVER:  # no part of another
            self.parser = self._pass_over(size)
        else:
            super().fail(code, reason)

    def _pass_over(self, size: int) -> Generator[None]:
        mask = yield from self.reader.read_exact(4)
        beginning = yield from self.reader.read_exact(MAX_FRAME + 1)
        for left in range(size - MAX_FRAME - 1, 0, -8 * SLICE):
            yield from self.reader.read_exact(min(left, 8 * SLICE))
        text = apply_mask(beginning, mask).decode("utf-8", "replace")  # its last letter may be half
        self.events.append(Frame(Opcode.TEXT, text.encode()))
        self.parser_exc, self.parser = None, self.parse()
        next(self.parser)
        yield


class _Socket(WebSocketsSansIOProtocol):
    """Takes in a little at a time, and can be closed without waiting for who does not read."""

    _backlog = b""
    _at = 0
    _is_due = False
    _controls = 0
    _controls_since = 0.0

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn.__class__ = _Frames  # uvicorn has made it, and another would take memory

    def data_received(self, data: bytes) -> None:
        if not (self._backlog or self._is_due) and len(data) <= 4 * SLICE:
            self._hear(data)
            return
        # What came at once, up to 256 KiB, may be 40,000 frames: others have their turn meanwhile.
        self._backlog, self._at = self._backlog[self._at :] + data, 0
        if self._is_due:
            self.transport.pause_reading()
        else:
            self._take()

    def _hear(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            # websockets takes no body, 128 headers at most, of 8 KiB; uvicorn would never answer.
            self.transport.write(UNREADABLE)
            self.transport.close()

    def _take(self) -> None:
        self._is_due = False
        until = perf_counter() + TURN
        while self._at < len(self._backlog) and not self._must_wait():
            self._take_slice()
            if perf_counter() >= until:
                self._rest(REST)
        self._go_on()

    def _take_slice(self) -> None:
        # In the middle of a large frame it costs no more to look at more.
        size = max(SLICE, min(len(self.conn.reader.buffer), 8 * SLICE))
        at, self._at = self._at, self._at + size
        self._hear(self._backlog[at : self._at])

    def _must_wait(self) -> bool:
        return self._is_due or self.read_paused or self.transport.is_closing()

    def _rest(self, seconds: float) -> None:
        """Take in nothing for so long."""
        if not self._must_wait():
            self._is_due = True
            self.transport.pause_reading()
            self.loop.call_later(seconds, self._take)

    def _go_on(self) -> None:
        if self.transport.is_closing():
            return  # `receive` takes the rest.
        if self._at < len(self._backlog):
            self.transport.pause_reading()
            if not (self.read_paused or self._is_due):
                self._is_due = True
                self.loop.call_soon(self._take)
        else:
            self._backlog = b""
            if not (self.read_paused or self._is_due):
                self.transport.resume_reading()

    async def receive(self) -> Any:
        message = await super().receive()
        while message["type"] == "websocket.disconnect" and self._at < len(self._backlog):
            self._take_slice()
            self.queue.put_nowait(message)  # after what came before the connection was lost
            await checkpoint()
            message = await super().receive()
        if self._backlog:
            self._go_on()
        return message

    def handle_cont(self, event: Any) -> None:
        if len(self.frames) < PARTS:
            super().handle_cont(event)
            if len(event.data) < SLICE:
                self._rest(REST)
        else:
            self._backlog = b""
            self.transport.abort()

    def handle_ping(self) -> None:
        self._count_control()
        if not self.transport.is_closing():
            super().handle_ping()

    def handle_pong(self, event: Any) -> None:
        self._count_control()
        super().handle_pong(event)

    def _count_control(self) -> None:
        now = self.loop.time()
        if now >= self._controls_since + 1:
            self._controls, self._controls_since = 0, now
        self._controls += 1
        if self._controls > CONTROLS:
            self._rest(1)

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            ours: dict[str, object] = {ABORT: self.transport.abort, SEND_NOW: self._send_now}
            self.scope.update(ours)  # type: ignore[typeddict-item]  # the keys are ours

    def send_receive_event_to_app(self) -> None:
        # uvicorn logs it as an error of the application's.
        try:
            _ = self.curr_msg_data_type == "text" and b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.frames = []
            if self.conn.state is State.CONNECTING:
                self.transport.abort()  # It came along with the handshake: nobody can be told.
                return
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        self.handle_events()  # of what came before it
        if self.conn.close_sent is None and self.conn.eof_sent:
            self.transport.abort()  # as above
        elif self.conn.close_sent is None:
            self.conn.parser_exc = None  # It is passed over.
            self.data_received(b"")
        elif not self.transport.is_closing():
            super().handle_parser_exception()

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if kind == "websocket.send" and "text" in message:
            if not self.writable.is_set():
                await self.writable.wait()
            if self.disconnected or self.conn.state is not State.OPEN:
                raise ClientDisconnected
            self._write(message["text"].encode())
            return
        if kind == "websocket.close" and self.close_sent:
            raise ClientDisconnected
        if kind == "websocket.http.response.start" and message["status"] < 500:
            await anyio.sleep(REFUSED)
        await super().send(message)
        if kind == "websocket.accept":
            # They have been asked for the last time, and take 2 KiB.
            self.request = self.response = None  # type: ignore[assignment]  # as said
        if self._backlog:
            self._go_on()
        if kind == "websocket.http.response.body":
            # Else uvicorn complains of a handshake that has been answered.
            self.handshake_complete = True

    def _send_now(self, text: str) -> bool:
        if self.disconnected or not self.writable.is_set() or self.conn.state is not State.OPEN:
            return False
        self._write(text.encode())
        return True

    def _write(self, text: bytes) -> None:
        """Write a frame of *text* (RFC 6455, section 5.2), at a third of the cost."""
        size = len(text)
        if size < 126:
            head = bytes((0x81, size))
        elif size < 65536:
            head = b"\x81\x7e" + size.to_bytes(2, "big")
        else:
            head = b"\x81\x7f" + size.to_bytes(8, "big")
        self.transport.write(head + text)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()


HTTP: Final = _Http
"""What a connection speaks at first, for uvicorn."""
SOCKET: Final = _Socket
"""What it speaks after an upgrade."""
