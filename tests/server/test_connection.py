from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from chatbots.server.access import Anybody, Caller
from chatbots.server.backend import Limits
from chatbots.server.connection import FAIR, Connection
from chatbots.server.hub import Hub
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel
from chatbots.testing.scripted import Gate
from tests.server.peer import application, connected, user
from tests.server.test_router import Counting, Door


@pytest.mark.checklist(206, 244)
async def test_a_ping_is_answered_while_streams_run() -> None:
    gates = [Gate(), Gate()]
    app = application(ScriptedModel(*[("Once", gate, " more") for gate in gates]))
    async with connected(app) as peer:
        for number in range(2):
            peer.send("chat_completion_stream", user("Hi"), request_id=f"r{number}")
        assert {(await peer.read())["request_id"] for _ in gates} == {"r0", "r1"}
        assert (await peer.ask("ping", request_id="p"))["request_id"] == "p"
        gates[1].open()
        assert [frame["request_id"] for frame in await peer.read_all()] == ["r1", "r1"]
        gates[0].open()
        assert [frame["request_id"] for frame in await peer.read_all()] == ["r0", "r0"]


@pytest.mark.checklist(239)
async def test_what_is_no_request_is_answered_and_the_socket_lives() -> None:
    async with connected(application()) as peer:
        peer.write("junk")
        peer.write_bytes(b"\0\1")
        peer.write('{"type":"nonsense","request_id":"r9"}')
        frames = [await peer.read() for _ in range(3)]
        assert [frame["type"] for frame in frames] == ["error"] * 3
        assert [frame["request_id"] for frame in frames] == [None, None, "r9"]
        assert frames[2]["error_category"] == "unknown_type"
        assert (await peer.ask("ping"))["type"] == "pong"


async def test_requests_at_once_are_bounded_and_each_has_an_id_of_its_own() -> None:
    gate = Gate()
    app = application(ScriptedModel([gate], [gate]), limits=Limits(in_flight=2))
    async with connected(app) as peer:
        for name in ("r1", "r2", "r3"):
            peer.send("chat_completion", user("Hi"), request_id=name)
        full = await peer.read()
        assert (full["request_id"], full["error_code"]) == ("r3", "too_many_requests")
        twice = await peer.ask("chat_completion", user("Hi"), request_id="r1")
        assert twice["error_code"] == "request_id_conflict"
        for frame in ('{"type":"no","request_id":"r1"}', '{"type":5,"request_id":"r1"}'):
            peer.write(frame)
            wrong = await peer.read()
            assert (wrong["request_id"], wrong["data"]) == (None, {"request_id": "r1"})
        assert (await peer.ask("ping", request_id="r4"))["type"] == "pong"
        gate.open()
        assert {(await peer.read())["request_id"] for _ in range(2)} == {"r1", "r2"}
        assert "error" not in await peer.ask("chat_completion", user("Hi"), request_id="r1")


@pytest.mark.parametrize(
    ("more", "goes_on"),
    [
        ({}, False),
        ({"session_id": "s"}, True),
        ({"session_id": "s", "on_disconnect": "cancel"}, False),
    ],
)
async def test_a_client_that_leaves_stops_what_is_not_to_go_on(
    more: dict[str, object], goes_on: bool
) -> None:
    gate, store = Gate(), InMemorySessions()
    model = ScriptedModel(["Once ", gate, "upon a time"])
    app = application(model, store=store)
    async with connected(app) as peer:
        peer.send("chat_completion_stream", user("Hi", **more))
        await gate.reached()
        assert len(app.hub) == 1
        peer.hang_up()
        while len(app.hub):
            await anyio.lowlevel.checkpoint()
        assert peer.over.is_set() is False
        gate.open()
        await peer.over.wait()
    assert model.cancelled == (0 if goes_on else 1)
    if "session_id" in more:
        [turn] = await store.load("s")
        assert (turn.state, turn.text) == (
            ("completed", "Once upon a time") if goes_on else ("cancelled", "Once ")
        )


@pytest.mark.checklist(202, 229)
@pytest.mark.parametrize("aborts", [False, True])
@pytest.mark.usefixtures("time_flies")
async def test_a_client_that_does_not_read_is_cut_and_another_does_not_notice(
    aborts: bool,
) -> None:
    model = ScriptedModel(["a", "b"], "Hello.")
    app = application(model, limits=Limits(write_timeout=0.05))
    async with connected(app) as good, connected(app, aborts=aborts) as bad:
        bad.stalled = True
        bad.send("chat_completion_stream", user("Hi"))
        with anyio.fail_after(20):
            await bad.over.wait()
        assert len(app.hub) == 1
        assert "error" not in await good.ask("chat_completion", user("Hi"))


