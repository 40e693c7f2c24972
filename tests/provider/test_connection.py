"""One connection, over real sockets, on both event loops."""

from __future__ import annotations

import asyncio  # noqa: TID251 (what is tested stands on it)
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.lowlevel import checkpoint

from chatbots.provider import connection as connections
from chatbots.provider.connection import HIGH_WATER, Connection

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

Script = Callable[[SocketStream], Awaitable[None]]


@asynccontextmanager
async def connected(script: Script) -> AsyncIterator[Connection]:
    """Serve one connection by *script*, which gets it once the request has come."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive(len(REQUEST))
            await script(stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's typed attributes
    with anyio.fail_after(10):
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, serve)
            connection = await Connection.to("127.0.0.1", port, None)
            try:
                yield connection
            finally:
                connection.abort()
                group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await checkpoint()


async def forever(stream: SocketStream) -> None:
    await anyio.sleep_forever()


async def gone(connection: Connection) -> None:
    while connection.usable:
        await checkpoint()


async def rest(connection: Connection) -> bytes:
    data = b""
    while part := await piece(connection):
        data += part
    return data


async def piece(connection: Connection) -> bytes:
    """Read what is there, or what comes next."""
    got: list[bytes] = []

    def take(data: bytes) -> bool:
        got.append(data)
        return True

    await connection.pour(take)
    return b"".join(got)


# To connect


def unused_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where a host is said to be; tried one after the other without much ado."""
    places: list[tuple[str, int]] = []

    async def known(host: str, port: int) -> list[Any]:
        return [(socket.AF_INET, None, None, "", place) for place in places]

    monkeypatch.setattr(connections, "_addresses", known)
    monkeypatch.setattr(connections, "NEXT_ADDRESS", 0.01)
    return places


@pytest.mark.parametrize("silent", [False, True])
async def test_the_next_address_of_a_host_is_tried_where_one_refuses_or_is_silent(
    addresses: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    loop = asyncio.get_running_loop()
    connect, left = loop.sock_connect, unused_port()

    async def slow(made: socket.socket, address: Any) -> None:
        if silent and address[1] == left:
            await anyio.sleep_forever()
        await connect(made, address)

    monkeypatch.setattr(loop, "sock_connect", slow)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - as above
        addresses += [("127.0.0.1", left), ("127.0.0.1", port)]
        connection = await Connection.to("host.invalid", 1, None)
        assert connection._transport.get_extra_info("peername")[1] == port
        connection.abort()


async def test_a_host_none_of_whose_addresses_answers_is_told(
    addresses: list[tuple[str, int]],
) -> None:
    addresses += [("127.0.0.1", unused_port()), ("127.0.0.1", unused_port())]
    with pytest.raises(ConnectionRefusedError, match=str(addresses[0][1])):
        await Connection.to("host.invalid", 1, None)


async def test_of_two_that_answer_at_once_one_is_kept(
    addresses: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "NEXT_ADDRESS", 0)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - as above
        addresses += [("127.0.0.1", port)] * 3
        connection = await Connection.to("host.invalid", 1, None)
        assert connection.usable
        connection.abort()


async def test_a_name_is_looked_up_and_a_number_is_not() -> None:
    assert {place[4][0] for place in await connections._addresses("localhost", 1)} <= {
        "127.0.0.1",
        "::1",
    }
    assert [place[4] for place in await connections._addresses("127.0.0.1", 1)] == [
        ("127.0.0.1", 1)
    ]


# To ask and to read


async def test_one_network_read_is_one_piece_and_the_answer_ends() -> None:
    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD + b"3\r\none\r\n3\r\ntwo\r\n")
        await stream.receive()
        await stream.send(b"5\r\nthree\r\n0\r\n\r\n")
        await forever(stream)

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        assert connection.answer.status == 200
        assert await piece(connection) == b"onetwo"
        assert not connection.usable
        connection._transport.write(b"go on")
        assert await piece(connection) == b"three"
        assert await piece(connection) == b""
        assert connection.usable


async def test_what_came_before_the_end_of_the_connection_is_read_first() -> None:
    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD + b"3\r\none\r\n")

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        assert await piece(connection) == b"one"
        with pytest.raises(httpx2.ReadError, match="closed the connection"):
            await piece(connection)
        assert not connection.usable


