from __future__ import annotations

import time

import anyio
import openai
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from chatbots.testing.fake_openai import FakeOpenAI
from tests.testing.realtime.client import address, session, spoken


async def test_the_beta_dialect_is_spoken_where_it_is_asked_for() -> None:
    async with FakeOpenAI() as fake:
        async with session(fake, openai_beta="realtime=v1") as client:
            assert (await client.asks(modalities=["text"]))[-2][
                "type"
            ] == "response.output_item.done"
        dated = "/openai/realtime?api-version=2024-10-01-preview&deployment=mine"
        async with connect(address(fake, dated)):
            await fake.until(lambda: len(fake.talks) == 2)
        first, second = fake.talks
        assert (first.dialect, second.dialect, second.model) == ("beta", "beta", "mine")
        assert first.sent[1]["type"] == "conversation.created"


async def test_azure_speaks_of_today_has_its_own_path() -> None:
    path = "/openai/v1/realtime?model=any"
    async with FakeOpenAI(api_key="secret") as fake, session(fake, path, api_key="secret"):
        assert fake.talks[0].dialect == "ga"


async def test_a_browser_has_its_key_in_a_subprotocol() -> None:
    async with FakeOpenAI(api_key="secret") as fake:
        offered = ["realtime", "openai-insecure-api-key.secret", "openai-beta.realtime-v1"]
        async with connect(address(fake), subprotocols=offered) as socket:  # type: ignore[arg-type]  # plain texts
            assert socket.subprotocol == "realtime"
        assert fake.talks[0].dialect == "beta"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/realtime", 400), ("/v1/realtime?model=other", 404)],
)
async def test_a_session_needs_a_model_that_there_is(path: str, status: int) -> None:
    async with FakeOpenAI(models=["any"]) as fake:
        with pytest.raises(InvalidStatus) as caught:
            await connect(address(fake, path))
        assert caught.value.response.status_code == status


async def test_a_session_needs_the_key_or_a_secret() -> None:
    async with FakeOpenAI(api_key="secret") as fake:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
            with pytest.raises(InvalidStatus) as caught:
                await connect(address(fake), additional_headers=headers)
            assert caught.value.response.status_code == 401
        client = openai.AsyncOpenAI(base_url=fake.base_url, api_key="secret")
        secret = await client.realtime.client_secrets.create(
            session={"type": "realtime", "model": "any", "instructions": "Be brief."},
            expires_after={"anchor": "created_at", "seconds": 60},
        )
        assert 50 < secret.expires_at - time.time() < 70
        assert secret.session.type == "realtime"
        assert secret.session.instructions == "Be brief."
        key = {"Authorization": f"Bearer {secret.value}"}
        async with connect(address(fake, "/v1/realtime"), additional_headers=key):
            await fake.until(lambda: bool(fake.talks))
        assert fake.talks[0].sent[0]["session"]["instructions"] == "Be brief."
        assert fake.talks[0].model == "any"
        assert 3500 < fake.talks[0].sent[0]["session"]["expires_at"] - time.time() < 3700
        await client.close()


async def test_a_session_of_the_beta_dialect_is_made_over_rest() -> None:
    async with FakeOpenAI() as fake:
        client = openai.AsyncOpenAI(base_url=fake.base_url, api_key="any")
        made = await client.beta.realtime.sessions.create(model="gpt-4o-realtime-preview")
        assert made.client_secret.value.startswith("ek_")
        assert made.modalities == ["audio", "text"]
        await client.close()
        name = f"/v1/realtime?session_id={(made.model_extra or {})['id']}"
        async with connect(address(fake, name)):
            await fake.until(lambda: bool(fake.talks))
        assert fake.talks[0].model == "gpt-4o-realtime-preview"


async def test_a_session_that_only_transcribes_needs_no_model() -> None:
    async with FakeOpenAI() as fake:
        async with connect(address(fake, "/v1/realtime?intent=transcription")):
            await fake.until(lambda: bool(fake.talks))
        assert fake.talks[0].sent[0]["session"]["type"] == "transcription"


async def test_what_is_no_handshake_is_told_so() -> None:
    async with FakeOpenAI() as fake:
        client = openai.AsyncOpenAI(base_url=fake.base_url, api_key="any", max_retries=0)
        with pytest.raises(openai.APIStatusError) as caught:
            await client.get("/realtime?model=any", cast_to=object)
        assert caught.value.status_code == 426
        await client.close()
    assert fake.talks == []


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


async def test_pongs_are_left_out_where_that_is_the_fault() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("no-pong,ok")
        for deaf in (True, False):
            async with session(fake) as client:
                pong = await client.socket.ping()
                await client.send("input_audio_buffer.clear")
                await client.until("input_audio_buffer.cleared")
                with anyio.move_on_after(0.05 if deaf else 5) as waiting:
                    await pong
                assert waiting.cancelled_caught == deaf
                await client.asks()
