"""Sockets by the library `websockets`: the transport that is used unless another is named."""

from __future__ import annotations

import logging
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, cast

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)
from websockets.protocol import State

from chatbots.errors import ChatError, ConfigurationError
from chatbots.realtime.failures import Peer
from chatbots.realtime.proxies import Proxies
from chatbots.realtime.transport import HandshakeResponse, Limits
from chatbots.version import installing
from chatbots.wakeup import Wakeup

WRITE_BUFFER: Final = 64 * 1024
"""Bytes that may wait for the peer before a write does."""
MANY: Final = 16
"""Messages that may wait to be read before no more is taken from the socket, but what is there."""
FEW: Final = 4
"""Messages left from which more is taken."""

MOST: Final = 2**63
"""Bytes of a message, where there is no limit."""

_HEAD_END: Final = b"\r\n\r\n"
_TEXT: Final = 0x81  # a whole message of text (RFC 6455, 5.2)
_CONTROL: Final = (0x88, 0x89, 0x8A)

# At its level for debugging the library logs the headers, with the key: nobody is to hear it.
_SILENT: Final = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001 - as it says


class WebSocketsDialer:
    """Opens sockets with `websockets`, through *proxies* if need be.

    SOCKS needs the extra `socks`. *tls* checks the server's certificate: with the system's
    authorities, or those of SSL_CERT_FILE, if it is not given.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        proxies: Proxies | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._proxies = proxies or Proxies()
        self._tls = tls

    async def dial(self, url: str, headers: Mapping[str, str]) -> WebSocketsConn:
        """Open a socket; see `WebSocketDialer.dial`."""
        peer, proxy, limits = Peer.at(url, headers), self._proxies.to(url), self._limits
        if url.startswith("wss:") and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            socket = await _Direct(
                url,
                additional_headers=headers,
                compression=None,
                proxy=proxy,
                ssl=self._tls if url.startswith("wss:") else None,
                open_timeout=limits.open,
                ping_interval=limits.ping_every,
                ping_timeout=limits.pong,
                close_timeout=limits.close,
                max_size=limits.message,
                write_limit=WRITE_BUFFER,
                logger=_SILENT,
                create_connection=_Connection,
            )
        except (OSError, WebSocketException, ImportError) as error:
            raise _of(error, peer, proxy or "") from None
        return WebSocketsConn(cast("_Connection", socket), peer, limits)


class WebSocketsConn:
    """A socket of `websockets`; see `WebSocketConn`."""

    def __init__(self, socket: _Connection, peer: Peer, limits: Limits) -> None:
        self._socket = socket
        self._peer = peer
        self._limits = limits
        self._closed = False

    async def read_message(self) -> str | bytes:
        """Return the next message."""
        try:
            return await self._socket.read()
        except ConnectionClosed as error:
            raise self._ended(error) from None

    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        """Send one message."""
        waiting = self._socket.transport.get_write_buffer_size()
        try:
            if waiting + 4 * len(data) < WRITE_BUFFER:  # a character may be four bytes
                # There is room, so this does not wait, and needs no deadline that costs.
                await self._socket.send(data, text=not binary)
            else:
                with anyio.fail_after(self._limits.send):
                    await self._socket.send(data, text=not binary)
        except TimeoutError:
            self._socket.transport.abort()
            raise self._peer.stuck(self._limits.send) from None
        except ConnectionClosed as error:
            raise self._ended(error) from None

    async def close(self) -> None:
        """End the connection, in time."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self._limits.close):
                await self._socket.close()
            self._socket.transport.abort()
            await self._socket.wait_closed()

    def response(self) -> HandshakeResponse:
        """Return what the server answered."""
        answer = self._socket.response
        assert answer is not None  # noqa: S101 - the handshake is over
        fields = {name.lower(): value for name, value in answer.headers.raw_items()}
        return HandshakeResponse(answer.status_code, fields)

    async def ping(self) -> None:
        """Ask for a sign of life."""
        try:
            with anyio.fail_after(self._limits.pong):
                await (await self._socket.ping())
        except TimeoutError:
            raise self._peer.failed(1011) from None
        except ConnectionClosed as error:
            raise self._ended(error) from None

    def _ended(self, error: ConnectionClosed) -> Exception:
        if self._closed:
            return anyio.ClosedResourceError()
        return self._peer.ended(error.rcvd, error.sent, theirs_first=error.rcvd_then_sent)


