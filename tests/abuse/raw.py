"""A WebSocket client that may break every rule: each byte is the caller's (RFC 6455, section 5)."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import anyio
from anyio.abc import SocketStream

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PATIENCE: Final = 10.0
"""Seconds until it is said that nothing comes."""


class Answer(NamedTuple):
    """The HTTP answer to a handshake."""

    status: int
    headers: dict[str, str]
    body: str


class Frame(NamedTuple):
    """A frame the server sent, or the end of the connection: `opcode` is then None."""

    opcode: int | None
    payload: bytes = b""

    @property
    def code(self) -> int | None:
        """The close code, if this is the server's close."""
        return struct.unpack("!H", self.payload[:2])[0] if self.opcode == CLOSE else None


class Gone(Exception):
    """The server has closed the socket; `code` is its close code, None for none."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


def framed(
    payload: bytes, opcode: int = TEXT, *, fin: bool = True, masked: bool = True, rsv: int = 0
) -> bytes:
    """Return the bytes of a frame."""
    head = bytes([(fin << 7) | (rsv << 4) | opcode])
    size, mask = len(payload), os.urandom(4)
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    key = (mask * (size // 4 + 1))[:size]
    hidden = int.from_bytes(payload) ^ int.from_bytes(key)
    return head + mask + hidden.to_bytes(size)


def asked(kind: object, payload: object = None, request_id: object = "r1") -> bytes:
    """Return a frame that asks for something."""
    said = {"type": kind, "request_id": request_id, "payload": payload}
    return framed(json.dumps({k: v for k, v in said.items() if v is not None}).encode())


def handshake(headers: Mapping[str, str] | None = None, path: str = "/ws") -> bytes:
    """Return the bytes of a handshake; *headers* replace those that are usual."""
    lines = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    } | dict(headers or {})
    written = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path} HTTP/1.1\r\n{written}\r\n".encode("latin-1")


class Peer:
    """One connection to the server."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self._read = b""

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.stream.send(data)

    async def open(self, headers: Mapping[str, str] | None = None, path: str = "/ws") -> Answer:
        """Shake hands, and return what the server says to it."""
        await self.send(handshake(headers, path))
        head, _, self._read = (await self._until(b"\r\n\r\n")).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        found = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        size = int(found.get("content-length", 0))
        body = (await self._more(size))[:size] if size else b""
        return Answer(int(first.split()[1]), found, body.decode("utf-8", "replace"))

    async def frame(self) -> Frame:
        """Return the next frame; `Frame(None)` at the end of the connection."""
        try:
            with anyio.fail_after(PATIENCE):
                one, two = await self._exactly(2)
                size = two & 0x7F
                if size > 125:
                    wide = {126: 2, 127: 8}[size]
                    size = int.from_bytes(await self._exactly(wide))
                return Frame(one & 0x0F, await self._exactly(size))
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return Frame(None)

    async def said(self) -> dict[str, Any]:
        """Return what the server says next; raises `Gone` where it closes instead."""
        while True:
            frame = await self.frame()
            if frame.opcode == TEXT:
                said: dict[str, Any] = json.loads(frame.payload)
                return said
            if frame.opcode in (CLOSE, None):
                raise Gone(frame.code)

    async def ask(
        self, kind: object, payload: object = None, request_id: object = "r1"
    ) -> dict[str, Any]:
        """Ask, and return the last frame of the answer."""
        await self.send(asked(kind, payload, request_id))
        while True:
            said = await self.said()
            last = not str(said.get("type", "")).startswith("chat_completion_stream")
            if last or "error" in said or said["data"].get("done"):
                return said

    async def closed(self) -> int | None:
        """Return the code the server closes with; None where it just hangs up."""
        try:
            while True:
                await self.said()
        except Gone as gone:
            return gone.code

    async def _until(self, mark: bytes) -> bytes:
        with anyio.fail_after(PATIENCE):
            while mark not in self._read:
                self._read += await self.stream.receive()
        return self._read

    async def _more(self, size: int) -> bytes:
        with anyio.fail_after(PATIENCE):
            while len(self._read) < size:
                self._read += await self.stream.receive()
        return self._read

    async def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            self._read += await self.stream.receive()
        data, self._read = self._read[:size], self._read[size:]
        return data


@asynccontextmanager
async def connection(port: int) -> AsyncGenerator[Peer]:
    """Open a connection, and close it hard in the end."""
    stream = await anyio.connect_tcp("127.0.0.1", port)
    try:
        yield Peer(stream)
    finally:
        await anyio.aclose_forcefully(stream)
