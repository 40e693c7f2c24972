"""What every transport is tried with beside the contract: names, certificates, proxies."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from websockets.asyncio.server import ServerConnection, serve

from chatbots.errors import ChatError
from chatbots.realtime.transport import WebSocketDialer
from tests.provider.socks import pump
from tests.provider.tls import certificate

KEY = "sk-canary-0123456789"
HEADERS: Mapping[str, str] = {"Authorization": f"Bearer {KEY}"}


async def refusal(dialer: WebSocketDialer, url: str) -> ChatError:
    """Return the error of a dialling that fails; the key is not in it."""
    with pytest.raises(ChatError) as caught:
        await dialer.dial(url, HEADERS)
    assert KEY not in f"{caught.value} {caught.value!r}"
    return caught.value


async def echoed(dialer: WebSocketDialer, url: str) -> str | bytes:
    """Return what comes back to a hello."""
    socket = await dialer.dial(url, HEADERS)
    try:
        await socket.write_message("hello")
        return await socket.read_message()
    finally:
        await socket.close()


@asynccontextmanager
async def secure_echo(folder: Path) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """Echo over TLS; yield the URL, and what trusts the certificate."""
    own = certificate(folder / "own.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)

    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"wss://127.0.0.1:{port}/", ssl.create_default_context(cafile=own)


@asynccontextmanager
async def http_proxy(*, status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """Run a proxy that knows CONNECT only; yield its URL, and the heads of what was asked."""
    asked: list[str] = []

    async def serve_one(outside: ByteStream) -> None:
        async with outside:
            head = await BufferedByteReceiveStream(outside).receive_until(b"\r\n\r\n", 65536)
            asked.append(head.decode())
            await outside.send(f"HTTP/1.1 {status} Said\r\n\r\n".encode())
            if status != 200:
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            inside = await anyio.connect_tcp(host, int(port))
            async with inside, anyio.create_task_group() as both:
                both.start_soon(pump, outside, inside)
                both.start_soon(pump, inside, outside)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve_one)
        yield f"http://user:pass@127.0.0.1:{listener.extra(SocketAttribute.local_port)}", asked  # noqa: S610 - anyio's typed attributes
        group.cancel_scope.cancel()


@asynccontextmanager
async def answering(said: bytes) -> AsyncIterator[int]:
    """Say the same to whatever comes; yield the port."""

    async def answer(stream: ByteStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(said)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's typed attributes
        yield port
        group.cancel_scope.cancel()
