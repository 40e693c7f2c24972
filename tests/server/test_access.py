from __future__ import annotations

from chatbots.messages import Usage
from chatbots.server.access import Caller, Guard, OpenDoor
from chatbots.sessions.in_memory import InMemorySessions


def test_an_open_door_lets_everybody_in_to_everything() -> None:
    guard: Guard = OpenDoor()
    caller: Caller = guard.admit({}, path="/ws", peer=None, socket=True)
    store = InMemorySessions()
    assert caller.scope(store) is store
    assert (caller.user, caller.subprotocol) == (None, None)
    for _ in range(1000):
        caller.begin("chat_completion")
        caller.end("chat_completion", Usage(10**9))
    caller.leave()
