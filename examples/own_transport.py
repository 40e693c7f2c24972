"""A transport of one's own, around the library that one likes: `python examples/own_transport.py`.

`chatbots.testing.WebSocketTransportContract` says whether it keeps what the session needs.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Mapping
from typing import TypeVar

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from chatbots import Chatbots
from chatbots.realtime.failures import Peer
from chatbots.realtime.transport import HandshakeResponse, Limits

T = TypeVar("T")


class TinyDialer:
    """Opens sockets; see `WebSocketDialer`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    async def dial(self, url: str, headers: Mapping[str, str]) -> TinyConn:
        """Open a socket."""
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
    """A socket as messages; see `WebSocketConn`."""

    def __init__(self, socket: ClientConnection, peer: Peer, limits: Limits) -> None:
        self.socket, self.peer, self.limits, self.closed = socket, peer, limits, False

    async def read_message(self) -> str | bytes:
        """Return the next message."""
        return await self.told(self.socket.recv())

    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        """Send one message, or drop a peer that takes nothing."""
        with anyio.move_on_after(self.limits.send):
            return await self.told(self.socket.send(data, text=not binary))
        self.socket.transport.abort()
        raise self.peer.stuck(self.limits.send)

    async def ping(self) -> None:
        """Wait for a sign of life."""
        with anyio.move_on_after(self.limits.pong):
            await (await self.socket.ping())
            return
        raise self.peer.failed(1011)

    async def close(self) -> None:
        """End the connection, in time."""
        self.closed = True
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self.limits.close):
                await self.socket.close()
            self.socket.transport.abort()
            await self.socket.wait_closed()

    def response(self) -> HandshakeResponse:
        """Return what the server answered."""
        answer = self.socket.response
        assert answer is not None  # noqa: S101 - the handshake is over
        return HandshakeResponse(101, {n.lower(): v for n, v in answer.headers.raw_items()})

    async def told(self, doing: Awaitable[T]) -> T:
        """Return what comes of *doing* something, and say what its failure means."""
        try:
            return await doing
        except ConnectionClosed as error:
            if self.closed:
                raise anyio.ClosedResourceError from None
            first = error.rcvd_then_sent
            raise self.peer.ended(error.rcvd, error.sent, theirs_first=first) from None


async def main(question: str) -> None:
    """Ask over sockets of one's own."""
    async with Chatbots(dialer=TinyDialer(Limits())) as bots:
        reply = await bots.realtime().ask(question)
        print(reply.text)


if __name__ == "__main__":
    anyio.run(main, " ".join(sys.argv[1:]) or "What is a river?")
