from __future__ import annotations

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.faults.names import find
from chatbots.testing.realtime.faults import FAULTS
from tests.testing.realtime.client import address, session, spoken


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_says_what_it_does(name: str) -> None:
    assert FAULTS[name].about
    assert find(f"{name}:3" if FAULTS[name].unit else name).fault.about


@pytest.mark.parametrize(("fault", "status"), [("hs-401", 401), ("hs-429:7", 429), ("hs-503", 503)])
async def test_a_handshake_can_be_refused_and_the_next_is_not(fault: str, status: int) -> None:
    async with FakeOpenAI() as fake:
        fake.fault(fault)
        with pytest.raises(InvalidStatus) as caught:
            await connect(address(fake))
        assert caught.value.response.status_code == status
        after = caught.value.response.headers.get("retry-after")
        assert after == ("7" if status == 429 else None)
        async with session(fake) as client:
            assert spoken(await client.asks()) == "Hi"
        assert fake.calls[0].fault == fault.partition(":")[0]


async def test_a_handshake_can_be_answered_by_nothing_or_nonsense() -> None:
    async with FakeOpenAI(faults="hs-hang,hs-bad-accept,ok") as fake:
        with pytest.raises(TimeoutError):
            await connect(address(fake), open_timeout=0.1)
        with pytest.raises(InvalidHandshake):
            await connect(address(fake))
        async with session(fake) as client:
            assert spoken(await client.asks()) == "Hi"


async def test_a_fault_that_does_not_exist_is_told() -> None:
    async with FakeOpenAI() as fake:
        with pytest.raises(InvalidStatus) as caught:
            await connect(address(fake, "/v1/realtime?model=fault:nonsense"))
        assert caught.value.response.status_code == 404
