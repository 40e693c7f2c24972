from __future__ import annotations

from msgspec.structs import replace

from chatbots.interfaces import SessionStore
from chatbots.server.access import OpenDoor
from chatbots.server.application import Application
from chatbots.server.backend import Limits
from tests.server.peer import application, connected, user


def test_the_limits_are_those_of_the_documentation() -> None:
    assert Limits() == Limits(in_flight=8, write_timeout=30, drain=10)


async def test_no_store_is_opened_for_what_is_not_remembered() -> None:
    def store() -> SessionStore:
        raise AssertionError("The store was asked for.")

    backend = replace(application().backend, store=store)
    async with connected(Application(backend, guard=OpenDoor())) as peer:
        for kind in ("chat_completion", "embedding", "tools_list"):
            frame = await peer.ask(kind, user("Hi", input="Hi"))
            assert "error" not in frame
        frame = await peer.ask("sessions_list")
    assert frame["error_code"] == "internal"
