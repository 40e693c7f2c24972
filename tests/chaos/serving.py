"""The bots, in the process that is killed: JSON lines over a socket, each connection one request.

python -m tests.chaos.serving CONFIG
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final
from unittest import mock

import anyio
import msgspec
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from msgspec import Struct

from chatbots import Chatbots, ChatError, Settings, TextDelta, tool
from chatbots.deltas import Done, Failed, Notice
from chatbots.sessions.sqlite import schema
from tests.chaos.asked import PING, Asked
from tests.chaos.breaks import BREAKS
from tests.chaos.steps import dying_at

LONGEST: Final = 1 << 20


class Config(Struct):
    """What a process is told at its start; `dies` at which step, the how manyth time.

    `patience` is how many seconds SQLite waits for a lock.
    """

    db: str
    base_url: str
    port: int
    tools: str
    guard: str | None = None
    dies: tuple[str, int] | None = None
    patience: float | None = None


class Said(Struct, omit_defaults=True):
    """What a client is told: a piece of text, or how it ended."""

    text: str = ""
    replayed: bool = False
    end: str = ""
    stored: bool = True
    code: str = ""
    retryable: bool = False


async def main(given: str) -> None:
    """Serve until killed."""
    config = msgspec.json.decode(given, type=Config)
    noted = os.open(config.tools, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @tool
    async def note(request_id: str) -> str:
        """Note that a request was made.

        Args:
            request_id: the request
        """
        os.write(noted, f"{request_id}\n".encode())
        await anyio.sleep(0.05)
        return "noted"

    settings = Settings(
        openai_base_url=config.base_url, openai_api_key="any", db_path=Path(config.db)
    )
    with ExitStack() as stack:
        if config.guard is not None and config.guard in BREAKS:
            stack.enter_context(BREAKS[config.guard].off())
        if config.patience is not None:
            patience = mock.patch.object(schema, "BUSY_TIMEOUT", config.patience)
            stack.enter_context(patience)
        if config.dies is not None:
            stack.enter_context(dying_at(*config.dies))
        async with Chatbots(settings) as bots:
            listener = await anyio.create_tcp_listener(
                local_host="127.0.0.1", local_port=config.port
            )
            await listener.serve(partial(answer, bots, note))


async def answer(bots: Chatbots, note: object, client: SocketStream) -> None:
    """Answer the one request of a connection, and stop when the client is gone."""
    async with client:
        lines = BufferedByteReceiveStream(client)
        try:
            asked = msgspec.json.decode(await lines.receive_until(b"\n", LONGEST), type=Asked)
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            return
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hang_up, client, tasks.cancel_scope)
                await tell(bots, note, asked, client)
                tasks.cancel_scope.cancel()


async def hang_up(client: SocketStream, scope: anyio.CancelScope) -> None:
    """Cancel when the client is gone."""
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await client.receive()
    scope.cancel()


async def tell(bots: Chatbots, note: object, asked: Asked, client: SocketStream) -> None:
    """Answer, delta by delta."""
    if asked.prompt == PING:
        await client.send(msgspec.json.encode(Said(end=PING)) + b"\n")
        return
    bot = {"memory": bots.memory, "streaming": bots.streaming}[asked.bot](
        session=asked.session, request_id=asked.request_id, tools=[note], timeout=60
    )
    try:
        async with bot.stream(asked.prompt) as deltas:
            async for delta in deltas:
                match delta:
                    case TextDelta(text):
                        said = Said(text=text)
                    case Notice("replayed"):
                        said = Said(replayed=True)
                    case Done(state=state, stored=stored):
                        said = Said(end=state, stored=stored)
                    case Failed():
                        continue  # it raises next
                    case _:
                        continue
                await client.send(msgspec.json.encode(said) + b"\n")
    except ChatError as error:
        said = Said(end="failed", code=error.code, retryable=error.retryable)
        await client.send(msgspec.json.encode(said) + b"\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
