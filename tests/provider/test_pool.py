"""Connections that are kept, replaced, bounded and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from anyio.lowlevel import checkpoint

from chatbots.provider.pool import Pool
from chatbots.provider.transport import read
from chatbots.testing import FakeOpenAI
from chatbots.testing.http1 import Exchange

PATIENCE = httpx2.Timeout(5.0)


def request(base: httpx2.URL, said: str = "Hi") -> bytes:
    body = b'{"model":"m","messages":[{"role":"user","content":"%s"}]}' % said.encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {base.netloc.decode()}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def pool_on(
    fake: FakeOpenAI, *, most: int = 10, idle: int = 10, expiry: float | None = 60.0
) -> AsyncIterator[Pool]:
    limits = httpx2.Limits(
        max_connections=most, max_keepalive_connections=idle, keepalive_expiry=expiry
    )
    pool = Pool(httpx2.URL(fake.base_url), None, limits)
    try:
        with anyio.fail_after(20):
            yield pool
    finally:
        pool.close()
        await checkpoint()


async def ask(pool: Pool, said: str = "Hi") -> bytes:
    answer = await pool.ask(request(pool.url, said), PATIENCE)
    try:
        return await read(answer, 1 << 30)
    finally:
        await answer.aclose()


async def test_a_connection_serves_one_request_after_the_other() -> None:
    async with FakeOpenAI() as fake, pool_on(fake) as pool:
        for _ in range(3):
            assert b"Hi" in await ask(pool)
        assert fake.connections == 1


async def test_requests_at_the_same_time_have_a_connection_each() -> None:
    async with FakeOpenAI() as fake, pool_on(fake) as pool:
        hold = anyio.Event()
        for _ in range(2):
            fake.answer("x", hold=hold)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(ask, pool)
            await fake.wait_for_call(2)
            hold.set()
        assert fake.connections == 2


@pytest.mark.usefixtures("time_flies")
async def test_an_answer_that_is_left_closes_its_connection() -> None:
    async with FakeOpenAI() as fake, pool_on(fake) as pool:
        say, pieces = anyio.create_memory_object_stream[str](1)
        with say, pieces:
            fake.answer(pieces)
            with anyio.move_on_after(0.05):
                await ask(pool)
            await fake.wait_for_hangup(fake.calls[0])
        assert b"Hi" in await ask(pool)
        assert fake.connections == 2


@pytest.mark.parametrize("kept", [1, 3])
async def test_a_kept_connection_the_server_has_closed_is_replaced_unnoticed(kept: int) -> None:
    async def close(exchange: Exchange) -> None:
        exchange.reset()

    async with FakeOpenAI() as fake, pool_on(fake) as pool:
        hold = anyio.Event()
        for _ in range(kept):
            fake.answer("x", hold=hold)
        async with anyio.create_task_group() as group:
            for _ in range(kept):
                group.start_soon(ask, pool)
            await fake.wait_for_call(kept)
            hold.set()
        # The server hangs up just as the next request comes, before it has answered a byte.
        fake.play(close)
        assert b"again" in await ask(pool, "again")
        assert fake.connections == kept + 1
        assert len(fake.calls) == kept + 2


async def test_a_new_connection_that_breaks_is_not_replaced() -> None:
    async def close(exchange: Exchange) -> None:
        exchange.reset()

    async with FakeOpenAI() as fake, pool_on(fake) as pool:
        fake.play(close)
        with pytest.raises(httpx2.ReadError):
            await ask(pool)
        assert len(fake.calls) == 1


async def test_a_kept_connection_that_breaks_in_the_answer_is_not_replaced() -> None:
    async def half_a_head(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200")

    async with FakeOpenAI() as fake, pool_on(fake) as pool:
        await ask(pool)
        fake.play(half_a_head)
        with pytest.raises(httpx2.ReadError):
            await ask(pool)
        assert len(fake.calls) == 2


async def test_idle_connections_are_closed_in_time() -> None:
    async with FakeOpenAI() as fake, pool_on(fake, expiry=0.01) as pool:
        await ask(pool)
        await fake.until(lambda: fake.open_connections == 0)
        await ask(pool)
        assert fake.connections == 2


async def test_where_none_may_be_kept_each_request_has_its_own() -> None:
    async with FakeOpenAI() as fake, pool_on(fake, idle=0) as pool:
        for _ in range(2):
            await ask(pool)
        assert fake.connections == 2
        await fake.until(lambda: fake.open_connections == 0)


async def test_a_full_pool_is_waited_for_but_not_forever() -> None:
    async with FakeOpenAI() as fake, pool_on(fake, most=1) as pool:
        hold = anyio.Event()
        fake.answer("x", hold=hold)
        async with anyio.create_task_group() as group:
            group.start_soon(ask, pool)
            await fake.wait_for_call()
            with pytest.raises(httpx2.PoolTimeout):
                await pool.ask(request(pool.url), httpx2.Timeout(5.0, pool=0.01))
            group.start_soon(ask, pool)
            await anyio.wait_all_tasks_blocked()
            assert len(fake.calls) == 1
            hold.set()
        assert len(fake.calls) == 2
        assert fake.connections == 1


async def test_a_failure_gives_its_place_back() -> None:
    async with FakeOpenAI() as fake:
        limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1)
        url = httpx2.URL(fake.base_url)
    pool = Pool(url, None, limits)
    for _ in range(2):
        with pytest.raises(httpx2.ConnectError, match=str(url.port)):
            await pool.ask(request(url), PATIENCE)


async def test_a_host_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*where: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr("chatbots.provider.connection.Connection.to", never)
    pool = Pool(httpx2.URL("http://127.0.0.1:1/v1"), None, httpx2.Limits(max_connections=1))
    with pytest.raises(httpx2.ConnectTimeout):
        await pool.ask(b"", httpx2.Timeout(5.0, connect=0.01))


async def test_a_closed_pool_keeps_nothing() -> None:
    async with FakeOpenAI() as fake, pool_on(fake) as pool:
        await ask(pool)
        pool.close()
        await fake.until(lambda: fake.open_connections == 0)
        await ask(pool)
        await fake.until(lambda: fake.open_connections == 0)
