"""A realtime server by hand: each connection does what a function says."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from chatbots.realtime.address import Address
from chatbots.realtime.events import server
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.registry import write
from chatbots.realtime.events.session import Session


class Socket:
    """One connection, as the server has it; `heard` is all that the client said."""

    def __init__(self, socket: ServerConnection, number: int) -> None:
        self.socket = socket
        self.number = number
        self.heard: list[dict[str, Any]] = []

    async def say(self, *events: ServerEvent | str) -> None:
        for event in events:
            await self.socket.send(event if isinstance(event, str) else write(event).decode())

    async def hear(self, *kinds: str) -> dict[str, Any]:
        """Return the next message, which is of that kind, or the next one of these kinds."""
        while True:
            self.heard.append(json.loads(await self.socket.recv()))
            if not kinds or self.heard[-1]["type"] in kinds:
                return self.heard[-1]

    async def begin(self, *, expires_at: int | None = None) -> None:
        """Say that the session is there, and take its configuration if there is one."""
        session = Session(id=f"sess_{self.number}")
        if expires_at is not None:
            session = Session(id=f"sess_{self.number}", expires_at=expires_at)
        await self.say(server.SessionCreated(session=session))


Play = Callable[[Socket], Awaitable[None]]


class Stage:
    """Where the server is, and the connections that came."""

    def __init__(self) -> None:
        self.address = Address()
        self.sockets: list[Socket] = []


@asynccontextmanager
async def playing(*plays: Play) -> AsyncGenerator[Stage]:
    """Let each connection be served by its play, those beyond by the last."""
    stage = Stage()

    async def one(socket: ServerConnection) -> None:
        number = len(stage.sockets)
        stage.sockets.append(Socket(socket, number + 1))
        with suppress(ConnectionClosed):
            await plays[min(number, len(plays) - 1)](stage.sockets[-1])
            await socket.wait_closed()

    async with serve(
        one, "127.0.0.1", 0, compression=None, close_timeout=0.1, ping_interval=None
    ) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        stage.address = Address(key="sk-canary-0123", base_url=f"http://127.0.0.1:{port}/v1")
        yield stage
