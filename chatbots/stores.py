"""Which store an application's sessions are kept in."""

from __future__ import annotations

from typing import Protocol

from chatbots.errors import ConfigurationError
from chatbots.interfaces import SessionShelf, SessionStore
from chatbots.places import sessions_file
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.settings import Settings


class Store(SessionStore, SessionShelf, Protocol):
    """A store that can be browsed, and is closed in the end."""

    async def aclose(self) -> None:
        """Keep what is still to be kept, and close what was opened."""
        ...


def store_of(settings: Settings) -> Store:
    """Return the store that *settings* ask for; nothing is opened before its first use.

    Raises `ConfigurationError` (`not_configured`) for one that is not there yet.
    """
    if settings.db_type == "memory":
        return InMemorySessions(
            max_sessions=settings.chatbots_max_sessions,
            max_bytes=settings.chatbots_max_session_bytes,
        )
    if settings.db_type == "sqlite":
        # A program that remembers nothing need not load SQLite.
        from chatbots.sessions.sqlite.store import SQLiteSessions

        return SQLiteSessions(sessions_file(settings))
    raise ConfigurationError(
        "not_configured",
        f"There is no store for DB_TYPE={settings.db_type} in this version.",
        hint="Set DB_TYPE=sqlite, or DB_TYPE=memory.",
        param="db_type",
    )
