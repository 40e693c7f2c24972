"""`SQLiteSessions` as a shelf, beyond the contract: turns of processes that died."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from chatbots.errors import InvalidRequest
from chatbots.messages import Message
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.testing import SessionShelfContract
from chatbots.testing.shelf_contract import said
from tests.sessions.sqlite.processes import begun_elsewhere


class TestSQLiteShelf(SessionShelfContract):
    @asynccontextmanager
    async def make_store(self) -> AsyncGenerator[SQLiteSessions]:
        with TemporaryDirectory() as folder:
            store = SQLiteSessions(Path(folder) / "sessions.db")
            yield store
            await store.aclose()


async def test_what_died_is_renamed_and_forked_as_interrupted(tmp_path: Path) -> None:
    store = SQLiteSessions(tmp_path / "s.db")
    for session in ("a", "b"):
        with begun_elsewhere(tmp_path / "s.db", session, partial="Half.") as process:
            with pytest.raises(InvalidRequest, match="has a turn running"):
                await store.rename(session, "x")
            process.kill()
            process.wait()
    await store.rename("a", "c")
    await store.fork("b", "d")
    for session in ("c", "d"):
        assert [turn.state for turn in await store.load(session)] == ["interrupted"]
    assert {one.session for one in await store.search("half")} == {"b", "c", "d"}
    await store.aclose()


async def test_words_are_found_without_their_accents_and_as_they_are_typed(tmp_path: Path) -> None:
    store = SQLiteSessions(tmp_path / "s.db")
    await said(store, "a", "Où est le café de Zürich?", "À côté.")
    for text in ("cafe", "café", "zur", "CÔTÉ", "cote"):
        assert len(await store.search(text)) == 1, text
    assert (await store.stats()).bytes > 4096
    await store.aclose()
    assert [Message("user", "Où est le café de Zürich?")] == list((await store.load("a"))[0].said)
    await store.aclose()
