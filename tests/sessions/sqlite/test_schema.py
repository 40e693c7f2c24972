"""Opening: what is made, what is brought up to date, and what is refused as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from chatbots import telemetry
from chatbots.errors import StorageError
from chatbots.sessions.sqlite import schema
from chatbots.sessions.sqlite.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    open_reader,
    open_writer,
)

TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%\\_%' ESCAPE '\\'"


@contextmanager
def refused(path: Path, words: str) -> Iterator[None]:
    """Expect a refusal that says *words*, and the file to be what it was, byte for byte."""
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StorageError) as raised:
        yield
    assert raised.value.code == "storage_unusable"
    assert words in raised.value.message
    assert raised.value.hint
    assert (path.read_bytes() if path.is_file() else b"") == before


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_new_file_is_ours_and_this_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "s.db"
    with closing(open_writer(path)) as connection:
        assert pragma(connection, "application_id") == APPLICATION_ID
        assert pragma(connection, "user_version") == len(MIGRATIONS)
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 2
        assert pragma(connection, "secure_delete") == 1
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        assert modes == {"s.db": 0o600, "s.db-wal": 0o600, "s.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_reader_sees_what_was_written_and_writes_nothing(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "s.db")), closing(open_reader(tmp_path / "s.db")) as reader:
        assert [name for (name,) in reader.execute(TABLES)] == [
            "sessions",
            "turns",
            "unread",
            "words",
        ]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM turns")


def test_a_file_that_is_open_can_be_opened_again(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "s.db")), closing(open_writer(tmp_path / "s.db")) as again:
        assert pragma(again, "user_version") == len(MIGRATIONS)


def test_many_processes_may_make_it_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path;"
        "from chatbots.sessions.sqlite.schema import open_writer;"
        "sys.stdin.readline(); open_writer(Path(sys.argv[1])).close()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / "s.db"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        with process:
            assert process.communicate(timeout=30)[1] == ""
            assert process.returncode == 0


# Not ours


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE t (a)")
    with refused(path, "the database of another program"):
        open_writer(path)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with closing(open_writer(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with refused(path, f"(schema {len(MIGRATIONS) + 1}, here {len(MIGRATIONS)})"):
        open_writer(path)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_text("My diary. " * 1000, "utf-8")
    before = path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        open_writer(path)
    assert path.read_bytes() == before


def test_a_file_whose_end_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    open_writer(path).close()
    os.truncate(path, path.stat().st_size - 4096)
    with refused(path, "its end is missing"):
        open_writer(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with refused(tmp_path, "no regular file"):
        open_writer(tmp_path)


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.db")
    with refused(tmp_path / "s.db", "no regular file"):
        open_writer(tmp_path / "s.db")


def test_a_disk_without_shared_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLog(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            return super().execute(sql.replace("journal_mode = WAL", "journal_mode"), parameters)

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **more: connect(*args, factory=NoLog, **more)
    )
    with pytest.raises(StorageError, match="its disk cannot share memory"):
        open_writer(tmp_path / "s.db")


# On a network disk


@pytest.mark.parametrize(("kind", "warned"), [("nfs4", True), ("ext4", False)])
def test_a_network_disk_is_warned_of(
    kind: str, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, object]] = []
    monkeypatch.setattr(
        telemetry, "emit", lambda level, event, **facts: told.append((event, facts["kind"]))
    )
    mounts = f"1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / {tmp_path} rw - {kind} server:/ rw\n"
    read_text = Path.read_text
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda self, *a: mounts if self.name == "mountinfo" else read_text(self, *a),
    )
    open_writer(tmp_path / "s.db").close()
    assert told == ([("store.network_disk", "nfs4")] if warned else [])


def test_where_nobody_says_what_a_disk_is_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", unreadable)
    open_writer(tmp_path / "s.db").close()


# Migrations


SECOND = (*MIGRATIONS, ("ALTER TABLE sessions ADD COLUMN colour TEXT", "CREATE TABLE more (a)"))
HALF = (*MIGRATIONS, ("CREATE TABLE more (a)", "this is no SQL"))


def test_an_older_file_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with closing(open_writer(path)) as connection:
        connection.execute(
            "INSERT INTO sessions (name, title, created_at, changed_at, turns)"
            " VALUES ('a', 'b', 1, 2, 0)"
        )
    with closing(open_writer(path, SECOND)) as connection:
        assert pragma(connection, "user_version") == 2
        assert connection.execute("SELECT name, colour FROM sessions").fetchall() == [("a", None)]


def test_a_migration_is_done_all_of_the_way_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    open_writer(path).close()
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        open_writer(path, HALF)
    with closing(open_writer(path)) as connection:
        assert pragma(connection, "user_version") == 1
        assert not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'more'").fetchall()


def test_what_another_process_has_made_newer_meanwhile_is_refused(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "s.db", SECOND)) as connection:
        with pytest.raises(StorageError, match="a newer version"):
            schema._migrate(connection, tmp_path / "s.db", MIGRATIONS)
        assert not connection.in_transaction


def test_a_lock_on_the_new_log_is_waited_for_and_in_the_end_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.db"
    monkeypatch.setattr(schema, "BUSY_TIMEOUT", 0.05)
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            open_writer(path)
        other.execute("ROLLBACK")
    open_writer(path).close()
