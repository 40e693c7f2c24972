"""A SOCKS5 proxy on loopback (RFC 1928): no password, CONNECT only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

BY_ADDRESS, BY_NAME = 1, 3


@asynccontextmanager
async def socks_proxy(behind: int) -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the proxy's URL, and the addresses it was asked for; all of them lead to *behind*."""
    asked: list[str] = []

    async def serve(outside: ByteStream) -> None:
        async with outside:
            asked.append(await wanted(outside))
            inside = await anyio.connect_tcp("127.0.0.1", behind)
            await outside.send(b"\5\0\0\1\x7f\0\0\1\0\0")
            async with inside, anyio.create_task_group() as both:
                both.start_soon(pump, outside, inside)
                both.start_soon(pump, inside, outside)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield f"socks5://127.0.0.1:{listener.extra(SocketAttribute.local_port)}", asked  # noqa: S610 - anyio's typed attributes
        group.cancel_scope.cancel()


async def pump(source: ByteStream, to: ByteStream) -> None:
    """Pass on what comes, and then the end."""
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            await to.send(await source.receive())
    await anyio.aclose_forcefully(to)


async def wanted(client: ByteStream) -> str:
    """Shake hands and return the address that is asked for."""
    stream = BufferedByteReceiveStream(client)
    version, methods = await stream.receive_exactly(2)
    assert version == 5
    await stream.receive_exactly(methods)
    await client.send(b"\5\0")
    version, command, _, kind = await stream.receive_exactly(4)
    assert (version, command) == (5, 1)
    if kind == BY_ADDRESS:
        host = ".".join(map(str, await stream.receive_exactly(4)))
    else:
        assert kind == BY_NAME
        host = (await stream.receive_exactly((await stream.receive_exactly(1))[0])).decode()
    return f"{host}:{int.from_bytes(await stream.receive_exactly(2))}"
