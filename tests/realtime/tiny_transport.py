"""A transport of one's own: forty lines around the library that one likes."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TypeVar

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from chatbots.realtime.failures import Peer
from chatbots.realtime.transport import HandshakeResponse, Limits

T = TypeVar("T")


class TinyDialer:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    async def dial(self, url: str, headers: Mapping[str, str]) -> TinyConn:
        peer, most, late = Peer.at(url, headers), self.limits.message, self.limits.open
        opening = connect(url, additional_headers=headers, max_size=most, open_timeout=late)
        opening.process_redirect = lambda exc: exc  # type: ignore[method-assign]  # follow none
        try:
            return TinyConn(await opening, peer, self.limits)
        except InvalidStatus as error:
            answer = error.response
            body = bytes(answer.body or b"")
            raise peer.refused(answer.status_code, answer.headers, body) from None
        except OSError as error:
            raise peer.unreachable(error) from None
        except WebSocketException as error:
            raise peer.senseless(str(error)) from None


class TinyConn:
    def __init__(self, socket: ClientConnection, peer: Peer, limits: Limits) -> None:
        self.socket, self.peer, self.limits, self.closed = socket, peer, limits, False

    async def read_message(self) -> str | bytes:
        return await self.told(self.socket.recv())

    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        with anyio.move_on_after(self.limits.send):
            return await self.told(self.socket.send(data, text=not binary))
        self.socket.transport.abort()
        raise self.peer.stuck(self.limits.send)

    async def ping(self) -> None:
        with anyio.move_on_after(self.limits.pong):
            await (await self.socket.ping())
            return
        raise self.peer.failed(1011)

    async def close(self) -> None:
        self.closed = True
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self.limits.close):
                await self.socket.close()
            self.socket.transport.abort()
            await self.socket.wait_closed()

    def response(self) -> HandshakeResponse:
        answer = self.socket.response
        assert answer is not None
        return HandshakeResponse(101, {n.lower(): v for n, v in answer.headers.raw_items()})

    async def told(self, doing: Awaitable[T]) -> T:
        try:
            return await doing
        except ConnectionClosed as error:
            if self.closed:
                raise anyio.ClosedResourceError from None
            first = error.rcvd_then_sent
            raise self.peer.ended(error.rcvd, error.sent, theirs_first=first) from None
