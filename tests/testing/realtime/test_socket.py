from __future__ import annotations

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake

from chatbots.testing.fake_openai import FakeOpenAI
from tests.testing.realtime.client import address, session, spoken


async def test_fragments_are_one_message_and_pings_get_their_pong() -> None:
    async with FakeOpenAI() as fake, session(fake) as client:
        await client.socket.send(['{"type":"input_audio', '_buffer.clear"}'])
        assert await client.until("input_audio_buffer.cleared")
        pong = await client.socket.ping()
        with anyio.fail_after(20):
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


async def test_pings_can_be_left_without_a_pong() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("no-pong")
        async with session(fake) as client:
            pong = await client.socket.ping()
            assert spoken(await client.asks()) == "Hi"
            with anyio.move_on_after(0.05) as waiting:
                await pong
            assert waiting.cancelled_caught


async def test_a_handshake_can_be_answered_by_nonsense() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("hs-bad-accept")
        with pytest.raises(InvalidHandshake):
            await connect(address(fake))


async def test_pings_raw_bytes_and_a_close_can_be_sent() -> None:
    async with FakeOpenAI() as fake, session(fake) as client:
        fake.fault("ping-flood:3,binary-frame,close-4000")
        assert spoken(await client.asks()) == "Hi"
        assert spoken(await client.asks()) == "Hi"
        await client.send("response.create")
        await client.socket.wait_closed()
        assert client.socket.close_code == 4000


async def test_who_is_told_something_may_be_gone() -> None:
    """The server notices it by writing, or by reading: either ends the session."""
    async with FakeOpenAI() as fake:
        send, pieces = anyio.create_memory_object_stream[str](100)
        fake.answer(pieces)
        async with session(fake) as client:
            await client.send("response.create")
            await client.until("response.created")
            client.socket.transport.abort()
            for _ in range(50):
                send.send_nowait("more")
            await fake.until(lambda: not fake.talks[0].open)
        send.close()
        pieces.close()


async def test_nothing_is_said_on_a_socket_that_closes() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("masked-frame,masked-frame")
        async with session(fake) as client:
            await client.send("response.create")
            await client.says("Hi")
            await client.send("response.create")
            await client.socket.wait_closed()
        await fake.until(lambda: not fake.talks[0].open)
