from __future__ import annotations

from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel
from chatbots.testing.scripted import Gate
from tests.server.peer import application, connected, user


async def test_what_is_stopped_ends_with_a_frame_of_its_own_and_is_kept_as_far_as_it_came() -> None:
    gate, store = Gate(), InMemorySessions()
    app = application(ScriptedModel(["Once ", gate, "more"]), store=store)
    async with connected(app) as peer:
        peer.send("chat_completion_stream", user("Hi", session_id="s"), request_id="r1")
        await peer.read()
        await gate.reached()
        peer.send("cancel", {"request_id": "r1"}, request_id="r2")
        frames = {frame["request_id"]: frame for frame in [await peer.read(), await peer.read()]}
        assert frames["r2"]["type"] == "cancel_response"
        assert frames["r2"]["data"] == {"request_id": "r1", "cancelled": True}
        assert frames["r1"]["error_code"] == "cancelled"
        assert frames["r1"]["data"] == {"done": True}
    [turn] = await store.load("s")
    assert (turn.state, turn.text) == ("cancelled", "Once ")


async def test_what_does_not_run_cannot_be_stopped() -> None:
    async with connected(application()) as peer:
        frame = await peer.ask("cancel", {"request_id": "r0"})
    assert frame["data"] == {"request_id": "r0", "cancelled": False}


async def test_what_shall_be_stopped_is_named() -> None:
    async with connected(application()) as peer:
        frame = await peer.ask("cancel", {"session_id": "s"})
        assert frame["data"] == {"session_id": "s", "cancelled": False}
        frame = await peer.ask("cancel", {})
    assert (frame["error_code"], frame["param"]) == ("invalid_request", "request_id")
