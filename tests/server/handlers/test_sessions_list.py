from __future__ import annotations

from tests.server.peer import Peer, application, connected, user


async def say(peer: Peer, text: str, session: str, request_id: str = "r1") -> None:
    """Have *text* answered in a *session*."""
    frame = await peer.ask("chat_completion", user(text, session_id=session), request_id=request_id)
    assert "error" not in frame


async def test_the_newest_is_the_first() -> None:
    async with connected(application()) as peer:
        for name in ("a", "b", "c"):
            await say(peer, f"Hi {name}", name)
        listed = (await peer.ask("sessions_list", {"limit": 2}))["data"]["sessions"]
        assert [(each["name"], each["title"]) for each in listed] == [("c", "Hi c"), ("b", "Hi b")]
        assert len((await peer.ask("sessions_list"))["data"]["sessions"]) == 3
        assert (await peer.ask("sessions_list", {"limit": 0}))["param"] == "limit"