class _Connection(ClientConnection):
    """Takes whole messages of text out of the bytes itself, and leaves the rest to the library.

    The library's way costs more than all else that is done for a small message.
    At the first frame that is neither such a message nor control, or no UTF-8, all goes that way,
    in order.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ready: deque[str] = deque()
        self._rest = bytearray()
        """What may be the end of the head of the server's answer; later the begin of a frame."""
        self._opened = False
        self._direct = True
        self._news = Wakeup()

    async def read(self) -> str | bytes:
        """Return the next message, as `recv`."""
        while not self._ready:
            if not self._direct:
                return await self.recv()
            await self._news
        message = self._ready.popleft()
        if len(self._ready) == FEW and not self.recv_messages.paused:
            self.transport.resume_reading()
        return message

    def data_received(self, data: bytes) -> None:
        """Take in what the socket received, all of it, and then let it be read."""
        if not self._opened:
            data = self._opening(data)
        if self._direct and self._opened:
            before = len(self._ready)
            self._take(data)
            if before < MANY <= len(self._ready):
                self.transport.pause_reading()
            data = b""
        if not self._direct:
            data = bytes(self._rest) + data
            self._rest.clear()
        if data:
            super().data_received(data)
        self._news.wake()

    def _opening(self, data: bytes) -> bytes:
        """Let the library have the head of the server's answer; return what comes after it."""
        both = bytes(self._rest) + data
        end = both.find(_HEAD_END)
        self._opened = end >= 0
        head = data[: end + len(_HEAD_END) - len(self._rest)] if self._opened else data
        self._rest[:] = b"" if self._opened else both[1 - len(_HEAD_END) :]
        super().data_received(head)
        self._direct = not self._opened or self.protocol.state is State.OPEN
        return data[len(head) :]

    def _take(self, data: bytes) -> None:
        """Take the messages, let the library have control frames, and keep what is not whole."""
        buffer: bytes | bytearray = data
        if self._rest:
            self._rest += data
            buffer = self._rest
        at, limit = 0, self.protocol.max_message_size or MOST
        while self._direct and len(buffer) - at > 1:
            first, size, begin = buffer[at], buffer[at + 1], at + 2
            if 125 < size < 128:
                begin += 2 if size == 126 else 8
                if begin > len(buffer):
                    break
                size = int.from_bytes(buffer[at + 2 : begin])
            ours = first == _TEXT and buffer[at + 1] < 128 and size <= limit
            if not ours and (first not in _CONTROL or size > 125):
                self._direct = False
            elif (end := begin + size) > len(buffer):
                break
            elif ours:
                try:
                    self._ready.append(buffer[begin:end].decode())
                    at = end
                except UnicodeDecodeError:
                    self._direct = False
            else:
                super().data_received(bytes(buffer[at:end]))
                self._direct = self.protocol.state is State.OPEN
                at = end
        if buffer is self._rest:
            del self._rest[:at]
        else:
            self._rest += buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Let `recv` tell what it means, once all is read."""
        super().connection_lost(exc)
        self._direct = False
        self._news.wake()


class _Direct(connect):
    """A connection to where it was asked for: a redirect would take the key elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _of(error: Exception, peer: Peer, proxy: str) -> ChatError:
    """Return what it means that a socket could not be opened."""
    if isinstance(error, InvalidStatus):
        answer = error.response
        return peer.refused(answer.status_code, answer.headers, bytes(answer.body or b""))
    if isinstance(error, ImportError):
        return ConfigurationError(
            "extra_missing",
            "The environment names a SOCKS proxy; that needs python-socks, which is not installed.",
            hint=f"Install it with: {installing('socks')}",
        )
    if isinstance(error, InvalidProxy):
        return ConfigurationError(
            "invalid_setting",
            "The environment names a proxy whose address cannot be used.",
            hint="Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY: http://, https:// or socks5://.",
        )
    beyond = isinstance(error, TimeoutError | ssl.SSLError)
    if isinstance(error, ProxyError) or (proxy and isinstance(error, OSError) and not beyond):
        return peer.proxied(proxy, str(error))
    if isinstance(error, OSError):
        return peer.unreachable(error)
    return peer.senseless(str(error))