@pytest.mark.usefixtures("time_flies")
async def test_a_client_that_does_not_read_is_cut_at_a_ping_as_well() -> None:
    app = application(limits=Limits(write_timeout=0.05))
    async with connected(app) as bad:
        bad.stalled = True
        bad.send("ping")
        with anyio.fail_after(20):
            await bad.over.wait()


@pytest.mark.checklist(210)
async def test_clients_are_told_that_the_server_stops_and_what_runs_ends() -> None:
    gate = Gate()
    app = application(ScriptedModel(["Once ", gate, "more"]))
    async with connected(app) as idle, connected(app) as busy, anyio.create_task_group() as tasks:
        busy.send("chat_completion_stream", user("Hi"))
        await busy.read()
        tasks.start_soon(app.hub.drain, 30)
        for peer in (idle, busy):
            assert await peer.read() == {"type": "going_away", "data": {"seconds": 30}}
        await idle.over.wait()
        assert idle.closed == 1001
        refused = await busy.ask("chat_completion", user("Hi"), request_id="r2")
        assert refused["error_code"] == "going_away"
        gate.open()
        frames = await busy.read_all()
        assert frames[-1]["data"]["choices"][0]["finish_reason"] == "stop"
        await busy.over.wait()
        assert busy.closed == 1001


@pytest.mark.checklist(210)
async def test_what_does_not_end_in_time_is_cancelled_and_kept_as_far_as_it_came() -> None:
    store = InMemorySessions()
    app = application(ScriptedModel(["Once ", Gate()]), store=store)
    async with connected(app) as peer:
        peer.send("chat_completion_stream", user("Hi", session_id="s"))
        await peer.read()
        await app.hub.drain(0.01)
        assert (await peer.read())["type"] == "going_away"
        last = await peer.read()
        assert (last["error_code"], last["data"]) == ("going_away", {"done": True})
        await peer.over.wait()
        assert peer.closed == 1001
    [turn] = await store.load("s")
    assert (turn.state, turn.text) == ("cancelled", "Once ")


async def test_nonsense_counts_as_well() -> None:
    caller = Counting()
    async with connected(application(guard=Door(caller))) as peer:
        for _ in range(3):
            peer.write("junk")
        codes = [(await peer.read())["error_code"] for _ in range(3)]
    assert codes == ["invalid_request", "invalid_request", "too_many_requests"]
    assert len(caller.ended) == 2


class Asking:
    """A client that never stops asking for a pong: neither to read nor to send is waited for."""

    def __init__(self, caller: Caller, kind: str = "ping") -> None:
        self.asked = 0
        self.kind = kind
        self.answers: list[MutableMapping[str, Any]] = []
        backend = application().backend
        self.socket = Connection(
            self.receive, self.send, caller=caller, backend=backend, hub=Hub(), limits=Limits()
        )

    async def receive(self) -> MutableMapping[str, Any]:
        if self.kind != "ping":
            for _ in range(5):  # what was asked before is refused by now
                await checkpoint()
        self.asked += 1
        said = {"type": self.kind, "request_id": f"r{self.asked}", "payload": user("Hi")}
        return {"type": "websocket.receive", "text": json.dumps(said)}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.answers.append(message)


async def test_a_client_that_never_stops_asking_leaves_others_their_turn() -> None:
    asking = Asking(Anybody())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asking.socket.serve)
        for turn in range(1, 6):
            await checkpoint()
            assert 0 < len(asking.answers) <= FAIR * turn
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("kind", ["ping", "chat_completion"])  # at once, and in a task
async def test_a_client_over_its_rate_is_read_on_later_and_later(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, slept = Asking(Counting(), kind), Slept()
    monkeypatch.setattr(anyio, "sleep", slept)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asking.socket.serve)
        with anyio.fail_after(10):
            while len(slept.seconds) < 6:
                await checkpoint()
        tasks.cancel_scope.cancel()
    assert slept.seconds[:6] == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5, 0.5])


class Slept:
    """Sleeps no time, and keeps how long it should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        for _ in range(3):
            await checkpoint()


async def test_what_is_one_too_many_at_once_counts_as_well() -> None:
    caller, gate = Counting(), Gate()
    app = application(ScriptedModel([gate]), guard=Door(caller), limits=Limits(in_flight=1))
    async with connected(app) as peer:
        for name in ("r1", "r2", "r3"):
            peer.send("chat_completion", user("Hi"), request_id=name)
        told = [await peer.read() for _ in range(2)]
        assert [frame["request_id"] for frame in told] == ["r2", "r3"]
        assert "retry_after" not in told[0]
        assert told[1]["retry_after"] == 3
        gate.open()
        await peer.read()
