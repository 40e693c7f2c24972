"""The server on sockets, as uvicorn and the operating system have it."""

from __future__ import annotations

import json
import signal
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import anyio.to_thread
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chatbots.errors import ConfigurationError
from chatbots.server import serving as module
from chatbots.server.backend import Limits
from chatbots.server.rpc import Pieces
from chatbots.server.serving import HARD_LIMIT, listen
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel
from chatbots.testing.scripted import Gate
from tests.abuse.raw import CLOSE, framed, handshake
from tests.server.peer import application, serving, user
from tests.server.test_application import Closed


def ask(kind: str, payload: object, request_id: str = "r1") -> str:
    return json.dumps({"type": kind, "request_id": request_id, "payload": payload})


async def until(fact: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not fact():  # noqa: ASYNC110 - nobody announces it
            await anyio.sleep(0.01)


@pytest.mark.checklist(227)
def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}.*in use") as caught:
            listen("127.0.0.1", port)
    assert "SERVER_PORT" in (caught.value.hint or "")


@pytest.mark.checklist(202, 247)
async def test_many_clients_are_served_and_counted() -> None:
    app = application()
    async with serving(app) as (_, address), anyio.create_task_group() as tasks:
        answers: list[str] = []

        async def client(number: int) -> None:
            async with connect(f"ws://{address}/ws") as ws:
                await ws.send(ask("chat_completion", user(f"I am {number}."), f"r{number}"))
                answers.append(str(await ws.recv()))

        for number in range(20):
            tasks.start_soon(client, number)
        await until(lambda: len(answers) == 20)
    for answer in map(json.loads, answers):
        said = answer["data"]["choices"][0]["message"]["content"]
        assert f"I am {answer['request_id'][1:]}." == said
    assert len(app.hub) == 0


async def test_frames_are_bounded_and_wrong_ones_close_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(application(guard=None)) as (_, address):
        for frame, code in ((b"\xff\xfe", 1007), (b"x" * (HARD_LIMIT + 1), 1009)):
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


async def test_a_body_may_be_as_long_as_it_likes() -> None:
    async with serving(application()) as (_, address):
        host, port = address.split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            head = b"POST /health HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
            await stream.send(head % (2 * module.MAX_HEAD))
            await stream.send(b"x" * 2 * module.MAX_HEAD)
            assert b" 405 " in await stream.receive()


@pytest.mark.checklist(229)
@pytest.mark.usefixtures("time_flies")
async def test_a_client_that_stops_reading_holds_up_upstream_and_is_cut_and_no_other() -> None:
    piece = "x" * 65536
    model = ScriptedModel([*[piece] * 2000, Gate()], "Hello.")
    app = application(model, limits=Limits(write_timeout=0.3))
    with capture_logs() as lines:
        async with (
            serving(app) as (_, address),
            connect(f"ws://{address}/ws") as good,
            connect(f"ws://{address}/ws", max_queue=1) as bad,
        ):
            await bad.send(ask("chat_completion_stream", user("Hi")))
            bad.transport.pause_reading()
            await until(lambda: len(app.hub) == 1)
            await good.send(ask("chat_completion", user("Hi")))
            assert "Hello." in str(await good.recv())
            bad.transport.abort()
    assert "server.cut" in [line["event"] for line in lines]
    assert model.cancelled == 1


@pytest.mark.checklist(228)
@pytest.mark.usefixtures("time_flies")
async def test_a_client_that_answers_no_ping_is_dropped_and_one_that_does_is_not() -> None:
    app = application(ScriptedModel([*["x" * 65536] * 2000, Gate()]))
    async with (
        serving(app, idle=0.1) as (_, address),
        connect(f"ws://{address}/ws") as good,
        connect(f"ws://{address}/ws", max_queue=1) as bad,
    ):
        # What is not read yet must not keep it either.
        await bad.send(ask("chat_completion_stream", user("Hi")))
        bad.transport.pause_reading()
        await until(lambda: len(app.hub) == 1)
        await anyio.sleep(0.3)
        await good.send(ask("ping", {}))
        assert "pong" in str(await good.recv())
        bad.transport.abort()


@pytest.mark.checklist(210)
@pytest.mark.parametrize("twice", [False, True])
async def test_a_signal_lets_what_runs_end_and_a_second_one_does_not(twice: bool) -> None:
    gate, started = Gate(), time.monotonic()
    app = application(ScriptedModel(["Once ", gate, "more"]), limits=Limits(drain=20))
    async with serving(app) as (server, address), connect(f"ws://{address}/ws") as ws:
        await ws.send(ask("chat_completion_stream", user("Hi")))
        await ws.recv()
        signal.raise_signal(signal.SIGTERM)
        assert json.loads(await ws.recv())["type"] == "going_away"
        with pytest.raises((OSError, InvalidStatus)):
            await connect(f"ws://{address}/ws")
        if twice:
            signal.raise_signal(signal.SIGTERM)
        else:
            gate.open()
            assert json.loads(await ws.recv())["data"]["choices"][0]["delta"]
            assert json.loads(await ws.recv())["data"]["done"]
        await ws.wait_closed()
    assert server.ended_by == (signal.SIGTERM if twice else None)
    assert time.monotonic() - started < 10


def test_an_address_may_be_of_the_newer_kind() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("There is no IPv6 here.")
    with listen("::1", 0) as made:
        assert made.family == socket.AF_INET6


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
