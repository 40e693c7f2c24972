from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import msgspec
import pytest

from chatbots.errors import InvalidRequest, StorageError
from chatbots.sessions.sqlite.errors import damaged, mapped, unusable

PATH = Path("/data/s.db")


def said_by_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    return error


def failed(number: int) -> OSError:
    return OSError(number, "what the system says")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (said_by_sqlite(sqlite3.SQLITE_FULL), "storage_unavailable", "the disk is full"),
        (said_by_sqlite(sqlite3.SQLITE_BUSY), "storage_unavailable", "has it locked"),
        (said_by_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), "storage_unavailable", "has it locked"),
        (said_by_sqlite(sqlite3.SQLITE_READONLY), "storage_unavailable", "cannot be written"),
        (said_by_sqlite(sqlite3.SQLITE_CANTOPEN), "storage_unavailable", "cannot be opened"),
        (said_by_sqlite(sqlite3.SQLITE_IOERR_WRITE), "storage_unavailable", "the disk failed"),
        (said_by_sqlite(sqlite3.SQLITE_CORRUPT), "storage_unusable", "it is damaged"),
        (said_by_sqlite(sqlite3.SQLITE_NOTADB), "storage_unusable", "no SQLite database"),
        (said_by_sqlite(sqlite3.SQLITE_MISUSE), "storage_unusable", "SQLite says: what SQLite"),
        (sqlite3.ProgrammingError("Closed."), "storage_unusable", "SQLite says: Closed."),
        (failed(errno.ENOSPC), "storage_unavailable", "the disk is full"),
        (failed(errno.EACCES), "storage_unavailable", "cannot be opened"),
        (msgspec.DecodeError("no JSON"), "storage_unusable", "a turn in it cannot be read"),
    ],
)
def test_what_goes_wrong_names_the_file_and_says_what_to_do(
    error: Exception, code: str, words: str
) -> None:
    ours = mapped(error, PATH)
    assert isinstance(ours, StorageError)
    assert ours.code == code
    assert ours.message.startswith("The sessions in /data/s.db cannot be used: ")
    assert words in ours.message
    assert ours.hint


@pytest.mark.parametrize("error", [InvalidRequest("session_busy", "Busy."), KeyError("bug")])
def test_what_is_not_the_files_fault_stays_what_it_is(error: Exception) -> None:
    assert mapped(error, PATH) is error


def test_a_file_that_cannot_be_used_is_left_as_it_is() -> None:
    for error in (unusable(PATH, "why"), damaged(PATH, "why")):
        assert error.code == "storage_unusable"
        assert "left as it is" in (error.hint or "")
        assert not error.retryable
