from __future__ import annotations

from pathlib import Path

import pytest

from chatbots.errors import ConfigurationError
from chatbots.messages import Message
from chatbots.places import sessions_file
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.settings import Settings
from chatbots.stores import store_of


def test_a_store_in_memory_is_made_with_its_bounds() -> None:
    assert isinstance(store_of(Settings(db_type="memory")), InMemorySessions)


@pytest.mark.checklist(235)
async def test_sqlite_is_opened_by_its_first_use_in_the_users_data() -> None:
    store = store_of(Settings())
    assert isinstance(store, SQLiteSessions)
    path = sessions_file(Settings())
    assert path.name == "aibase.db"
    assert not path.exists()
    await store.begin("s", "r", [Message("user", "Hi")])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await store.aclose()


def test_the_file_is_the_one_that_was_named(tmp_path: Path) -> None:
    assert sessions_file(Settings(db_path=tmp_path / "x")) == tmp_path / "x"
    assert sessions_file(Settings(db_name="other")).name == "other.db"


@pytest.mark.checklist(235)
def test_a_store_that_is_not_there_yet_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no store for DB_TYPE=postgres") as raised:
        store_of(Settings(db_type="postgres"))
    assert raised.value.hint == "Set DB_TYPE=sqlite, or DB_TYPE=memory."
