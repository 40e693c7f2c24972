from __future__ import annotations

from tests.server.handlers.test_sessions_list import say
from tests.server.peer import application, connected


async def test_what_is_deleted_is_gone() -> None:
    async with connected(application()) as peer:
        await say(peer, "Hi", "s")
        frame = await peer.ask("session_delete", {"session_id": "s"})
        assert frame["data"] == {"session_id": "s", "deleted": True}
        for kind in ("session_delete", "session_history"):
            frame = await peer.ask(kind, {"session_id": "s"})
            assert frame["error_code"] == "session_not_found"
