from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import ValidationError

from chatbots.sessions.sqlite import glance as module
from chatbots.sessions.sqlite.glance import Glance
from chatbots.sessions.sqlite.schema import open_writer


def quick(db: sqlite3.Connection) -> str:
    return str(db.execute("SELECT 'read'").fetchone()[0])


class Clock:
    now = 1.0


def slow(db: sqlite3.Connection) -> str:
    Clock.now += 2 * module.QUICK
    return quick(db)


def locked(_: sqlite3.Connection) -> str:
    raise sqlite3.OperationalError("database is locked")


@pytest.fixture
def glance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Glance]:
    monkeypatch.setattr(module, "monotonic", lambda: Clock.now)
    with closing(open_writer(tmp_path / "s.db")) as db:
        made = Glance(tmp_path / "s.db")
        made.timed("s", quick, db)
        yield made
        made.close()


def test_what_was_quick_a_moment_ago_is_read_at_once(glance: Glance) -> None:
    assert glance.at("s", quick) == "read"
    assert glance.at("another", quick) is None
    assert glance._connection is not None
    assert glance._connection.execute("PRAGMA busy_timeout").fetchone() == (0,)


def test_what_was_slow_once_is_not(glance: Glance) -> None:
    assert glance.at("s", slow) == "read"
    assert glance.at("s", quick) is None


def test_what_would_have_to_wait_is_not(glance: Glance) -> None:
    assert glance.at("s", locked) is None


@pytest.mark.parametrize("error", [sqlite3.DatabaseError("malformed"), ValidationError("no turn")])
def test_what_is_wrong_with_the_file_the_thread_is_to_say(glance: Glance, error: Exception) -> None:
    def broken(_: sqlite3.Connection) -> str:
        raise error

    assert glance.at("s", broken) is None


def test_a_file_that_is_gone_the_thread_is_to_tell_of(tmp_path: Path) -> None:
    made = Glance(tmp_path / "gone.db")
    with closing(sqlite3.connect(":memory:")) as db:
        made.timed("s", quick, db)
    assert made.at("s", quick) is None


def test_it_is_not_closed_under_who_reads(glance: Glance) -> None:
    def close_meanwhile(db: sqlite3.Connection) -> str:
        thread.start()
        thread.join(0.05)
        return quick(db)

    thread = threading.Thread(target=glance.close)
    assert glance.at("s", close_meanwhile) == "read"
    thread.join()
    assert glance._connection is None


def test_after_a_moment_nobody_knows(glance: Glance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "monotonic", lambda: threading.TIMEOUT_MAX)
    assert glance.at("s", quick) is None


def test_it_is_for_one_thread(glance: Glance) -> None:
    found: list[str | None] = [glance.at("s", quick)]
    thread = threading.Thread(target=lambda: found.append(glance.at("s", quick)))
    thread.start()
    thread.join()
    assert found == ["read", None]


def test_it_remembers_so_many_and_nothing_when_it_is_closed(
    glance: Glance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SESSIONS", 1)
    assert glance._connection is None
    with closing(sqlite3.connect(":memory:")) as db:
        glance.timed("t", quick, db)
    assert glance.at("s", quick) is None
    assert glance.at("t", quick) == "read"
    glance.close()
    glance.close()
    assert glance.at("t", quick) is None
