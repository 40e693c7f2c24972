"""A WebSocket server that behaves, or misbehaves, as the path of a URL tells it to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import unquote, urlsplit

import anyio
from msgspec import Struct, field
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

HOST: Final = "127.0.0.1"


class Handshake(Struct, frozen=True):
    """What came in a handshake: the *path* with its query, and headers by names in lower case."""

    path: str
    headers: dict[str, str]


class SocketPeer(Struct):
    """A server at *url*; `seen` are the handshakes that came, `open` the sockets there are.

    /echo answers each message with itself; /tell/A/B/C says A, B and C at once; /large/N sends a
    message of N bytes; /close/CODE/REASON ends the session once something was said; /drop does
    so without a word; /deaf reads nothing; /mute answers nothing, no farewell either;
    /status/CODE/TEXT refuses; /redirect leads to /echo.
    """

    url: str = ""
    seen: list[Handshake] = field(default_factory=list[Handshake])
    open: set[ServerConnection] = field(default_factory=set[ServerConnection])

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        """Note the handshake, and refuse it if its path says so."""
        fields = {name.lower(): value for name, value in request.headers.raw_items()}
        self.seen.append(Handshake(request.path, fields))
        way, *words = _words(request.path)
        if way not in ("status", "redirect"):
            return None
        response = socket.respond(int(words[0]) if words else 302, "/".join(words[1:]))
        if way == "redirect":
            response.headers["Location"] = "/echo"
        response.headers["Retry-After"] = "7"
        return response

    async def serve(self, socket: ServerConnection) -> None:
        """Do what the path says."""
        assert socket.request is not None  # noqa: S101 - the handshake is over
        way, *words = _words(socket.request.path)
        self.open.add(socket)
        with suppress(ConnectionClosed):
            if way == "tell":
                for word in words:
                    await socket.send(word)
            elif way == "large":
                await socket.send("x" * int(words[0]))
            elif way == "mute":
                socket.data_received = _nothing  # type: ignore[method-assign,assignment]  # silent
                await socket.wait_closed()
            elif way == "deaf":
                socket.transport.pause_reading()
                await socket.wait_closed()
            async for message in socket:
                if way == "close":
                    await socket.close(int(words[0]), "/".join(words[1:]))
                elif way == "drop":
                    socket.transport.abort()
                else:
                    await socket.send(message)
        self.open.discard(socket)


def _nothing(_: bytes) -> None:
    """Take no notice."""


def _words(path: str) -> list[str]:
    return [unquote(word) for word in urlsplit(path).path.strip("/").split("/")]


@asynccontextmanager
async def socket_peer() -> AsyncGenerator[SocketPeer]:
    """Run a server on loopback."""
    peer = SocketPeer()
    server: Server
    async with serve(
        peer.serve,
        HOST,
        0,
        process_request=peer.answer,
        compression=None,
        max_size=None,
        ping_interval=None,
        close_timeout=0.1,
    ) as server:
        peer.url = f"ws://{HOST}:{next(iter(server.sockets)).getsockname()[1]}"
        try:
            yield peer
        finally:
            for socket in list(peer.open):
                socket.transport.abort()
            with anyio.CancelScope(shield=True):
                server.close()
                await server.wait_closed()


@asynccontextmanager
async def silent_listener() -> AsyncGenerator[tuple[str, anyio.Event]]:
    """Take connections and say nothing; yield the URL, and what is set when one has ended."""
    ended = anyio.Event()

    async def hold(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    await stream.receive()
        ended.set()

    listener = await anyio.create_tcp_listener(local_host=HOST)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - anyio's typed attributes
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, hold)
        yield f"ws://{HOST}:{port}", ended
        group.cancel_scope.cancel()
