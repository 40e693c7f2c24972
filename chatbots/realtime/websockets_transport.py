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
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event

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
    """Hands whole messages of text over as they came, past the library's queue.

    The way through that costs as much as everything else that is done for a small message.
    At the first message that is not like that the rest goes the library's way, in order.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ready: deque[Frame] = deque()
        self._direct = True
        self._news = Wakeup()

    async def read(self) -> str | bytes:
        """Return the next message, as `recv`."""
        while not self._ready:
            if not self._direct:
                return await self.recv()
            await self._news
        frame = self._ready.popleft()
        if len(self._ready) == FEW:
            self.transport.resume_reading()
        try:
            return bytes(frame.data).decode()
        except UnicodeDecodeError:  # `recv` says so to the peer, and raises what it means
            self._ready.clear()
            self._direct = False
            self.recv_messages.put(frame)
            return await self.recv()

    def process_event(self, event: Event) -> None:
        """Keep a message of text; leave the rest to the library."""
        if self._direct and isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            if event.opcode is Opcode.TEXT and event.fin:
                self._ready.append(event)
                if len(self._ready) == MANY:
                    self.transport.pause_reading()
                return
            self._direct = False
        super().process_event(event)

    def data_received(self, data: bytes) -> None:
        """Take in what the socket received, all of it, and then let it be read."""
        super().data_received(data)
        self._news.wake()

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
