"""Every store keeps the same promises; a new one is a class here."""

from __future__ import annotations

from chatbots.interfaces import SessionStore
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import SessionShelfContract, SessionStoreContract


class TestInMemorySessions(SessionStoreContract):
    def make_store(self) -> SessionStore:
        return InMemorySessions()


class TestInMemoryShelf(SessionShelfContract):
    def make_store(self) -> InMemorySessions:
        return InMemorySessions()
