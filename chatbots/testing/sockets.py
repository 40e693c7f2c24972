"""Loopback TCP without a transport in between: what is written is what the kernel takes.

A fake server must see how many bytes a socket accepted, notice at once when the peer closes,
and be able to reset a connection.
Streams hide all three, so this is the plain non-blocking socket, waited for with anyio.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

import anyio
from anyio.lowlevel import checkpoint

RECEIVE_BYTES: Final = 64 * 1024
BACKLOG: Final = 1024
LOOPBACK: Final = "127.0.0.1"
# l_onoff=1, l_linger=0: closing sends RST instead of FIN (socket(7)).
LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Wire:
    """One accepted connection, as bytes."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = accepted

    async def receive(self) -> bytes:
        """Return the next bytes, or none at the end of the stream, a reset included."""
        while True:
            try:
                return self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            except OSError:
                return b""

    async def push(self, data: memoryview) -> int:
        """Give the socket *data* and return how many bytes it took, 0 if it is full now.

        Raises `anyio.BrokenResourceError` if the peer is gone.
        """
        await checkpoint()
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise anyio.BrokenResourceError from error

    async def writable(self) -> None:
        """Wait until the socket takes bytes again."""
        await anyio.wait_writable(self._socket)

    def break_on_close(self) -> None:
        """Make `close` a reset: the peer sees "connection reset", not an end."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)

    def close(self) -> None:
        """Close the connection; what the socket took is still delivered, unless it is a reset."""
        self._socket.close()


class Listener:
    """A listening socket on loopback; port 0 takes a free one.

    *send_buffer* is the kernel's buffer for each connection, in bytes:
    small, it shows early that a client has stopped reading.
    Raises `OSError` if the port is taken.
    """

    def __init__(self, port: int = 0, *, send_buffer: int | None = None) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if send_buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            self._socket.bind((LOOPBACK, port))
            self._socket.listen(BACKLOG)
            self._socket.setblocking(False)
            self.port: int = self._socket.getsockname()[1]
        except BaseException:
            self._socket.close()
            raise

    async def accept(self) -> Wire:
        """Return the next connection."""
        while True:
            try:
                accepted, _ = self._socket.accept()
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            except ConnectionError:
                continue  # the client gave up before it was accepted
            else:
                return Wire(accepted)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
