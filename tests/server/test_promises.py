"""What a client sees of its requests where two of them meet, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from chatbots.app import Chatbots
from chatbots.server.application import Application
from chatbots.server.gate import Gate as Gateway
from chatbots.server.tokens import TokenFile
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.settings import Settings
from chatbots.testing import FakeOpenAI, ScriptedModel
from chatbots.testing.scripted import Gate
from tests.server.peer import Frame, application, serving, user

STREAM = "chat_completion_stream"


class Client:
    """A client that is told apart by its socket alone."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def send(self, kind: str, payload: object, request_id: str = "r1") -> None:
        frame = {"type": kind, "request_id": request_id, "payload": payload}
        await self._socket.send(json.dumps(frame))

    async def read(self) -> Frame:
        frame: Frame = json.loads(await self._socket.recv())
        return frame

    async def ask(self, kind: str, payload: object, request_id: str = "r1") -> Frame:
        await self.send(kind, payload, request_id)
        return await self.read()

    async def read_all(self) -> list[Frame]:
        """Return the frames up to the one that ends a stream."""
        frames = [await self.read()]
        while not frames[-1].get("data", {}).get("done"):
            frames.append(await self.read())
        return frames


@asynccontextmanager
async def client(address: str, token: str = "") -> AsyncGenerator[Client]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with connect(f"ws://{address}/ws", additional_headers=headers) as socket:
        yield Client(socket)


@asynccontextmanager
async def one(app: Application) -> AsyncGenerator[Client]:
    async with serving(app) as (_, address), client(address) as here:
        yield here


async def test_a_second_request_under_an_id_that_streams_does_not_end_the_first() -> None:
    gate = Gate()
    async with one(application(ScriptedModel(["Once ", gate, "more"]))) as here:
        await here.send(STREAM, user("Hi"))
        await here.read()
        for kind, payload in ((STREAM, user("Hi")), ("chat_completion", user("Bye")), ("ping", 5)):
            with capture_logs() as lines:
                told = await here.ask(kind, payload)
            assert (told["type"], told["request_id"]) == ("error", None)
            assert told["data"] == {"request_id": "r1"}
            assert [(line["type"], line["code"]) for line in lines] == [(kind, told["error_code"])]
        gate.open()
        more, last = await here.read_all()
    assert more["data"]["choices"][0]["delta"]["content"] == "more"
    assert (last["request_id"], "error" in last) == ("r1", False)


async def test_who_stops_a_turn_is_not_asked_to_try_again() -> None:
    gate = Gate()
    async with one(application(ScriptedModel(["Once ", gate]))) as here:
        await here.send(STREAM, user("Hi"))
        await here.read()
        await here.send("cancel", {"request_id": "r1"}, "c")
        [last] = [f for f in [await here.read(), await here.read()] if f["request_id"] == "r1"]
    assert (last["error_code"], last["retryable"]) == ("cancelled", False)


async def test_what_is_wrong_in_a_session_is_named_as_the_request_named_it() -> None:
    gate = Gate()
    model = ScriptedModel("One.", [gate])
    async with one(application(model)) as here:
        await here.ask("chat_completion", user("Hi", session_id="s"))
        await here.send(STREAM, user("Hi", session_id="runs"), "r2")
        await gate.reached()
        wrong: list[tuple[str, Any]] = []
        for payload in (
            {"session_id": "none"},
            {"session_id": "s", "to": "s"},
            {"session_id": "s", "to": "t" * 257},
            {"session_id": "s", "upto": 0},
            {"session_id": "runs", "upto": 1},
            {"session_id": "runs"},
        ):
            told = await here.ask("session_fork", payload, "f")
            wrong.append((told["error_code"], told["param"]))
        told = await here.ask("chat_completion", user(" "), "f")
        assert told["param"] == "messages"
        gate.open()  # or else the server's end waits for it
    assert wrong == [
        ("session_not_found", "session_id"), ("session_exists", "to"), ("invalid_request", "to"),
        ("invalid_request", "upto"), ("invalid_request", "upto"), ("invalid_request", "session_id"),
    ]  # fmt: skip


@pytest.mark.parametrize("keeps", ["in memory", "in a file"])
async def test_a_turn_whose_session_is_deleted_meanwhile_ends_as_not_stored(
    keeps: str, tmp_path: Path
) -> None:
    gates = [Gate(), Gate()]
    model = ScriptedModel(*[("Once ", gate) for gate in gates])
    store = InMemorySessions() if keeps == "in memory" else SQLiteSessions(tmp_path / "s.db")
    async with one(application(model, store=store)) as here:
        stored: list[bool] = []
        for number, gate in enumerate(gates):
            await here.send(STREAM, user("Hi", session_id="s"), f"r{number}")
            await here.read()
            await gate.reached()
            if number == 0:
                assert (await here.ask("session_delete", {"session_id": "s"}, "d"))["data"]
            gate.open()
            stored.append((await here.read_all())[-1]["data"]["stored"])
        told = await here.ask("session_history", {"session_id": "s"}, "h")
    if isinstance(store, SQLiteSessions):
        await store.aclose()
    assert stored == [False, True]
    assert [turn["request_id"] for turn in told["data"]["turns"]] == ["r1"]


