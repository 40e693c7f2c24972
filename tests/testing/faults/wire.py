"""A client that is foreign to the fake: a plain socket, and h11 to read what came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import anyio
import h11
import msgspec

from chatbots.testing.fake_openai import FakeOpenAI

TEXT = "Höre, one two three."
PIECES = ["Höre,", " one", " two", " three."]


@dataclass
class Got:
    """What came: the raw bytes, as read, and how it ended (`open`: it did not, in time)."""

    reads: list[bytes] = field(default_factory=list[bytes])
    end: Literal["closed", "reset", "open"] = "open"

    @property
    def raw(self) -> bytes:
        return b"".join(self.reads)

    def parse(self) -> tuple[h11.Response, list[bytes], bool]:
        """Return the head, the HTTP chunks of the body, and whether the body was whole."""
        protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**22)
        protocol.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
        protocol.send(h11.EndOfMessage())
        protocol.receive_data(self.raw)
        head, chunks, new = None, list[bytes](), True
        while True:
            event = protocol.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                data = bytes(event.data)
                chunks = [*chunks, data] if new else [*chunks[:-1], chunks[-1] + data]
                new = event.chunk_end
            else:
                assert head is not None
                return head, chunks, isinstance(event, h11.EndOfMessage)

    @property
    def status(self) -> int:
        return self.parse()[0].status_code

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.parse()[0].headers}

    @property
    def chunks(self) -> list[bytes]:
        return self.parse()[1]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def whole(self) -> bool:
        return self.parse()[2]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON of each event of a stream that is spelled plainly, `[DONE]` left out."""
        lines = [event.removeprefix(b"data: ") for event in self.body.split(b"\n\n") if event]
        return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]

    @property
    def text(self) -> str:
        deltas = [c.get("delta") or {} for e in self.events for c in e.get("choices") or []]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def reasons(self) -> list[str]:
        every = [c.get("finish_reason") for e in self.events for c in e.get("choices") or []]
        return [reason for reason in every if reason]


async def ask(
    fake: FakeOpenAI,
    fault: str = "ok",
    *,
    stream: bool = True,
    seconds: float = 20,
    most: int = 2**26,
    **more: object,
) -> Got:
    """Ask the model `fault:...`, or a plain one; read to the end, *most* bytes, or *seconds*."""
    messages = [{"role": "user", "content": TEXT}]
    asked = {
        "model": f"fault:{fault}" if fault else "m",
        "stream": stream,
        "messages": messages,
        **more,
    }
    body = msgspec.json.encode(asked)
    port = urlsplit(fake.base_url).port
    assert port is not None
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n"
    got = Got()
    async with await anyio.connect_tcp("127.0.0.1", port) as socket:
        await socket.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        with anyio.move_on_after(seconds):
            try:
                while most > 0:
                    got.reads.append(await socket.receive())
                    most -= len(got.reads[-1])
            except anyio.EndOfStream:
                got.end = "closed"
            except anyio.BrokenResourceError:
                got.end = "reset"
    return got


def framed(body: bytes) -> list[bytes]:
    """Return the data of the events in *body*, read line by line as WHATWG HTML 9.2 says."""
    lines = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[bytes] = []
    data: list[bytes] = []
    for line in lines.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line and data:
            events.append(b"\n".join(data))
            data = []
    return events
