from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from chatbots.errors import ProviderError
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.events import client
from chatbots.realtime.events.items import assistant_text
from chatbots.realtime.patience import Patience
from chatbots.realtime.pool import RealtimePool
from chatbots.realtime.session import RealtimeSession
from chatbots.realtime.websockets_transport import WebSocketsDialer
from tests.realtime.talking import Play, Socket, Stage, playing


async def rests(socket: Socket) -> None:
    await socket.begin()
    while (await socket.hear())["type"] != "input_audio_buffer.clear":
        pass
    await socket.socket.close(1008)


@asynccontextmanager
async def pool(size: int = 2, play: Play = rests) -> AsyncGenerator[tuple[RealtimePool, Stage]]:
    async with playing(play) as stage:

        def make(name: str, said: Conversation | None) -> RealtimeSession:
            return RealtimeSession(
                WebSocketsDialer(),
                stage.address,
                model=name,
                conversation=said,
                patience=Patience(first_tries=1),
            )

        async with RealtimePool(make, size=size) as all_of_them:
            yield all_of_them, stage
        for socket in stage.sockets:
            await socket.socket.wait_closed()


@pytest.mark.checklist(157, 174)
async def test_a_conversation_keeps_its_session() -> None:
    async with pool() as (sessions, stage):
        async with sessions.session("one") as first:
            assert first.conversation is not None
        async with sessions.session("two") as second, sessions.session("one") as again:
            assert again is first
            assert second is not first
    assert len(stage.sockets) == 2


async def test_one_uses_a_session_at_a_time() -> None:
    order: list[str] = []

    async def use(number: str) -> None:
        async with sessions.session("one"):
            order.append(f"in {number}")
            await anyio.sleep(0.01)
            order.append(f"out {number}")

    async with pool() as (sessions, _), anyio.create_task_group() as group:
        group.start_soon(use, "a")
        group.start_soon(use, "b")
    assert order in (["in a", "out a", "in b", "out b"], ["in b", "out b", "in a", "out a"])


@pytest.mark.checklist(157)
async def test_the_one_used_least_recently_makes_room() -> None:
    async with pool() as (sessions, stage):
        async with sessions.session("one") as first, sessions.session("two"):
            pass
        async with sessions.session("one"):
            pass
        async with sessions.session("three"):
            assert [one.socket.close_code is None for one in stage.sockets] == [True, False, True]
        async with sessions.session("one") as again:
            assert again is first


@pytest.mark.checklist(157, 174)
async def test_where_all_are_in_use_one_waits() -> None:
    got = anyio.Event()

    async def use() -> None:
        async with sessions.session("two"):
            got.set()

    async with pool(size=1) as (sessions, stage), anyio.create_task_group() as group:
        async with sessions.session("one"):
            group.start_soon(use)
            await anyio.sleep(0.02)
            assert not got.is_set()
        await got.wait()
    assert len(stage.sockets) == 2


@pytest.mark.checklist(157)
async def test_a_session_that_is_over_is_replaced_and_told_what_was_said() -> None:
    async with pool() as (sessions, stage):
        async with sessions.session("one") as first:
            first.conversation.add(assistant_text("Hello", id="item_1"))
            everything = first.outcomes()
            await first.send(client.InputAudioBufferClear())
            with pytest.raises(Exception, match="policy"):
                [one async for one in everything]
        async with sessions.session("one") as second:
            assert second is not first
            assert second.conversation is first.conversation
            await second.send(client.InputAudioBufferClear())
            with pytest.raises(Exception, match="policy"):
                [one async for one in second.events()]
        assert [event["item"]["id"] for event in stage.sockets[1].heard if "item" in event] == [
            "item_1"
        ]


async def test_a_session_that_cannot_be_made_takes_no_place() -> None:
    def make(name: str, said: Conversation | None) -> RealtimeSession:
        raise ValueError(name)

    async with RealtimePool(make, size=1) as sessions:
        for name in ("one", "two"):
            with pytest.raises(ValueError, match=name):
                async with sessions.session(name):
                    pass


async def test_a_session_that_cannot_be_opened_takes_no_place() -> None:
    async def fails(socket: Socket) -> None:
        if socket.number == 1:
            await socket.socket.close(1011)
        await rests(socket)

    async with pool(1, fails) as (sessions, _):
        with pytest.raises(ProviderError):
            async with sessions.session("one"):
                pass
        async with sessions.session("two") as session:
            assert session.id == "sess_2"
