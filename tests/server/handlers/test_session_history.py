from __future__ import annotations

import pytest

from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing.shelf_contract import said
from tests.server.handlers.test_sessions_list import say
from tests.server.peer import application, connected


async def test_what_was_said_is_told_again() -> None:
    async with connected(application()) as peer:
        await say(peer, "One", "s", "r1")
        await say(peer, "Two", "s", "r2")
        data = (await peer.ask("session_history", {"session_id": "s"}))["data"]
        assert data["session_id"] == "s"
        assert [(turn["request_id"], turn["state"]) for turn in data["turns"]] == [
            ("r1", "completed"), ("r2", "completed"),
        ]  # fmt: skip
        assert data["turns"][0]["messages"] == [
            {"role": "user", "content": "One"}, {"role": "assistant", "content": "One"},
        ]  # fmt: skip
        data = (await peer.ask("session_history", {"session_id": "s", "last": 1}))["data"]
        assert [turn["seq"] for turn in data["turns"]] == [2]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["x"] * 30, list(range(1, 31))),
        (["x" * 60_000] * 12, list(range(5, 13))),  # each is asked, and said again
        (["x" * 60_000] * 4 + ["x"] * 9, list(range(1, 14))),
        (["x", "x" * 600_000], [2]),
    ],
)
async def test_of_a_long_history_the_newest_turns_are_told(
    texts: list[str], told: list[int]
) -> None:
    store = InMemorySessions()
    for number, text in enumerate(texts):
        await said(store, "s", text, text, request_id=f"r{number}")
    async with connected(application(store=store)) as peer:
        data = (await peer.ask("session_history", {"session_id": "s"}))["data"]
    assert [turn["seq"] for turn in data["turns"]] == told


@pytest.mark.parametrize(
    ("name", "code"),
    [("none", "session_not_found"), ("", "invalid_request"), ("a\0", "invalid_request")],
)
async def test_a_session_that_is_not_there_is_not_found(name: str, code: str) -> None:
    async with connected(application()) as peer:
        frame = await peer.ask("session_history", {"session_id": name})
    assert (frame["error_code"], frame["param"]) == (code, "session_id")
