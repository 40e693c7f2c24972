"""`InMemorySessions` as a shelf; what a search finds is in the contract."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chatbots.errors import StorageError
from chatbots.messages import Message
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing.shelf_contract import SessionShelfContract, said


class TestInMemoryShelf(SessionShelfContract):
    def make_store(self) -> InMemorySessions:
        return InMemorySessions()


async def test_a_snippet_is_the_words_around_on_one_line() -> None:
    store = InMemorySessions()
    await said(store, "a", "x" * 99 + "\n\nfind me here\n" + "y" * 99, "Yes.")
    (found,) = await store.search("me")
    assert found.snippet.startswith("xxx")
    assert " find me here yyy" in found.snippet
    assert len(found.snippet) <= 80


async def test_a_session_that_does_not_fit_is_not_restored_by_half() -> None:
    elsewhere = InMemorySessions()
    turns = [
        await said(elsewhere, "a", "x" * 300, "Yes.", request_id=f"r{number}")
        for number in range(3)
    ]
    store = InMemorySessions(max_bytes=2000)
    running = await store.begin("b", "r", [Message("user", "Hi")])
    with pytest.raises(StorageError):
        await store.restore(
            "a", [*turns, replace(turns[0], request_id="r4", said=turns[0].said * 5)]
        )
    assert [info.name for info in await store.sessions()] == ["b"]
    await store.finish(running, (), state="completed")
