from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from chatbots.testing.sockets import Listener, Wire


@asynccontextmanager
async def connected(send_buffer: int | None = None) -> AsyncGenerator[tuple[Wire, socket.socket]]:
    """Yield both ends of a connection, the client's as a plain blocking socket."""
    listener = Listener(send_buffer=send_buffer)
    try:
        with anyio.fail_after(10), socket.create_connection(("127.0.0.1", listener.port)) as client:
            wire = await listener.accept()
            try:
                yield wire, client
            finally:
                wire.close()
    finally:
        listener.close()


async def test_bytes_go_both_ways() -> None:
    async with connected() as (wire, client):
        client.sendall(b"ping")
        assert await wire.receive() == b"ping"
        assert await wire.push(memoryview(b"pong")) == 4
        assert client.recv(9) == b"pong"


async def test_receiving_waits_for_the_client() -> None:
    async with connected() as (wire, client), anyio.create_task_group() as tasks:
        received: list[bytes] = []

        async def receive() -> None:
            received.append(await wire.receive())

        tasks.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        assert not received
        client.sendall(b"late")
    assert received == [b"late"]


async def test_a_closed_client_reads_as_the_end() -> None:
    async with connected() as (wire, client):
        client.close()
        assert await wire.receive() == b""


async def test_a_client_that_resets_reads_as_the_end_and_cannot_be_written_to() -> None:
    async with connected() as (wire, client):
        Wire(client).break_on_close()
        client.close()
        assert await wire.receive() == b""
        with pytest.raises(anyio.BrokenResourceError):
            await wire.push(memoryview(b"x"))


async def test_a_full_socket_takes_nothing_until_the_client_reads() -> None:
    async with connected(send_buffer=4096) as (wire, client):
        block = memoryview(b"x" * 65536)
        sent = 0
        while taken := await wire.push(block):
            sent += taken
        client.setblocking(False)
        with anyio.fail_after(20):
            while sent:
                await anyio.wait_readable(client)
                sent -= len(client.recv(65536))
            await wire.writable()
        assert await wire.push(block) > 0


async def test_a_close_is_an_end_and_a_broken_close_is_a_reset() -> None:
    async with connected() as (wire, client):
        wire.close()
        assert client.recv(1) == b""
    async with connected() as (wire, client):
        wire.break_on_close()
        wire.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


async def test_accepting_waits_for_a_client() -> None:
    listener = Listener()
    wires: list[Wire] = []

    async def accept() -> None:
        wires.append(await listener.accept())

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept)
            await anyio.wait_all_tasks_blocked()
            assert not wires
            client = socket.create_connection(("127.0.0.1", listener.port))
    client.close()
    wires[0].close()
    listener.close()


def test_a_port_that_is_taken_is_an_error_and_leaves_no_socket() -> None:
    listener = Listener()
    with pytest.raises(OSError, match="in use"):
        Listener(listener.port)
    listener.close()


async def test_a_port_can_be_had_again_at_once() -> None:
    first = Listener()
    with socket.create_connection(("127.0.0.1", first.port)) as client:
        (await first.accept()).close()
        assert client.recv(1) == b""
    first.close()
    second = Listener(first.port)
    assert second.port == first.port
    second.close()
