"""Every store keeps the same promises; a new one is a class here."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from chatbots.interfaces import SessionStore
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.sessions.scoped import ScopedShelf, scoped
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.testing import SessionShelfContract, SessionStoreContract


class TestInMemorySessions(SessionStoreContract):
    def make_store(self) -> SessionStore:
        return InMemorySessions()


class TestInMemoryShelf(SessionShelfContract):
    def make_store(self) -> InMemorySessions:
        return InMemorySessions()


class TestScopedSessions(SessionStoreContract):
    def make_store(self) -> SessionStore:
        return scoped(InMemorySessions(), "ada/")


class TestScopedShelf(SessionShelfContract):
    def make_store(self) -> ScopedShelf:
        store = InMemorySessions()
        return ScopedShelf(store, "ada/", shelf=store)


class TestSQLiteSessions(SessionStoreContract):
    @asynccontextmanager
    async def make_store(self) -> AsyncGenerator[SQLiteSessions]:
        with TemporaryDirectory() as folder:
            store = SQLiteSessions(Path(folder) / "sessions.db")
            yield store
            await store.aclose()


class TestSQLiteShelf(SessionShelfContract):
    make_store = TestSQLiteSessions.make_store
