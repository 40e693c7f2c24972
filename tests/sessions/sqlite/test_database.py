# ruff: noqa: ASYNC240 (a test waits for nobody while it reads a file)

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from chatbots.errors import StorageError
from chatbots.sessions.sqlite.database import Database


def tables(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])


def rename_all(db: sqlite3.Connection) -> None:
    db.execute("UPDATE sessions SET title = 'Posted'")


def add_one(db: sqlite3.Connection) -> int:
    made = db.execute(
        "INSERT INTO sessions (name, title, created_at, changed_at, turns) "
        " VALUES ('s', '', 1, 1, 0)"
    )
    return made.rowcount


def titles(db: sqlite3.Connection) -> list[str]:
    return [title for (title,) in db.execute("SELECT title FROM sessions")]


async def test_it_is_opened_by_its_first_use_even_a_reader_and_closed_for_good(
    tmp_path: Path,
) -> None:
    db = Database(tmp_path / "s.db")
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="not open"):
        _ = db.owner
    assert await db.read(tables) > 5
    name = db.owner.name
    await db.aclose()
    await db.aclose()
    assert not [one for one in threading.enumerate() if one.name.startswith("sessions-")]
    assert await db.read(tables) > 5
    assert db.owner.name != name
    await db.aclose()


async def test_what_is_posted_is_written_though_nobody_waits(tmp_path: Path) -> None:
    db = Database(tmp_path / "s.db")
    assert await db.write(add_one) == 1
    db.post(rename_all, frees="s")
    assert await db.write(titles) == ["Posted"]
    await db.aclose()


async def test_a_file_that_is_refused_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"My diary. " * 500)
    db = Database(tmp_path / "s.db")
    with pytest.raises(StorageError):
        await db.read(tables)
    await db.aclose()
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]


async def test_owners_that_cannot_be_kept_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "s.db-owners").touch()
    db = Database(tmp_path / "s.db")
    with pytest.raises(StorageError, match="cannot be opened"):
        await db.write(add_one)
    await db.aclose()
