"""Exchanges with a real server, kept byte for byte with their timing, and played again.

    python -m chatbots.testing --record talk.jsonl --to https://api.openai.com/v1
    python -m chatbots.testing --replay talk.jsonl --speed 10

A recording has one JSON line for each exchange.
Secrets are blotted out in it, each by as many `x`, so that every length and boundary still holds.
"""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import anyio
import h11
import msgspec
from anyio.abc import ByteStream

from chatbots.testing import bodies
from chatbots.testing.blotting import blotted, blotted_response, kept, known, without_keys
from chatbots.testing.http1 import Exchange, reply

OWN: Final = {"host", "connection", "accept-encoding", "transfer-encoding", "content-length"}
"""Headers the recorder says itself; packed answers could hide a secret, so none are asked for."""
PREFIX: Final = "/v1"


class Chunk(msgspec.Struct):
    """Bytes that arrived in one read, and how many seconds after the request."""

    after: float
    data: bytes


class Recording(msgspec.Struct):
    """One exchange; `end` is how the response ended: whole, with the connection, or by a reset."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    chunks: list[Chunk]
    end: Literal["whole", "closed", "reset"] = "closed"


class Recorder:
    """Passes every request on to another server, and keeps what came back.

    *to* is a base URL such as `https://api.openai.com/v1`; *path* is written anew,
    for this user only. Raises `OSError` where it cannot be.
    """

    def __init__(self, path: Path, to: str) -> None:
        self._to = urlsplit(to.rstrip("/"))
        if self._to.scheme not in {"http", "https"} or not self._to.hostname:
            raise ValueError(f"{to!r} is no base URL such as https://api.openai.com/v1.")
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_bytes(b"")
        self._path = path

    async def __call__(self, exchange: Exchange) -> None:
        """Pass one request on, and the response back as it arrives."""
        host, tls = self._to.hostname or "", self._to.scheme == "https"
        port = self._to.port or (443 if tls else 80)
        try:
            stream: ByteStream = (
                await anyio.connect_tcp(host, port, tls=True, tls_standard_compatible=False)
                if tls
                else await anyio.connect_tcp(host, port)
            )
        except OSError as error:
            said = f"The recorder cannot reach {host}: {error}"
            await reply(exchange, bodies.error({"message": said, "type": "server_error"}), 502)
            return
        call = exchange.call
        made = Recording(call.method, call.target, dict(call.headers), call.body, [])
        try:
            async with stream:
                await self._pass_on(exchange, stream, made)
        finally:
            self._keep(made)

    async def _pass_on(self, exchange: Exchange, stream: ByteStream, made: Recording) -> None:
        protocol = h11.Connection(h11.CLIENT)
        await stream.send(self._request(exchange, protocol))
        started = anyio.current_time()
        while not _is_whole(protocol):
            try:
                data = await stream.receive()
            except anyio.EndOfStream:
                return
            except anyio.BrokenResourceError:
                made.end = "reset"
                exchange.reset()
                return
            made.chunks.append(Chunk(round(anyio.current_time() - started, 6), data))
            protocol.receive_data(data)
            await exchange.raw(data)
        made.end = "whole"
        if protocol.their_state is h11.DONE:
            exchange.passed_on()

    def _request(self, exchange: Exchange, protocol: h11.Connection) -> bytes:
        call = exchange.call
        headers = [(name, value) for name, value in call.headers.items() if name not in OWN]
        headers += [("host", self._to.netloc.rpartition("@")[2]), ("accept-encoding", "identity")]
        headers.append(("content-length", str(len(call.body))))
        target = self._to.path + call.target.removeprefix(PREFIX)
        asked = h11.Request(method=call.method, target=target, headers=headers)
        events = [asked, h11.Data(data=call.body), h11.EndOfMessage()]
        return b"".join(protocol.send(event) or b"" for event in events)

    def _keep(self, made: Recording) -> None:
        secrets = known(made.headers)
        clean = blotted_response(b"".join(chunk.data for chunk in made.chunks), secrets)
        ends = list(itertools.accumulate((len(chunk.data) for chunk in made.chunks), initial=0))
        stored = msgspec.structs.replace(
            made,
            target=without_keys(made.target),
            headers=kept(made.headers),
            body=blotted(made.body, secrets),
            chunks=[
                Chunk(chunk.after, clean[start:stop])
                for chunk, (start, stop) in zip(made.chunks, itertools.pairwise(ends), strict=True)
            ],
        )
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(stored) + b"\n")


def _is_whole(protocol: h11.Connection) -> bool:
    """Look at all that has arrived; tell whether the response ended, which h11 knows."""
    while True:
        try:
            event = protocol.next_event()
        except h11.RemoteProtocolError:
            return False  # whatever it is, it lasts as long as the connection
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return False
        if isinstance(event, h11.EndOfMessage):
            return True


class Replay:
    """Answers from a recording: the next exchange with that request, else the next on its path.

    After the last the first comes again. *speed* 2 is twice as fast, 0 waits for nothing.
    Raises `OSError` where *path* cannot be read, `ValueError` where it is no recording.
    """

    def __init__(self, path: Path, *, speed: float = 1.0) -> None:
        lines = path.read_bytes().splitlines()
        self._recordings = [msgspec.json.decode(line, type=Recording) for line in lines]
        self._played = Counter[tuple[str, str, bytes]]()
        self._speed = speed

    async def __call__(self, exchange: Exchange) -> None:
        """Play one response."""
        recording = self._take(exchange)
        if recording is None:
            said = f"Nothing was recorded for {exchange.call.method} {exchange.call.path}."
            await reply(exchange, bodies.error({"message": said, "type": "not_found"}), 404)
            return
        started = anyio.current_time()
        for chunk in recording.chunks:
            if self._speed:
                await anyio.sleep_until(started + chunk.after / self._speed)
            await exchange.raw(chunk.data)
        if recording.end == "reset":
            exchange.reset()
        elif recording.end == "whole":
            exchange.passed_on()

    def _take(self, exchange: Exchange) -> Recording | None:
        call = exchange.call
        body = blotted(call.body, known(call.headers))
        target = without_keys(call.target)
        here = [
            made for made in self._recordings if (made.method, made.target) == (call.method, target)
        ]
        same = [made for made in here if made.body == body]
        if not here:
            return None
        key = (call.method, target, body if same else b"")
        self._played[key] += 1
        return (same or here)[(self._played[key] - 1) % len(same or here)]
