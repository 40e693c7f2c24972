"""No socket holds the server's loop: what comes at once is taken in bit by bit."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.lowlevel import checkpoint
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect

from chatbots.deltas import Delta, ReasoningDelta, TextDelta
from chatbots.interfaces import Sink
from chatbots.messages import ModelAnswer, ModelRequest
from chatbots.server import serving as module
from chatbots.server.serving import CONTROLS
from chatbots.testing import ScriptedModel
from tests.abuse.raw import CONTINUATION, PING, PONG, TEXT, framed, handshake
from tests.server.peer import application, serving, user
from tests.server.test_serving import ask, until


class Eager(ScriptedModel):
    """A model that hands over what it says without waiting, as a network's callback does."""

    blocked = 0

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        pieces: list[Delta] = [TextDelta(str(n) * 1000) for n in range(PIECES)]
        for piece in (ReasoningDelta("Hm."), *pieces):
            try:
                out.send_nowait(piece)  # type: ignore[attr-defined]  # not every sink has it
            except anyio.WouldBlock:
                self.blocked += 1
                await out.send(piece)
        return ModelAnswer(text="", state="completed", reason="stop")


PIECES = 5000


async def test_pieces_that_are_not_waited_for_arrive_whole_and_in_order() -> None:
    model = Eager()
    async with (
        serving(application(model)) as (_, address),
        connect(f"ws://{address}/ws", max_queue=1) as ws,
    ):
        await ws.send(ask("chat_completion_stream", user("Hi")))
        ws.transport.pause_reading()
        await until(lambda: model.blocked > 0)
        ws.transport.resume_reading()
        said = [json.loads(await ws.recv())["data"] for _ in range(PIECES + 2)]
    assert said[0]["choices"][0]["delta"] == {"reasoning_content": "Hm."}
    pieces = [data["choices"][0]["delta"]["content"] for data in said[1:-1]]
    assert pieces == [str(number) * 1000 for number in range(PIECES)]
    assert said[-1]["done"]
    assert model.blocked < PIECES / 2


async def test_what_comes_at_once_is_all_answered_in_order() -> None:
    sizes = [50_000 if number % 10 == 0 else 10 for number in range(100)]
    asked = [
        framed(ask("ping", {"pad": "x" * size}, f"r{number}").encode())
        for number, size in enumerate(sizes)
    ]
    heard = b""
    async with (
        serving(application()) as (_, address),
        socket_to(address, b"".join(asked)) as stream,
    ):
        with anyio.fail_after(10):
            while heard.count(b"}") < 2 * len(sizes):
                heard += await stream.receive()
    assert re.findall(rb'"request_id":"r(\d+)"', heard) == [b"%d" % n for n in range(len(sizes))]


async def test_others_have_their_turn_between_frames_that_came_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn, seen = 0, []
    take = WebSocketsSansIOProtocol.data_received

    def spy(protocol: WebSocketsSansIOProtocol, data: bytes) -> None:
        seen.append(turn)
        take(protocol, data)

    monkeypatch.setattr(module, "TURN", 0)
    monkeypatch.setattr(WebSocketsSansIOProtocol, "data_received", spy)
    whole = ask("ping", {"pad": "x" * 5000}).encode()
    parts = b"".join(
        framed(whole[n : n + 1], TEXT * (n == 0), fin=False) for n in range(len(whole))
    )
    parts += framed(b"", CONTINUATION)
    async with (
        serving(application()) as (_, address),
        socket_to(address, parts) as stream,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(stream.receive)
        with anyio.fail_after(10):
            while len(seen) < len(parts) // module.SLICE:
                turn += 1
                await checkpoint()
        tasks.cancel_scope.cancel()
    assert len(set(seen)) > len(seen) / 2


@pytest.mark.parametrize("control", [PING, PONG])
async def test_who_floods_with_control_frames_is_read_more_slowly_and_stays(
    control: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    rest = module._Socket._rest

    def short(protocol: module._Socket, seconds: float) -> None:
        if seconds == 1:
            rests.append(seconds)
        rest(protocol, seconds / 1000)

    monkeypatch.setattr(module._Socket, "_rest", short)
    asked = framed(ask("ping", {}).encode())
    for few, many in ((CONTROLS, 0), (50 * CONTROLS, 5)):
        heard = b""
        flood = framed(b"", control) * few + asked
        async with serving(application()) as (_, address), socket_to(address, flood) as stream:
            with anyio.fail_after(20):
                while b"request_id" not in heard:
                    heard += await stream.receive()
        assert heard.count(b"\x8a\0") == (few if control == PING else 0)
        assert len(rests) >= many
        assert many or not rests


@asynccontextmanager
async def socket_to(address: str, data: bytes) -> AsyncGenerator[SocketStream]:
    """Open a WebSocket, and send *data* on it at once."""
    host, port = address.split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(handshake())
        assert b"101" in await stream.receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.send, data)
            yield stream
            tasks.cancel_scope.cancel()
