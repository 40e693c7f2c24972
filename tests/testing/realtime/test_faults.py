from __future__ import annotations

from chatbots.testing.fake_openai import FakeOpenAI
from tests.testing.realtime.client import session


async def test_a_session_can_be_closed_in_place_of_an_answer() -> None:
    async with FakeOpenAI() as fake, session(fake) as client:
        fake.fault("close-1011")
        await client.send("response.create")
        await client.socket.wait_closed()
        assert client.socket.close_code == 1011
