"""One realtime client in a process of its own; prints what a piece cost it as JSON.

    python -m bench.talking CLIENT LOOP URL MODEL N

CLIENT is `floor` (websockets with msgspec), `ours`, `ours-aiohttp` or `sdk`; N pieces are read, or
with the model `sink` sent.
"""

from __future__ import annotations

import json
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio
import msgspec
from websockets.asyncio.client import connect

from bench.watch import rss

AUDIO = bytes(range(240)) * 20
WARM = 0.1
"""The share of the pieces that is not counted."""


class Cost:
    """The CPU of a piece, once it is warm, and memory, then and at the end."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces
        self.count = 0
        self.begin = int(pieces * WARM)
        self.cpu, self.memory = 0.0, 0.0

    def one(self) -> None:
        """Count a piece."""
        self.count += 1
        if self.count == self.begin:
            self.cpu, self.memory = time.process_time(), rss()

    def result(self) -> dict[str, float]:
        """Return microseconds and megabytes."""
        cpu = time.process_time() - self.cpu
        if self.count != self.pieces:
            raise RuntimeError(f"{self.count} pieces came, and {self.pieces} should have.")
        us = cpu / (self.pieces - self.begin) * 1e6
        return {"cpu_us": us, "rss_mb": rss(), "growth_mb": rss() - self.memory}


class Piece(msgspec.Struct):
    """All that a reader of text needs to know."""

    type: str
    delta: str = ""


async def floor(url: str, model: str, cost: Cost) -> None:
    """websockets, and what a decoder of two fields costs."""
    decode, encode = msgspec.json.Decoder(Piece).decode, msgspec.json.encode
    where = url.replace("http", "ws", 1) + f"/realtime?model={model}"
    async with connect(where, compression=None, max_size=None) as socket:
        if model == "sink":
            for _ in range(cost.pieces):
                audio = b64encode(AUDIO).decode()
                await socket.send(encode({"type": "input_audio_buffer.append", "audio": audio}))
                cost.one()
            return
        await socket.send(encode({"type": "response.create"}))
        while True:
            event = decode(await socket.recv())
            if event.delta:
                cost.one()
            elif event.type == "response.done":
                return


async def ours(url: str, model: str, cost: Cost, *, library: str = "websockets") -> None:
    """A session, and the outcomes of a response."""
    from chatbots.realtime.address import Address
    from chatbots.realtime.aiohttp_transport import AiohttpDialer
    from chatbots.realtime.events.client import InputAudioBufferAppend
    from chatbots.realtime.session import RealtimeSession
    from chatbots.realtime.websockets_transport import WebSocketsDialer

    dialer = AiohttpDialer() if library == "aiohttp" else WebSocketsDialer()
    async with RealtimeSession(dialer, Address(base_url=url), model=model) as session:
        if model == "sink":
            for _ in range(cost.pieces):
                await session.send(InputAudioBufferAppend.of(AUDIO))
                cost.one()
            return
        async for _ in await session.respond():
            cost.one()


async def sdk(url: str, model: str, cost: Cost) -> None:
    """The openai package, as its documentation uses it."""
    from openai import AsyncOpenAI

    async with (
        AsyncOpenAI(base_url=url, api_key="sk-nobodys") as client,
        client.realtime.connect(model=model) as connection,
    ):
        if model == "sink":
            for _ in range(cost.pieces):
                await connection.input_audio_buffer.append(audio=b64encode(AUDIO).decode())
                cost.one()
            return
        await connection.response.create()
        async for event in connection:
            if event.type in ("response.output_text.delta", "response.output_audio.delta"):
                cost.one()
            elif event.type == "response.done":
                return


CLIENTS: Final[dict[str, Callable[[str, str, Cost], Awaitable[None]]]] = {
    "floor": floor,
    "ours": ours,
    "ours-aiohttp": partial(ours, library="aiohttp"),
    "sdk": sdk,
}


def main(arguments: list[str]) -> None:
    """Run and print."""
    client, loop, url, model, pieces = arguments
    cost = Cost(int(pieces))
    options = {"use_uvloop": loop == "uvloop"}
    anyio.run(partial(CLIENTS[client], url, model, cost), backend_options=options)
    print(json.dumps(cost.result()))


if __name__ == "__main__":
    main(sys.argv[1:])
