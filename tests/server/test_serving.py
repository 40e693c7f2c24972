"""The server on sockets, as uvicorn and the operating system have it."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable

import anyio
import anyio.to_thread
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chatbots.errors import ConfigurationError
from chatbots.server.backend import Limits
from chatbots.server.serving import UNREAD, listen
from chatbots.testing import ScriptedModel
from chatbots.testing.scripted import Gate
from tests.server.peer import application, serving, user


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
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws")
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body)["error_code"] == "going_away"
        host, port = address.split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:  # as a load balancer looks
            await stream.send(b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            said = b"".join([part async for part in stream])
        assert b" 503 " in said
        assert b'"status":"draining"' in said
        if twice:
            signal.raise_signal(signal.SIGTERM)
        else:
            gate.open()
            assert json.loads(await ws.recv())["data"]["choices"][0]["delta"]
            assert json.loads(await ws.recv())["data"]["done"]
        await ws.wait_closed()
    with pytest.raises(OSError, match="connect"):
        await anyio.connect_tcp(host, int(port))
    assert server.ended_by == (signal.SIGTERM if twice else None)
    assert time.monotonic() - started < 10


def test_the_system_keeps_little_for_one_who_does_not_read() -> None:
    with listen("127.0.0.1", 0) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) in (UNREAD, 2 * UNREAD)


def test_an_address_may_be_of_the_newer_kind() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("There is no IPv6 here.")
    with listen("::1", 0) as made:
        assert made.family == socket.AF_INET6
