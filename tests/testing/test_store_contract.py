"""The suite passes a store that keeps its promises; test_store_*.py break each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chatbots.interfaces import SessionStore
from chatbots.testing.store_contract import SessionStoreContract
from tests.testing.tiny_store import TinyStore


class TestTinyStore(SessionStoreContract):
    def make_store(self) -> SessionStore:
        return TinyStore()


class TestStoreThatIsEntered(SessionStoreContract):
    @asynccontextmanager
    async def make_store(self) -> AsyncGenerator[SessionStore]:
        yield TinyStore()