async def test_who_takes_is_given_each_read_without_a_task_switch_and_the_end() -> None:
    taken: list[bytes] = []
    both = anyio.Event()

    def take(data: bytes) -> bool:
        taken.append(data)
        if len(taken) == 2:
            both.set()
        return False

    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD + b"3\r\none\r\n")
        await stream.receive()
        await stream.send(b"3\r\ntwo\r\n")
        await both.wait()
        await stream.send(b"0\r\n\r\n")

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        connection._transport.write(b"go on")
        assert not await connection.pour(take)
        assert taken == [b"one", b"two"]


async def test_what_comes_while_nobody_takes_is_kept_for_the_next() -> None:
    taken: list[bytes] = []

    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD + b"3\r\none\r\n")
        await stream.receive()
        await stream.send(b"3\r\ntwo\r\n")
        await stream.receive()
        await stream.send(b"0\r\n\r\n")

    def enough(data: bytes) -> bool:
        taken.append(data)
        return True

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        assert await connection.pour(enough)
        with anyio.move_on_after(0):
            await connection.pour(enough)
        connection._transport.write(b"go on")
        while not connection.answer.pieces:
            await checkpoint()
        assert taken == [b"one"]
        assert await connection.pour(enough)
        assert taken == [b"one", b"two"]
        connection._transport.write(b"go on")
        assert not await connection.pour(enough)


async def test_an_answer_may_end_with_the_connection() -> None:
    async def script(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        assert await rest(connection) == b"all of it"
        assert not connection.usable


async def test_what_is_not_http_breaks_the_connection() -> None:
    async def script(stream: SocketStream) -> None:
        await stream.send(b"220 smtp.example ESMTP\r\n")
        await forever(stream)

    async with connected(script) as connection:
        with pytest.raises(httpx2.RemoteProtocolError):
            await connection.ask(REQUEST)
        assert not connection.usable


async def test_a_head_that_does_not_come_in_time_is_not_waited_for() -> None:
    async with connected(forever) as connection:
        with pytest.raises(httpx2.ReadTimeout):
            await connection.ask(REQUEST, within=0.05)
        assert not connection.usable


@pytest.mark.usefixtures("time_flies")
async def test_a_head_that_came_in_time_leaves_no_alarm_behind() -> None:
    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD)
        await stream.receive()
        await stream.send(b"0\r\n\r\n")

    async with connected(script) as connection:
        await connection.ask(REQUEST, within=0.05)
        with anyio.move_on_after(0.1):
            await piece(connection)
        connection._transport.write(b"go on")
        assert await rest(connection) == b""


async def test_a_slow_reader_stops_the_socket() -> None:
    sent = 0
    size = 64 * 1024

    async def script(stream: SocketStream) -> None:
        nonlocal sent
        raw: socket.socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        await stream.send(HEAD)
        for _ in range(150):
            await stream.send(b"%x\r\n%s\r\n" % (size, b"x" * size))
            sent += size
        await stream.send(b"0\r\n\r\n")

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        while connection._held <= HIGH_WATER:
            await checkpoint()
        assert sent < 150 * size
        assert connection._held <= HIGH_WATER + 2 * size
        assert len(await rest(connection)) == 150 * size


@pytest.mark.usefixtures("time_flies")
async def test_a_cancelled_reader_can_abort_and_the_server_sees_it() -> None:
    left = anyio.Event()

    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD)
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()
        left.set()

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        with anyio.move_on_after(0.01):
            await piece(connection)
        connection.abort()
        await left.wait()
        with pytest.raises(httpx2.ReadError):
            await connection.ask(REQUEST)


async def test_an_answer_to_no_question_breaks_the_connection() -> None:
    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD + b"0\r\n\r\n")
        await stream.receive()
        await stream.send(HEAD)
        await forever(stream)

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        assert await rest(connection) == b""
        assert connection.usable
        connection.rest(None)
        connection._transport.write(b"go on")
        await gone(connection)


async def test_an_idle_connection_closes_in_time() -> None:
    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD + b"0\r\n\r\n")
        await forever(stream)

    async with connected(script) as connection:
        await connection.ask(REQUEST)
        await rest(connection)
        connection.rest(0.01)
        await gone(connection)


@pytest.mark.parametrize("uvloop", [False, True])
def test_either_event_loop_serves_and_only_asyncios_is_lent_a_buffer(*, uvloop: bool) -> None:
    async def script(stream: SocketStream) -> None:
        await stream.send(HEAD + b"3\r\none\r\n0\r\n\r\n")
        await forever(stream)

    async def main() -> None:
        async with connected(script) as connection:
            assert isinstance(connection, asyncio.BufferedProtocol) is not uvloop
            await connection.ask(REQUEST)
            assert await rest(connection) == b"one"

    anyio.run(main, backend_options={"use_uvloop": uvloop})
