"""The server that is abused: real sockets, two users, a model that does as it is told."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import anyio

from chatbots.app import Chatbots
from chatbots.gates import gate_of
from chatbots.server import rates, sockets
from chatbots.server.gate import Gate
from chatbots.server.serving import Server, listen
from chatbots.server.tokens import TokenFile
from chatbots.settings import Settings
from chatbots.testing import FakeOpenAI
from chatbots.tools.builtin import BUILTIN, builtin
from chatbots.tools.registry import ToolRegistry
from chatbots.tools.tool import tool
from tests.abuse.raw import Answer, Peer, connection
from tests.faults.upstream import CANARY

SOON: Final = 0.3
"""Seconds in place of the deadlines that the cases wait for."""
LIVELY: Final[dict[str, Any]] = {"server_rate": 10**6, "server_burst": 10**6}
"""Settings for who may ask as often as they like."""
CHAT: Final = "chat_completion"
STREAM: Final = "chat_completion_stream"


@tool
def private() -> str:
    """Do what no client may have done."""
    return "done"


class House:
    """A server that runs, its users' tokens, and who answers upstream."""

    def __init__(self, port: int, gate: Gate, file: TokenFile, fake: FakeOpenAI) -> None:
        self.port = port
        self.gate = gate
        self.file = file
        self.fake = fake
        self.tokens: dict[str, str] = {}

    def headers(self, user: str | None) -> dict[str, str]:
        """Return what a user sends to be let in."""
        return {} if user is None else {"Authorization": f"Bearer {self.tokens[user]}"}

    @asynccontextmanager
    async def client(self, user: str | None = "ada") -> AsyncGenerator[Peer]:
        """Open a socket for *user*, who is let in."""
        async with connection(self.port) as peer:
            answer = await peer.open(self.headers(user))
            assert answer.status == 101, answer
            yield peer

    async def knock(self, headers: Mapping[str, str], path: str = "/ws") -> Answer:
        """Return what is said to a handshake with *headers*."""
        async with connection(self.port) as peer:
            return await peer.open(headers, path)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return what a plain GET is answered."""
        return await self.knock({"Connection": "close", "Upgrade": ""} | dict(headers or {}), path)


@asynccontextmanager
async def house(
    *, guarded: bool = True, hasty: bool = False, **settings: Any
) -> AsyncGenerator[House]:
    """Serve as *settings* say, with tokens for ada and eve where it is *guarded*.

    *hasty*: a handshake has no more time than `SOON`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = TokenFile(folder / "tokens")
        tokens = {user: file.add(user) for user in ("ada", "eve")} if guarded else {}
        async with FakeOpenAI(api_key=CANARY) as fake:
            places = {"db_path": folder / "sessions.db", "server_tokens_file": file.path}
            chosen = Settings(
                openai_base_url=fake.base_url, openai_api_key=CANARY, **(places | settings)
            )
            gate = gate_of(chosen)
            async with Chatbots(chosen) as bots:
                application = bots.asgi(
                    tools=ToolRegistry([*map(builtin, BUILTIN), private]), guard=gate
                )
                server = Server(application, idle=chosen.server_read_timeout)
                with (
                    listen("127.0.0.1", 0) as socket,
                    mock.patch.object(sockets, "HANDSHAKE", SOON if hasty else 10.0),
                    mock.patch.object(sockets, "REFUSED", 0),
                    mock.patch.object(rates, "PAUSE", 0.002),
                ):
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(server.serve, [socket])
                        await server.ready.wait()
                        here = House(socket.getsockname()[1], gate, file, fake)
                        here.tokens = tokens
                        try:
                            yield here
                        finally:
                            application.hub.stop()
                            server.should_exit = server.force_exit = True
