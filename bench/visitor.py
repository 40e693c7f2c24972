"""A client that costs little: a WebSocket of bytes, and answers that are looked at afterwards."""

from __future__ import annotations

import asyncio  # noqa: TID251 - what loads a server must cost less than it
import json
import time
from typing import Final, NamedTuple, cast

import msgspec
from msgspec import Struct

TOKEN: Final = 17
"""Characters of a token: when it was due, in nanoseconds, and a space."""
MASK: Final = b"\0\0\0\0"
TEXT, CLOSE, PING = 0x81, 0x88, 0x89


class _Delta(Struct):
    content: str = ""


class _Choice(Struct):
    delta: _Delta


class _Data(Struct):
    choices: list[_Choice] = []
    done: bool = False


class _Frame(Struct):
    request_id: str | None = None
    data: _Data | None = None
    error: str | None = None


_FRAME: Final = msgspec.json.Decoder(_Frame)


class Door(NamedTuple):
    """Where to come in, and by which token."""

    port: int
    token: str

    @property
    def handshake(self) -> bytes:
        """What opens a socket (RFC 6455, section 4.1)."""
        return (
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        ).encode()


class Answer:
    """What came of one request: when it was asked, and when what came; `begun` and `over`."""

    def __init__(self) -> None:
        self.asked = time.perf_counter_ns()
        self.pieces: list[tuple[int, str]] = []
        self.error: str | None = None
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def add(self, now: int, text: str) -> None:
        """Take in a piece."""
        self.pieces.append((now, text))
        if not self.begun.done():
            self.begun.set_result(None)

    def end(self, error: str | None = None) -> None:
        """Take note that nothing more comes."""
        self.error = error
        for one in (self.begun, self.over):
            if not one.done():
                one.set_result(None)

    @property
    def text(self) -> str:
        """All that came."""
        return "".join(text for _, text in self.pieces)

    def is_exact(self, rate: int, count: int) -> bool:
        """Return whether it is the upstream's "steady:RATE:COUNT", byte for byte."""
        first, gap = int(self.text[:16] or 0), 1_000_000_000 // rate
        return self.text == "".join(f"{first + n * gap:016d} " for n in range(count))

    def delays(self) -> list[float]:
        """Return how long after it was due each token came, in ms."""
        return [
            (at - int(text[place : place + 16])) / 1e6
            for at, text in self.pieces
            for place in range(0, len(text), TOKEN)
        ]


class Visitor(asyncio.Protocol):
    """One socket; `opened` and `gone` when it is."""

    def __init__(self, door: Door) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers: dict[str, Answer] = {}
        self._door = door
        self._is_open = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what is wanted."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._door.handshake)

    def connection_lost(self, _: Exception | None) -> None:
        """End all that has not ended."""
        self.gone.set_result(None)
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"refused: {self._rest[:300]!r}"))
        for answer in self.answers.values():
            answer.end("lost")

    def data_received(self, data: bytes) -> None:
        """Take in frames."""
        now, data, at = time.perf_counter_ns(), self._rest + data, 0
        if not self._is_open:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4 or not data.startswith(b"HTTP/1.1 101"):
                self._rest = data
                return
            self._is_open = True
            self.opened.set_result(None)
        while len(data) >= at + 2:
            size, start = data[at + 1], at + 2
            if size >= 126:
                wide = 2 if size == 126 else 8
                size = int.from_bytes(data[start : start + wide], "big")
                start += wide
            if len(data) < start + size:
                break
            if data[at] == TEXT:
                self._hear(now, data[start : start + size])
            at = start + size
        self._rest = data[at:]

    def ask(self, name: str, kind: str, payload: dict[str, object]) -> Answer:
        """Send a request."""
        answer = self.answers[name] = Answer()
        asked = {"type": kind, "request_id": name, "payload": payload}
        self.transport.write(framed(TEXT, json.dumps(asked).encode()))
        return answer

    def chat(self, name: str, model: str, said: str = "Hi") -> Answer:
        """Ask for an answer in pieces."""
        messages = [{"role": "user", "content": said}]
        return self.ask(name, "chat_completion_stream", {"model": model, "messages": messages})

    def _hear(self, now: int, data: bytes) -> None:
        frame = _FRAME.decode(data)
        answer = self.answers.get(frame.request_id or "")
        if answer is None:
            return
        choices = frame.data.choices if frame.data else []
        if choices and choices[0].delta.content:
            answer.add(now, choices[0].delta.content)
        elif frame.error or frame.data is None or frame.data.done or not choices:
            answer.end(frame.error)


class Direct(asyncio.Protocol):
    """One request to the upstream itself, without a server between."""

    def __init__(self, model: str) -> None:
        self.answer = Answer()
        self._model = model
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        body = json.dumps({"model": self._model}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def connection_lost(self, _: Exception | None) -> None:
        """End, if it has not ended."""
        self.answer.end("lost")

    def data_received(self, data: bytes) -> None:
        """Take in events."""
        now = time.perf_counter_ns()
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            place = event.find(b'"content":"')
            if place > 0:
                self.answer.add(now, event[place + 11 : place + 11 + TOKEN].decode())
            elif b"[DONE]" in event:
                self.answer.end()
                self._transport.close()


def framed(opcode: int, data: bytes) -> bytes:
    """Return a frame of a client, masked with zeros (RFC 6455, section 5.2)."""
    size = len(data)
    if size < 126:
        return bytes([opcode, 0x80 | size]) + MASK + data
    wide, mark = (2, 126) if size < 1 << 16 else (8, 127)
    return bytes([opcode, 0x80 | mark]) + size.to_bytes(wide, "big") + MASK + data


async def enter(door: Door) -> Visitor:
    """Open a socket; raises `ConnectionError` where it is refused."""
    loop = asyncio.get_running_loop()
    _, visitor = await loop.create_connection(lambda: Visitor(door), "127.0.0.1", door.port)
    await visitor.opened
    return visitor
