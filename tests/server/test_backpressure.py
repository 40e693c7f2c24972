"""From the client's socket to the upstream's: what is not read is not fetched."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import pytest
from websockets.asyncio.client import connect

from chatbots import Chatbots, Settings
from chatbots.testing import FakeOpenAI
from tests.server.peer import serving, user

PIECE = "x" * 1000


class Endless:
    """An answer without an end, and how much of it was fetched."""

    def __init__(self) -> None:
        self.fetched = 0

    async def pieces(self) -> AsyncIterator[str]:
        while True:
            self.fetched += 1
            yield PIECE

    async def rests(self) -> None:
        """Return when nothing is fetched any more."""
        before = -1
        while before != self.fetched:
            before = self.fetched
            await anyio.sleep(0.3)


@pytest.mark.slow
@pytest.mark.checklist(202)
@pytest.mark.usefixtures("time_flies")
async def test_upstream_is_read_no_faster_than_the_client_reads() -> None:
    answer = Endless()
    async with FakeOpenAI(send_buffer=4096) as fake:
        settings = Settings(openai_api_key="k", openai_base_url=fake.base_url, db_type="memory")
        async with (
            Chatbots(settings) as bots,
            serving(bots.asgi()) as (_, address),
            connect(f"ws://{address}/ws", max_queue=1) as client,
        ):
            fake.answer(answer.pieces())
            frame = {"type": "chat_completion_stream", "request_id": "r", "payload": user("Hi")}
            await client.send(json.dumps(frame))
            call = await fake.wait_for_call()
            await client.recv()
            client.transport.pause_reading()
            with anyio.fail_after(20):
                await answer.rests()
            assert call.blocked
            client.transport.resume_reading()
            await client.send(
                json.dumps({"type": "cancel", "request_id": "c", "payload": {"request_id": "r"}})
            )
            await fake.wait_for_hangup(call)
            client.transport.abort()
