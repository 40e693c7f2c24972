from __future__ import annotations

import anyio
from websockets.asyncio.client import connect

from chatbots.testing.fake_openai import FakeOpenAI
from tests.testing.realtime.client import address, session


async def test_fragments_are_one_message_and_pings_get_their_pong() -> None:
    async with FakeOpenAI() as fake, session(fake) as client:
        await client.socket.send(['{"type":"input_audio', '_buffer.clear"}'])
        assert await client.until("input_audio_buffer.cleared")
        pong = await client.socket.ping()
        with anyio.fail_after(5):
            await pong


async def test_a_farewell_is_answered() -> None:
    async with FakeOpenAI() as fake:
        async with session(fake) as client:
            await client.socket.close(1000, "Bye.")
            assert client.socket.close_code == 1000
        await fake.until(lambda: not fake.talks[0].open)
        assert fake.calls[0].finished == 1


async def test_a_client_that_is_gone_ends_the_session() -> None:
    async with FakeOpenAI() as fake:
        async with session(fake) as client:
            client.socket.transport.abort()
            await fake.until(lambda: not fake.talks[0].open)
        assert fake.calls[0].hung_up


async def test_nonsense_ends_the_session_with_the_reason() -> None:
    async with FakeOpenAI() as fake, connect(address(fake)) as socket:
        socket.transport.write(b"\xff\xff\xff\xff")
        await socket.wait_closed()
        assert socket.close_code == 1002
