from __future__ import annotations

from tests.server.handlers.test_sessions_list import say
from tests.server.peer import application, connected


async def test_a_copy_goes_its_own_way() -> None:
    async with connected(application()) as peer:
        await say(peer, "One", "s", "r1")
        await say(peer, "Two", "s", "r2")
        frame = await peer.ask("session_fork", {"session_id": "s", "to": "t", "upto": 1})
        assert frame["data"] == {"session_id": "t", "turns": 1}
        frame = await peer.ask("session_fork", {"session_id": "s"})
        assert frame["data"]["session_id"].startswith("session_")
        frame = await peer.ask("session_fork", {"session_id": "s", "to": "t"})
        assert frame["error_code"] == "session_exists"
        frame = await peer.ask("session_fork", {"session_id": "none"})
        assert frame["error_code"] == "session_not_found"
        for field, payload in (
            ("to", {"session_id": "s", "to": ""}),
            ("session_id", {"session_id": ""}),
        ):
            assert (await peer.ask("session_fork", payload))["param"] == field
