"""A realtime server by hand: each connection does what a function says."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from chatbots.realtime.address import Address
from chatbots.realtime.events import server
from chatbots.realtime.events.event import Dialect, ServerEvent
from chatbots.realtime.events.registry import write
from chatbots.realtime.events.session import Session
from tests.realtime.said import created, done, growing, mixed, said, text


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


def mixing(dialect: Dialect) -> Play:
    """Return the play of a response that talks and calls; one more follows the results."""

    def told(*events: ServerEvent) -> list[str]:
        return [write(event, dialect).decode() for event in events]

    async def play(socket: Socket) -> None:
        await socket.begin()
        if (await socket.hear("session.update", "response.create"))["type"] == "session.update":
            await socket.say(*told(server.SessionUpdated(session=Session())))
            await socket.hear("response.create")
        await socket.say(*told(*mixed()))
        await socket.hear("response.create")
        answer = [created("resp_2"), growing("item_3", "resp_2")]
        answer.append(text("It is 42.", item="item_3", response="resp_2"))
        answer.append(done(said("It is 42.", "item_3"), response_id="resp_2"))
        await socket.say(*told(*answer))

    return play


def asked(socket: Socket) -> list[str]:
    """Return what was asked: the ids of calls whose results came, and `create` for a response."""
    return [
        event["item"]["call_id"] if event["type"] == "conversation.item.create" else "create"
        for event in socket.heard
        if event["type"] == "response.create"
        or event.get("item", {}).get("type") == "function_call_output"
    ]


MIXED: Final = ["create", "call_1", "call_2", "create"]
"""What a client asks that is told a response which calls twice."""
