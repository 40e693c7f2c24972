from __future__ import annotations

import gc
import socket
from urllib.parse import urlsplit

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

from chatbots.testing.answers import Answer
from chatbots.testing.calls import Call
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.http1 import Exchange
from chatbots.testing.requests import ChatRequest

SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]


def sdk(fake: FakeOpenAI) -> AsyncOpenAI:
    """Make a client that is foreign to the fake: the judge of what it says."""
    return AsyncOpenAI(base_url=fake.base_url, api_key="sk-any", max_retries=0, timeout=10)


async def whole(client: AsyncOpenAI) -> ChatCompletion:
    return await client.chat.completions.create(model="m", messages=SAID)


async def streamed(client: AsyncOpenAI) -> AsyncStream[ChatCompletionChunk]:
    return await client.chat.completions.create(model="m", messages=SAID, stream=True)


async def test_ten_calls_use_one_connection() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        for _ in range(10):
            await whole(client)
        assert fake.connections == 1
        assert [call.number for call in fake.calls] == list(range(1, 11))


async def test_a_call_is_recorded_as_it_was_sent() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        await whole(client)
        call = fake.calls[0]
        assert (call.method, call.path) == ("POST", "/v1/chat/completions")
        assert call.json == {"model": "m", "messages": SAID}
        assert call.headers["authorization"] == "Bearer sk-any"


async def test_a_rule_answers_where_nothing_is_queued() -> None:
    def shout(request: ChatRequest) -> Answer:
        return Answer(text=request.last_said.upper())

    async with FakeOpenAI(rule=shout) as fake, sdk(fake) as client:
        reply = await whole(client)
        assert reply.choices[0].message.content == "HI"


async def test_a_client_that_leaves_a_stream_is_seen_to_hang_up() -> None:
    send, pieces = anyio.create_memory_object_stream[str]()
    async with FakeOpenAI() as fake, sdk(fake) as client, send:
        fake.answer(pieces)
        async with await streamed(client):
            call = await fake.wait_for_call()
        with anyio.fail_after(20):
            await fake.wait_for_hangup(call)
        assert call.hung_up
        assert call.finished is None
        await whole(client)
        assert fake.connections == 2


async def test_waiting_for_a_hangup_that_cannot_come_says_so() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        await whole(client)
        with anyio.fail_after(20), pytest.raises(AssertionError, match="did not hang up"):
            await fake.wait_for_hangup(fake.calls[0])


async def test_a_closed_client_leaves_no_connection() -> None:
    async with FakeOpenAI() as fake:
        async with sdk(fake) as client:
            await whole(client)
            assert fake.open_connections == 1
        with anyio.fail_after(20):
            await fake.until(lambda: fake.open_connections == 0)


async def test_many_calls_at_once_are_all_answered() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:

        async def ask(said: str) -> None:
            stream = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": said}], stream=True
            )
            texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
            assert "".join(texts) == said

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(ask, f"This is number {number}.")
        assert len(fake.calls) == 30
        assert sorted(call.finished or 0 for call in fake.calls) == list(range(1, 31))


async def test_the_port_can_be_chosen_and_had_again() -> None:
    async with FakeOpenAI() as fake:
        port = urlsplit(fake.base_url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"):
            async with FakeOpenAI(port=port):
                pass
    async with FakeOpenAI(port=port) as again:
        assert again.base_url == fake.base_url


async def test_nothing_is_left_when_it_ends_in_the_middle_of_an_answer() -> None:
    tasks_before = len(anyio.get_running_tasks())
    async with FakeOpenAI() as fake, anyio.create_task_group() as tasks:
        client = sdk(fake)
        fake.answer("never", hold=anyio.Event())

        async def ask() -> None:
            async with client:
                await whole(client)

        tasks.start_soon(ask)
        with anyio.fail_after(20):
            await fake.wait_for_call()
        tasks.cancel_scope.cancel()
    assert len(anyio.get_running_tasks()) == tasks_before
    async with httpx2.AsyncClient(trust_env=False) as late:
        with pytest.raises(httpx2.ConnectError):
            await late.get(fake.base_url + "/models")
    gc.collect()  # a socket left open would warn, and a warning is an error


async def test_it_may_end_before_anything_happened() -> None:
    async with FakeOpenAI():
        pass
    async with FakeOpenAI() as fake:
        port = urlsplit(fake.base_url).port
        assert port is not None
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        with anyio.fail_after(20):
            # Accepted, but not yet served.
            await fake.until(lambda: fake.connections == 1)
    with client:
        assert client.recv(1) == b""
    gc.collect()


async def test_the_tests_own_exception_comes_out_as_itself() -> None:
    with pytest.raises(ZeroDivisionError):
        async with FakeOpenAI():
            raise ZeroDivisionError


async def test_cancelling_the_test_ends_the_server() -> None:
    with anyio.move_on_after(0.05) as scope:
        async with FakeOpenAI():
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_faults_are_queued_like_answers() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.fault("429-s:7,500")
        fake.answer("Well.")
        with pytest.raises(openai.RateLimitError) as limited:
            await whole(client)
        assert limited.value.response.headers["retry-after"] == "7"
        with pytest.raises(openai.InternalServerError):
            await whole(client)
        assert (await whole(client)).choices[0].message.content == "Well."
        assert [call.fault for call in fake.calls] == ["429-s:7", "500", ""]


async def test_what_a_queued_fault_lets_through_is_the_rules_answer() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.fault("finish-length")
        reply = await whole(client)
        assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (
            "Hi",
            "length",
        )


async def test_an_answer_breaks_after_so_many_pieces() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("a b c", fault="midstream-eof", after=2)
        chunks = [chunk async for chunk in await streamed(client)]
        assert [c.choices[0].delta.content for c in chunks] == ["", "a", " b"]


async def test_a_fault_that_does_not_exist_is_refused_when_it_is_queued() -> None:
    async with FakeOpenAI() as fake:
        with pytest.raises(ValueError, match="No fault is called 'nope'"):
            fake.fault("500,nope")


async def test_a_player_can_answer_in_place_of_the_api() -> None:
    async def teapot(exchange: Exchange) -> None:
        await exchange.respond(418, b"", {})

    async with FakeOpenAI(player=teapot) as fake, sdk(fake) as client:
        with pytest.raises(openai.APIStatusError, match="418"):
            await whole(client)


async def test_the_log_gets_each_call_when_it_is_over() -> None:
    over: list[Call] = []
    async with FakeOpenAI(log=over.append) as fake, sdk(fake) as client:
        await whole(client)
        await fake.until(lambda: bool(over))
        assert over == fake.calls
