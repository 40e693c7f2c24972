from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
import h11
import pytest
from anyio.abc import SocketStream

from chatbots.testing.calls import Call
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.http1 import Exchange, Record

CHAT = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'


def post(body: bytes = CHAT, head: str = "") -> bytes:
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{head}"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


@asynccontextmanager
async def dial(fake: FakeOpenAI) -> AsyncGenerator[SocketStream]:
    """Open a plain TCP connection to the fake, for at most ten seconds."""
    port = urlsplit(fake.base_url).port
    assert port is not None
    with anyio.fail_after(10):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            yield stream


async def read_to_end(stream: SocketStream) -> bytes:
    received = b""
    try:
        while True:
            received += await stream.receive()
    except anyio.EndOfStream:
        return received


async def read_until(stream: SocketStream, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        received += await stream.receive()
    return received


async def no_content(exchange: Exchange) -> None:
    await exchange.respond(200, b"fine", {"content-type": "text/plain"})


async def test_one_connection_carries_many_requests() -> None:
    async with FakeOpenAI() as fake, dial(fake) as stream:
        for _ in range(3):
            fake.play(no_content)
            await stream.send(post())
            assert (await read_until(stream, b"fine")).startswith(b"HTTP/1.1 200 ")
        assert [call.connection for call in fake.calls] == [1, 1, 1]
        assert fake.connections == 1
        assert fake.open_connections == 1


async def test_two_requests_in_one_write_are_answered_in_order() -> None:
    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(no_content)
        await stream.send(post() + b"GET /v1/models/last HTTP/1.1\r\nhost: x\r\n\r\n")
        received = await read_until(stream, b'"owned_by":"chatbots-testing"}')
        assert received.index(b"fine") < received.index(b'"id":"last"')


async def test_a_client_that_asks_to_close_gets_an_end() -> None:
    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(no_content)
        await stream.send(post(head="connection: close\r\n"))
        assert (await read_to_end(stream)).endswith(b"\r\n\r\nfine")
        assert fake.open_connections == 0


async def test_a_request_in_single_bytes_is_still_a_request() -> None:
    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(no_content)
        for byte in post():
            await stream.send(bytes([byte]))
        await read_until(stream, b"fine")
        assert fake.calls[0].body == CHAT


async def test_a_client_that_waits_for_100_is_told_to_go_on() -> None:
    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(no_content)
        head, _, body = post(head="expect: 100-continue\r\n").partition(b"\r\n\r\n")
        await stream.send(head + b"\r\n\r\n")
        await read_until(stream, b"HTTP/1.1 100 \r\n\r\n")
        await stream.send(body)
        await read_until(stream, b"fine")


async def test_what_is_no_http_gets_a_400_and_an_end() -> None:
    async with FakeOpenAI() as fake, dial(fake) as stream:
        await stream.send(b"\x16\x03\x01 what?\r\n\r\n")
        assert (await read_to_end(stream)).startswith(b"HTTP/1.1 400 ")
        assert not fake.calls


async def test_a_client_that_leaves_in_the_middle_of_a_request_has_not_called() -> None:
    async with FakeOpenAI() as fake:
        async with dial(fake) as stream:
            await stream.send(post()[:-1])
        with anyio.fail_after(20):
            await fake.until(lambda: fake.connections == 1 and fake.open_connections == 0)
        assert not fake.calls


async def test_raw_bytes_go_out_as_they_are() -> None:
    async def lie(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 299 Odd\r\n\r\n\xff")

    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(lie)
        await stream.send(post())
        assert await read_to_end(stream) == b"HTTP/1.1 299 Odd\r\n\r\n\xff"
        assert fake.calls[0].sent_bytes == 21


async def test_a_connection_that_carried_raw_bytes_carries_no_other_request() -> None:
    async def babble(exchange: Exchange) -> None:
        await exchange.respond(200, b"fine", {})
        await exchange.raw(b"and more")

    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(babble)
        await stream.send(post())
        assert (await read_to_end(stream)).endswith(b"fineand more")


async def test_an_answer_can_be_said_bit_by_bit() -> None:
    async def spell(exchange: Exchange) -> None:
        await exchange.start(201, {"x-odd": "1"})
        await exchange.send(b"one")
        exchange.sent_chunk()
        await exchange.finish(b"two")

    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(spell)
        await stream.send(post())
        received = await read_until(stream, b"0\r\n\r\n")
        assert received == (
            b"HTTP/1.1 201 \r\nx-odd: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        )
        assert fake.calls[0].sent_bytes == len(received)
        assert fake.calls[0].sent_chunks == 1
        await stream.send(b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await read_until(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert fake.connections == 1


async def test_a_client_that_breaks_off_while_it_is_sent_to_has_hung_up() -> None:
    ready = anyio.Event()

    async def flood(exchange: Exchange) -> None:
        await exchange.start(200, {})
        with anyio.CancelScope(shield=True):  # only the failing send ends this
            await ready.wait()
            while True:
                await exchange.send(b"x" * 1024)

    async with FakeOpenAI() as fake:
        async with dial(fake) as stream:
            fake.play(flood)
            await stream.send(post())
            call = await fake.wait_for_call()
        ready.set()
        with anyio.fail_after(20):
            await fake.wait_for_hangup(call)
            await fake.until(lambda: fake.open_connections == 0)


async def test_an_answer_that_returns_early_ends_in_the_middle() -> None:
    async def stop(exchange: Exchange) -> None:
        await exchange.start(200, {"content-length": "10"})
        await exchange.send(b"half")

    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(stop)
        await stream.send(post())
        assert (await read_to_end(stream)).endswith(b"\r\n\r\nhalf")


async def test_a_reset_is_seen_as_a_reset() -> None:
    async def snap(exchange: Exchange) -> None:
        await exchange.start(200, {})
        exchange.reset()

    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(snap)
        await stream.send(post())
        with pytest.raises(anyio.BrokenResourceError):
            await read_to_end(stream)


async def test_a_client_that_hangs_up_stops_the_answer() -> None:
    async with FakeOpenAI() as fake:
        async with dial(fake) as stream:
            fake.play(lambda _: anyio.sleep_forever())
            await stream.send(post())
            call = await fake.wait_for_call()
        with anyio.fail_after(20):
            await fake.wait_for_hangup(call)
            await fake.until(lambda: fake.open_connections == 0)
        assert call.finished is None


async def test_a_client_that_reads_no_more_blocks_the_answer() -> None:
    offered: list[int] = []

    async def flood(exchange: Exchange) -> None:
        while True:
            offered.append(65536)
            await exchange.raw(b"x" * 65536)

    async with FakeOpenAI(send_buffer=4096) as fake:
        async with dial(fake) as stream:
            fake.play(flood)
            await stream.send(post())
            call = await fake.wait_for_call()
            # The client's own buffers fill first; then the server waits for good.
            await fake.until(lambda: call.blocked)
            still = 0
            while still < 3:  # once might be a machine that stood still
                before = call.sent_bytes
                await anyio.sleep(0.05)
                still = still + 1 if call.sent_bytes == before else 0
            assert call.blocked
            assert sum(offered) - 65536 < call.sent_bytes < sum(offered) < 16 * 1024 * 1024
        with anyio.fail_after(20):
            await fake.wait_for_hangup(call)
        assert not call.blocked


async def test_a_client_that_closes_after_the_last_byte_has_not_hung_up() -> None:
    for _ in range(20):
        async with FakeOpenAI() as fake:
            async with dial(fake) as stream:
                fake.play(no_content)
                await stream.send(post())
                await read_until(stream, b"fine")
            with anyio.fail_after(20):
                await fake.until(lambda: fake.open_connections == 0)
            assert not fake.calls[0].hung_up
            assert fake.calls[0].finished == 1


async def test_an_answer_that_was_whole_has_not_been_broken_off() -> None:
    record = Record()
    call = record.arrived(1, h11.Request(method="GET", target="/", headers=[("host", "x")]), b"")
    record.ended(call)
    record.broken_off(call)
    assert not call.hung_up


async def test_a_bug_in_a_player_comes_out_of_the_server() -> None:
    async def buggy(exchange: Exchange) -> None:
        raise ZeroDivisionError

    async def wait_for_the_answer() -> None:
        async with FakeOpenAI() as fake, dial(fake) as stream:
            fake.play(buggy)
            await stream.send(post())
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as raised:
        await wait_for_the_answer()
    assert raised.group_contains(ZeroDivisionError)


async def test_header_names_are_recorded_in_lower_case() -> None:
    async with FakeOpenAI() as fake, dial(fake) as stream:
        fake.play(no_content)
        await stream.send(post(head="X-Odd: 1\r\n"))
        await read_until(stream, b"fine")
        assert fake.calls[0].headers["x-odd"] == "1"
        assert fake.calls[0].method == "POST"


async def test_a_whole_response_passed_on_leaves_the_connection_usable() -> None:
    async def pass_on(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 Fine\r\ncontent-length: 4\r\n\r\nfine")
        exchange.passed_on()

    async with FakeOpenAI(player=pass_on) as fake, dial(fake) as stream:
        for _ in range(2):
            await stream.send(post())
            await read_until(stream, b"fine")
        assert fake.connections == 1


async def test_a_call_knows_when_its_answer_went_wrong_and_its_client_left() -> None:
    async def strike(exchange: Exchange) -> None:
        await exchange.start(200, {})
        exchange.struck()
        await exchange.send(b"wrong")
        await anyio.sleep_forever()

    over: list[Call] = []
    async with FakeOpenAI(player=strike, log=over.append) as fake:
        async with dial(fake) as stream:
            await stream.send(post())
            await read_until(stream, b"wrong\r\n")
        with anyio.fail_after(20):
            await fake.wait_for_hangup(fake.calls[0])
            await fake.until(lambda: fake.open_connections == 0)
    (call,) = over
    moments = call.moments
    assert call.sent_bytes - moments.struck_at_byte == len(b"5\r\nwrong\r\n")
    assert moments.struck is not None
    assert moments.hung_up is not None
    assert moments.arrived <= moments.struck <= moments.hung_up
