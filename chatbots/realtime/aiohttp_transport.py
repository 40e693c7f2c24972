"""Sockets by `aiohttp`, which comes with the extra `aiohttp`: for who uses it already."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import anyio

from chatbots.errors import ChatError, ConfigurationError
from chatbots.realtime.failures import Peer
from chatbots.realtime.proxies import Proxies
from chatbots.realtime.transport import HandshakeResponse, Limits
from chatbots.version import installing

if TYPE_CHECKING:
    from aiohttp import (
        ClientError,
        ClientHandlerType,
        ClientRequest,
        ClientResponse,
        ClientSession,
        ClientWebSocketResponse,
        WSMsgType,
    )

ROOM: Final = 32 * 1024
"""Bytes that may wait for the peer while nobody has to: half of what asyncio lets wait."""
MAX_REFUSAL: Final = 64 * 1024
"""Bytes read of what a server says when it opens no socket."""


class AiohttpDialer:
    """Opens sockets with `aiohttp`, through *proxies* if need be.

    It knows no SOCKS, and leads to no `ws://` through a proxy, only to `wss://`.
    *tls* checks the server's certificate: with the system's authorities, or those of
    SSL_CERT_FILE, if it is not given. Raises `ConfigurationError` (`extra_missing`).
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        proxies: Proxies | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        try:
            import aiohttp
        except ImportError as error:
            raise ConfigurationError(
                "extra_missing",
                "The transport aiohttp needs the library, which is not installed.",
                hint=f"Install it with: {installing('aiohttp')}",
            ) from error
        self._library = aiohttp
        self._limits = limits or Limits()
        self._proxies = proxies or Proxies()
        self._tls = tls

    async def dial(self, url: str, headers: Mapping[str, str]) -> AiohttpConn:
        """Open a socket; see `WebSocketDialer.dial`."""
        http, peer, proxy = self._library, Peer.at(url, headers), self._proxies.to(url)
        if proxy and not proxy.startswith("http"):
            raise ConfigurationError(
                "invalid_setting",
                "The environment names a SOCKS proxy, which the transport aiohttp does not know.",
                hint="Use the transport websockets.",
            )

        handshake = _Handshake(peer)
        session = http.ClientSession(
            cookie_jar=http.DummyCookieJar(),
            middlewares=[handshake],
            timeout=http.ClientTimeout(total=None),
        )
        conn: AiohttpConn | None = None
        try:
            with anyio.fail_after(self._limits.open):
                socket = await session.ws_connect(
                    url,
                    headers=headers,
                    proxy=proxy,
                    ssl=self._tls or True,
                    heartbeat=self._limits.ping_every,
                    max_msg_size=self._limits.message,
                    timeout=http.ClientWSTimeout(ws_close=self._limits.close),
                    autoping=False,  # a pong is to be seen here
                )
        except (OSError, http.ClientError) as error:
            raise _of(error, peer, proxy or "") from None
        else:
            conn = AiohttpConn(session, socket, handshake.answer, peer, self._limits)
            return conn
        finally:
            if conn is None:
                with anyio.CancelScope(shield=True):
                    await session.close()


class AiohttpConn:
    """A socket of `aiohttp`; see `WebSocketConn`.

    A write that is cancelled while the peer takes nothing ends the connection.
    """

    def __init__(
        self,
        session: ClientSession,
        socket: ClientWebSocketResponse[bool],
        opened: ClientResponse | None,
        peer: Peer,
        limits: Limits,
    ) -> None:
        assert opened is not None  # noqa: S101 - it has just been upgraded
        assert opened.connection is not None  # noqa: S101 - as above
        self._session = session
        self._socket = socket
        self._transport = opened.connection.transport
        self._opened = HandshakeResponse(
            opened.status, {name.lower(): value for name, value in opened.headers.items()}
        )
        self._peer = peer
        self._limits = limits
        self._closed = False
        self._ended: ChatError | None = None
        self._pong = anyio.Event()
        self._writing = anyio.Lock(fast_acquire=True)

    async def read_message(self) -> str | bytes:
        """Return the next message, and see to what comes between."""
        from aiohttp import WSMsgType

        while True:
            self._check()
            message = await self._socket.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                data: str | bytes = message.data
                return data
            if message.type is WSMsgType.PING:
                await self._send(message.data, WSMsgType.PONG)
                continue
            if message.type is not WSMsgType.PONG:
                cause = message.data if message.data is not None else self._socket.exception()
                said = message.extra or ""
                self._ended = _meaning(cause, said, self._peer)
            self._pong.set()
            self._pong = anyio.Event()

    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        """Send one message."""
        from aiohttp import WSMsgType

        payload = data.encode() if isinstance(data, str) else data
        await self._send(payload, WSMsgType.BINARY if binary else WSMsgType.TEXT)

    async def close(self) -> None:
        """End the connection, in time."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self._limits.close):
                await self._socket.close()
            self._abort()
            await self._session.close()

    def response(self) -> HandshakeResponse:
        """Return what the server answered."""
        return self._opened

    async def ping(self) -> None:
        """Ask for a sign of life."""
        from aiohttp import WSMsgType

        pong = self._pong
        with anyio.move_on_after(self._limits.pong):
            await self._send(b"", WSMsgType.PING)
            await pong.wait()
            self._check()
            return
        raise self._peer.failed(1011)

    async def _send(self, payload: bytes, kind: WSMsgType) -> None:
        from aiohttp import ClientError

        self._check()
        try:
            waiting = self._transport.get_write_buffer_size() if self._transport else 0
            if waiting + len(payload) < ROOM:
                # This does not wait, and needs neither a deadline nor a turn, which cost.
                await self._socket.send_frame(payload, kind)
                return
            with anyio.fail_after(self._limits.send):
                async with self._writing:
                    await self._socket.send_frame(payload, kind)
        except TimeoutError:
            self._abort()
            raise self._peer.stuck(self._limits.send) from None
        except (ClientError, ConnectionError):
            self._check()
            raise self._peer.closed(1006) from None
        except anyio.get_cancelled_exc_class():
            # aiohttp would have the next writer wait for what was cancelled here.
            self._abort()
            raise

    def _check(self) -> None:
        """Raise why nothing can be sent or read any more, if so."""
        if self._closed:
            raise anyio.ClosedResourceError
        if self._ended is not None:
            raise self._ended

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Handshake:
    """Raises what a refusal means, before a redirect is followed or the body is lost."""

    def __init__(self, peer: Peer) -> None:
        self.answer: ClientResponse | None = None
        self._peer = peer

    async def __call__(self, request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        """Send the *request*; keep the *answer*."""
        self.answer = answer = await send(request)
        if answer.status != 101:
            said = await answer.content.read(MAX_REFUSAL)
            raise self._peer.refused(answer.status, answer.headers, said)
        return answer


def _meaning(cause: object, said: str, peer: Peer) -> ChatError:
    """Return why a connection ended: a close code with what was *said*, or an exception."""
    from aiohttp import WebSocketError

    if isinstance(cause, int):
        return peer.closed(cause, said)
    if isinstance(cause, WebSocketError):
        return peer.failed(cause.code, str(cause))
    return peer.failed(1011) if isinstance(cause, TimeoutError) else peer.closed(1006)


def _of(error: OSError | ClientError, peer: Peer, proxy: str) -> ChatError:
    """Return what it means that a socket could not be opened."""
    import aiohttp

    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return peer.proxied(proxy, str(error))
    cause: object = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    return peer.unreachable(cause) if isinstance(cause, OSError) else peer.senseless(str(error))
