from __future__ import annotations

import anyio
import pytest

from chatbots.errors import ProviderError
from chatbots.messages import Usage
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel
from chatbots.testing.scripted import Gate
from chatbots.tool_calls import ToolCall
from chatbots.tools.builtin import builtin
from chatbots.tools.registry import ToolRegistry
from tests.server.peer import application, connected, user
from tests.server.test_router import Counting, Door


async def test_without_a_session_nothing_is_remembered() -> None:
    model, store = ScriptedModel(), InMemorySessions()
    async with connected(application(model, store=store)) as peer:
        for _ in range(2):
            await peer.ask("chat_completion", user("Hi"))
    assert [len(request.messages) for request in model.requests] == [2, 2]
    assert await store.sessions() == []


@pytest.mark.parametrize("kind", ["chat_completion", "chat_completion_stream"])
async def test_with_a_session_the_server_remembers(kind: str) -> None:
    model, store = ScriptedModel("Hello Ada.", "Ada."), InMemorySessions()
    async with connected(application(model, store=store)) as peer:
        for number, said in enumerate(("I am Ada.", "Who am I?")):
            peer.send(kind, user(said, session_id="s"), request_id=f"r{number}")
            frames = [await peer.read()]
            while "id" not in frames[-1]["data"]:
                frames.append(await peer.read())
            assert frames[-1]["data"]["session_id"] == "s"
    assert [m.content for m in model.requests[1].messages] == [
        "Be kind.", "I am Ada.", "Hello Ada.", "Who am I?",
    ]  # fmt: skip
    assert {request.stream for request in model.requests} == {kind.endswith("stream")}
    assert [turn.request_id for turn in await store.load("s")] == ["r0", "r1"]


async def test_a_request_repeated_in_a_session_is_answered_again_and_asked_once() -> None:
    model = ScriptedModel("One.", "Two.")
    async with connected(application(model)) as peer:
        texts = []
        for _ in range(2):
            frame = await peer.ask("chat_completion", user("Hi", session_id="s"))
            texts.append(frame["data"]["choices"][0]["message"]["content"])
        frame = await peer.ask("chat_completion", user("Something else", session_id="s"))
    assert (texts, len(model.requests)) == (["One.", "One."], 1)
    assert frame["error_code"] == "request_id_conflict"


@pytest.mark.checklist(205)
@pytest.mark.parametrize("session", [None, "s"])
async def test_the_server_runs_its_own_tools_where_that_is_asked(session: str | None) -> None:
    model = ScriptedModel()
    model.answer(reason="tool_calls", tool_calls=[ToolCall("c", "multiply", '{"a":2,"b":3}')])
    model.answer("6.")
    app = application(model, tools=ToolRegistry([builtin("multiply")]))
    async with connected(app) as peer:
        peer.send("chat_completion_stream", user("2x3?", tool_mode="server", session_id=session))
        frames = await peer.read_all()
    [started] = [f["data"]["tool_started"] for f in frames if "tool_started" in f["data"]]
    [finished] = [f["data"]["tool_finished"] for f in frames if "tool_finished" in f["data"]]
    assert (started["call_id"], finished["content"]) == ("c", "6")
    assert frames[-1]["data"]["choices"][0]["finish_reason"] == "stop"
    assert {request.stream for request in model.requests} == {True}


async def test_what_a_turn_costs_is_counted_however_it_ends() -> None:
    gate, model, caller = Gate(), ScriptedModel(), Counting()
    model.answer("Hello ", "there ", gate)
    model.answer("Hello ", ProviderError("stream_interrupted", "It broke."))
    caller.begin = caller.begun.append  # type: ignore[assignment,method-assign]  # as often as it likes
    async with connected(application(model, guard=Door(caller))) as peer:
        peer.send("chat_completion_stream", user("Hi there"), request_id="r1")
        await gate.reached()
        peer.send("cancel", {"request_id": "r1"}, request_id="r2")
        frames = [await peer.read() for _ in range(4)]
        assert "cancelled" in [frame.get("error_code") for frame in frames]
        peer.send("chat_completion_stream", user("Hi there"), request_id="r3")
        await peer.read_all()
    costs = [usage for kind, usage in caller.ended if kind != "cancel"]
    assert all(isinstance(cost, Usage) and cost.estimated for cost in costs)
    assert all(cost and cost.input_tokens > 0 and cost.output_tokens > 0 for cost in costs)
    assert len(costs) == 2
    await anyio.lowlevel.checkpoint()


@pytest.mark.usefixtures("time_flies")
async def test_what_is_stopped_costs_what_the_model_was_asked_and_a_replay_nothing() -> None:
    gate, model, caller = Gate(), ScriptedModel("word " * 300), Counting()
    model.answer("Hello ", gate)
    model.answer(Gate())
    caller.begin = caller.begun.append  # type: ignore[assignment,method-assign]  # as often as it likes
    asked = {
        "r0": user("Much", session_id="s"),
        "r1": user("More", session_id="s"),
        "r2": user("Quick", session_id="s", timeout=0.05),
    }
    async with connected(application(model, guard=Door(caller))) as peer:
        await peer.ask("chat_completion", asked["r0"], request_id="r0")
        peer.send("chat_completion_stream", asked["r1"], request_id="r1")
        await gate.reached()
        peer.send("cancel", {"request_id": "r1"}, request_id="c")
        await peer.read_all()
        codes = [(await peer.ask("chat_completion", asked["r2"], request_id="r2"))["error_code"]]
        for request_id, payload in asked.items():
            frame = await peer.ask("chat_completion", payload, request_id=request_id)
            codes.append(frame.get("error_code"))
    assert codes == ["upstream_timeout", None, "cancelled", "upstream_timeout"]
    _, cancelled, late, *replays = [cost for kind, cost in caller.ended if kind != "cancel"]
    assert cancelled is not None
    assert late is not None
    assert min(cancelled.input_tokens, late.input_tokens) > 300  # the past as well
    assert replays == [None, None, None]
