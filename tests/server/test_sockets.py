"""What comes in is bounded, in bytes and in time: no connection holds the server's loop."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.lowlevel import checkpoint
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chatbots.deltas import Delta, ReasoningDelta, TextDelta
from chatbots.interfaces import Sink
from chatbots.messages import ModelAnswer, ModelRequest
from chatbots.server import sockets as module
from chatbots.server.backend import Limits
from chatbots.server.rpc import MAX_FRAME, Pieces
from chatbots.server.sockets import CONTROLS, HARD_LIMIT, PASSED_OVER
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel
from tests.abuse.flooding import _memory
from tests.abuse.raw import CLOSE, CONTINUATION, PING, PONG, TEXT, framed, handshake
from tests.server.peer import application, serving, user
from tests.server.test_application import Closed
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
PINGED = framed(ask("ping", {}).encode())


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
        with anyio.fail_after(20):
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
        with anyio.fail_after(20):
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


async def test_frames_are_bounded_and_wrong_ones_close_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(application(guard=None)) as (_, address):
        parts = [b"x" * MAX_FRAME] * (HARD_LIMIT // MAX_FRAME + 1)
        late = [b"", b"x" * (HARD_LIMIT + 1)]
        for frame, code in ((b"\xff\xfe", 1007), (parts, 1009), (late, 1009)):
            async with connect(f"ws://{address}/ws") as ws:
                await ws.send(frame, text=True)
                with pytest.raises(ConnectionClosed) as caught:
                    await ws.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == code
        async with connect(f"ws://{address}/ws") as ws:
            await ws.send(b"\0\1")
            assert "binary" in json.loads(await ws.recv())["error"]
    async with serving(application(guard=Closed())) as (_, address):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws")
        assert refused.value.response.status_code == 401
    assert caplog.records == []


async def test_a_connection_that_does_not_say_what_it_wants_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HANDSHAKE", 0.05)
    async with serving(application()) as (_, address):
        host, port = address.split(":")
        whole = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
        for said in (b"", b"GET /ws HTTP/1.1\r\nHost:", whole + b"GET"):
            async with await anyio.connect_tcp(host, int(port)) as stream:
                if said:
                    await stream.send(said)
                with anyio.fail_after(20):
                    async for _ in stream:
                        pass


@pytest.mark.parametrize("said", [b"x" * 65_536, b"X: %b\r\n" % (b"x" * 65_536)])
async def test_a_connection_that_says_too_much_before_what_it_wants_is_closed(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HANDSHAKE", 3600)
    async with serving(application()) as (_, address):
        host, port = address.split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(b"GET /health HTTP/1.1\r\nHost: h\r\nX: ")
            with suppress(anyio.BrokenResourceError):
                for _ in range(1000):
                    await stream.send(said)
                pytest.fail("It took 64 MiB.")


@pytest.mark.parametrize(
    "more",
    ["Cookie: " + "x" * 9000, "X: y\r\n" * 150 + "X: y", "Content-Length: 1"],
    ids=["a long header", "many headers", "a body"],
)
async def test_a_handshake_that_cannot_be_read_is_answered(more: str) -> None:
    async with serving(application()) as (_, address):
        host, port = address.split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(handshake()[:-2] + more.encode() + b"\r\n\r\n")
            with anyio.fail_after(20), suppress(anyio.EndOfStream):
                heard = await stream.receive()
                await stream.receive()
                pytest.fail("It is not closed.")
    assert heard.startswith(b"HTTP/1.1 400 ")


async def test_frames_that_come_along_with_the_handshake_are_answered() -> None:
    heard = b""
    async with serving(application()) as (_, address):
        host, port = address.split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(handshake() + PINGED * 3)
            with anyio.fail_after(10):
                while heard.count(b"pong") < 3:
                    heard += await stream.receive()
    assert heard.startswith(b"HTTP/1.1 101 ")


async def test_a_large_frame_that_comes_along_with_the_handshake_is_told_and_passed_over() -> None:
    large = framed(ask("ping", {"pad": "x" * 2 * HARD_LIMIT}, "r7").encode())
    async with (
        serving(application()) as (_, address),
        socket_to(address, large + PINGED, early=True) as stream,
    ):
        heard = b""
        with anyio.fail_after(20):
            while b"pong" not in heard:
                heard += await stream.receive()
    assert b'"request_id":"r7","error":"The frame is too large' in heard


@pytest.mark.parametrize(
    "wrong",
    [framed(b"x", 3), framed(b"\xff"), b"\x81\xff\x40" + bytes(11)],
    ids=["no kind of frame", "no UTF-8", "a length of 2 ** 62"],
)
async def test_wrong_frames_that_come_along_with_the_handshake_are_nothing_for_the_log(
    wrong: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(application()) as (_, address):
        for before in (b"", PINGED):
            async with socket_to(address, before + wrong, early=True) as stream:
                with anyio.fail_after(20), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    while True:
                        await stream.receive()
    assert caplog.records == []


async def test_a_body_may_be_as_long_as_it_likes() -> None:
    async with serving(application()) as (_, address):
        host, port = address.split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            head = b"POST /health HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
            await stream.send(head % (2 * module.MAX_HEAD))
            await stream.send(b"x" * 2 * module.MAX_HEAD)
            assert b" 405 " in await stream.receive()


async def test_frames_of_every_size_arrive_as_they_were_said() -> None:
    frames = (125, 126, 127, 65_535, 65_536, 65_537, 200_000)
    around = len(Pieces("chat_completion_stream_response", "r1").frame(""))
    assert around < frames[0]
    pieces = ["x" * (size - around) for size in frames]
    async with (
        serving(application(ScriptedModel(pieces))) as (_, address),
        connect(f"ws://{address}/ws", max_size=None) as ws,
    ):
        await ws.send(ask("chat_completion_stream", user("Hi")))
        told = [json.loads(await ws.recv()) for _ in pieces]
        assert [f["data"]["choices"][0]["delta"]["content"] for f in told] == pieces
        assert json.loads(await ws.recv())["data"]["done"]


async def test_a_message_in_parts_without_end_is_hung_up_on_and_one_in_many_is_not() -> None:
    async with serving(application()) as (_, address), connect(f"ws://{address}/ws") as ws:
        await ws.send(iter(ask("ping", {"a": "x" * 1000})))
        assert "pong" in str(await ws.recv())
        begun, more = b"\x01\x81\0\0\0\0{", b"\x00\x80\0\0\0\0"
        ws.transport.write(begun + more * module.PARTS)
        with anyio.fail_after(20), pytest.raises(ConnectionClosed):
            await ws.recv()


@pytest.mark.parametrize("how", ["closes", "vanishes", "breaks"])
@pytest.mark.parametrize("kind", ["chat_completion", "chat_completion_stream"])
async def test_what_was_asked_just_before_the_socket_ends_is_done(kind: str, how: str) -> None:
    store, model = InMemorySessions(), ScriptedModel(*["Kept."] * 5)
    app = application(model, store=store, limits=Limits(in_flight=10))
    asked = b"".join(
        framed(ask(kind, user("Hi" * 100, session_id=f"s{number}"), f"r{number}").encode())
        for number in range(5)
    )
    last = {"closes": framed(b"\x03\xe8", CLOSE), "vanishes": b"", "breaks": framed(b"x", 3)}[how]
    async with serving(app) as (_, address):
        host, port = address.split(":")
        stream = socket.create_connection((host, int(port)))
        with stream:
            stream.sendall(handshake())
            await anyio.wait_readable(stream)
            stream.recv(65_536)
            await until(lambda: len(app.hub) == 1)
            stream.sendall(asked + last)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await until(lambda: not app.hub._present)
    told = [[turn.state for turn in await store.load(f"s{number}")] for number in range(5)]
    assert told == [["completed"]] * 5


async def test_answers_that_come_after_the_socket_was_closed_are_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = PINGED * 3 + framed(b"x", 3)
    async with serving(application()) as (_, address), socket_to(address, data) as stream:
        with anyio.fail_after(10), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await stream.receive()
    assert caplog.records == []


async def test_who_is_refused_is_told_so_later_and_nobody_else_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleep, asleep, awake = anyio.sleep, anyio.Event(), anyio.Event()

    async def slept(seconds: float) -> None:
        if seconds == module.REFUSED:
            asleep.set()
            await awake.wait()
        else:
            await sleep(seconds)

    monkeypatch.setattr(module, "REFUSED", 0.125)
    monkeypatch.setattr(anyio, "sleep", slept)
    async with serving(application()) as (_, address):
        host, port = address.split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(handshake(path="/nowhere"))
            with anyio.fail_after(10):
                await asleep.wait()
            async with connect(f"ws://{address}/ws") as ws:
                await ws.send(ask("ping", {}))
                assert "pong" in str(await ws.recv())
            awake.set()
            assert b" 404 " in await stream.receive()


@pytest.mark.parametrize("size", [MAX_FRAME + 1, HARD_LIMIT + 1])
async def test_a_message_that_is_too_large_is_told_to_who_sent_it_and_the_socket_lives(
    size: int,
) -> None:
    large = ask("ping", {"pad": "é" * (size // 2)}, "large").encode()
    small = framed(ask("ping", {}, "small").encode())
    heard = b""
    async with (
        serving(application()) as (_, address),
        socket_to(address, (small + framed(large)) * 2 + small) as stream,
    ):
        with anyio.fail_after(30):
            while heard.count(b"small") < 3:
                heard += await stream.receive()
    told = re.findall(rb'"request_id":"(\w+)"(,"error")?', heard)
    assert [bool(error) for _, error in told] == [False, True, False, True, False]
    assert heard.count(b'"error_code":"frame_too_large"') == 2
    assert [name for name, _ in told] == [b"small", b"large"] * 2 + [b"small"]


async def test_a_message_is_not_passed_over_without_end() -> None:
    head = b"\x81\xff" + (PASSED_OVER + 1).to_bytes(8)
    async with serving(application()) as (_, address), socket_to(address, head) as stream:
        with anyio.fail_after(20):
            heard = await stream.receive()
    assert heard[2:4] == (1009).to_bytes(2)


@pytest.mark.slow
async def test_what_is_passed_over_is_not_kept() -> None:
    size = 32 * MAX_FRAME
    head = b"\x81\xff" + size.to_bytes(8) + b"mask"
    async with serving(application()) as (_, address), socket_to(address, PINGED) as stream:
        await stream.receive()
        before = most = _memory()
        await stream.send(head)
        for _ in range(size // 65_536):
            await stream.send(b"x" * 65_536)
            most = max(most, _memory())
        with anyio.fail_after(30):
            assert b"frame_too_large" in await stream.receive()
        assert most - before < size // 2


@asynccontextmanager
async def socket_to(
    address: str, data: bytes, *, early: bool = False
) -> AsyncGenerator[SocketStream]:
    """Open a WebSocket, and send *data* on it at once; *early*: with the handshake."""
    host, port = address.split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        if early:
            data = handshake() + data
        else:
            await stream.send(handshake())
            assert b"101" in await stream.receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.send, data)
            yield stream
            tasks.cancel_scope.cancel()
