from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chatbots.messages import Message, Turn
from chatbots.sessions.sqlite import turns, words
from chatbots.sessions.sqlite.schema import open_writer


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_writer(tmp_path / "s.db")) as made:
        yield made


def put(db: sqlite3.Connection, number: int, seq: int, *, answer: str = "Hello.") -> None:
    """Keep a turn that has ended and is to be read."""
    turn = Turn(
        session="s",
        request_id=str(seq),
        seq=seq,
        state="completed",
        said=(Message("user", "Hi"),),
        answer=(Message("assistant", answer),),
        began_at=1.0,
    )
    turns.insert(db, number, turn)
    words.to_be_read(db, number, seq)


def rows(db: sqlite3.Connection) -> list[int]:
    return [row for (row,) in db.execute("SELECT rowid FROM words ORDER BY rowid")]


@pytest.mark.parametrize(("number", "seq"), [(1, 1), (2**30, 2**24 - 1)])
def test_words_know_who_said_them_and_where(db: sqlite3.Connection, number: int, seq: int) -> None:
    put(db, number, seq)
    assert words.read_up(db) == 1
    assert [words.place_of(row) for row in rows(db)] == [(number, seq, 0), (number, seq, 1)]


def test_so_many_are_read_at_once_and_each_once(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "READ_AT_ONCE", 2)
    for seq in (1, 2, 3):
        put(db, 1, seq, answer="")
    assert not rows(db)
    assert words.any_unread(db)
    assert [words.read_up(db) for _ in range(3)] == [2, 1, 0]
    assert not words.any_unread(db)
    assert [words.place_of(row) for row in rows(db)] == [(1, 1, 0), (1, 2, 0), (1, 3, 0)]


def test_the_words_of_a_session_are_forgotten_and_no_others(db: sqlite3.Connection) -> None:
    for number in (1, 2, 3):
        put(db, number, 1)
    words.read_up(db)
    put(db, 2, 2)
    words.forget(db, 2)
    assert {words.place_of(row)[0] for row in rows(db)} == {1, 3}
    assert not words.any_unread(db)