async def test_a_turn_in_a_session_is_stopped_from_another_socket_of_its_user(
    tmp_path: Path,
) -> None:
    tokens, gates, store = TokenFile(tmp_path / "tokens"), [Gate(), Gate()], InMemorySessions()
    ada, eve = (tokens.add(name) for name in ("ada", "eve"))
    model = ScriptedModel(*[("Once ", gate) for gate in gates])
    app = application(model, store=store, guard=Gateway(tokens=tokens))
    async with serving(app) as (_, address):
        async with client(address, ada) as gone:
            await gone.send(STREAM, user("Hi", session_id="s"))
            await gone.read()
        async with client(address, eve) as here:
            for named in ({"session_id": "s"}, {"session_id": "ada/s"}, {"request_id": "r1"}):
                assert (await here.ask("cancel", named))["data"] == {**named, "cancelled": False}
        async with client(address, ada) as here, client(address, ada) as streams:
            for wrong in ({"request_id": "r1"}, {"session_id": "s", "request_id": "r0"}):
                assert not (await here.ask("cancel", wrong))["data"]["cancelled"]
            assert (await here.ask("cancel", {"session_id": "s"}))["data"]["cancelled"]
            await streams.send(STREAM, user("Hi", session_id="s"), "r2")
            await streams.read()
            named = {"session_id": "s", "request_id": "r2"}
            assert (await here.ask("cancel", named))["data"] == {**named, "cancelled": True}
            [last] = await streams.read_all()
            assert last["error_code"] == "cancelled"
    assert [turn.state for turn in await store.load("ada/s")] == ["cancelled", "cancelled"]


SAME = {"model": "m", "temperature": 0.5, "max_tokens": 9, "stop": "END", "seed": 7}
OTHER = {"model": "n", "temperature": 0.6, "max_tokens": 8, "stop": ["E"], "top_p": 0.5}


async def test_the_same_frame_is_answered_again_and_one_that_asks_for_else_is_refused(
    tmp_path: Path,
) -> None:
    asked = user("Hi", session_id="s", tool_mode="server", **SAME)
    system = [{"role": "system", "content": "Rhyme."}, *asked["messages"]]
    others = [{**asked, field: value} for field, value in OTHER.items()]
    others += [{**asked, "tool_mode": "client"}, {**asked, "messages": system}]
    others += [{**asked, "tool_choice": "none"}, {**asked, "messages": user("Ho")["messages"]}]

    store = SQLiteSessions(tmp_path / "s.db")
    async with one(application(ScriptedModel("One.", "Two."), store=store)) as here:
        first = await here.ask("chat_completion", asked)
        await here.ask("chat_completion", user("And?", session_id="s"), "r2")
    await store.aclose()

    model, store = ScriptedModel(), SQLiteSessions(tmp_path / "s.db")
    async with one(application(model, store=store)) as here:
        again = await here.ask("chat_completion", {**asked, "timeout": 9})
        assert again["data"]["choices"] == first["data"]["choices"]
        assert "error" not in await here.ask("chat_completion", user("And?", session_id="s"), "r2")
        for other in others:
            told = await here.ask("chat_completion", other)
            assert (told["error_code"], told["param"]) == ("request_id_conflict", "request_id")
    await store.aclose()
    assert model.requests == []


async def test_an_error_says_what_its_client_can_do_and_no_more() -> None:
    async with FakeOpenAI() as fake:
        host = fake.base_url.split("/")[2]
        settings = Settings(openai_api_key="k", openai_base_url=fake.base_url, db_type="memory")
        async with Chatbots(settings) as bots, one(bots.asgi()) as here:
            said = []
            for fault, text in (("404", "Hi"), ("redirect", "Hi"), (None, "x" * 200_001)):
                fake.answer("Hello.", fault=fault)
                said.append((await here.ask("chat_completion", user(text)))["error"])
            missing = [
                (await here.ask("session_history", {}))["param"],
                (await here.ask("tool_execute", {"tool_call": {"id": "c", "function": {}}}))[
                    "param"
                ],
            ]
    assert host not in str(said)
    assert said[0].endswith("Name another in `model`.")
    assert "at [redacted] redirects" in said[1]
    assert said[2].endswith("at most 200,000 are allowed. Shorten it.")
    assert missing == ["session_id", "tool_call.function.name"]
