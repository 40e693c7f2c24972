"""The words of turns that have ended, made findable by SQLite's full-text index."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

import msgspec

from chatbots.messages import Message
from chatbots.sessions.alike import spoken

READ_AT_ONCE: Final = 256
"""Turns that have ended before their words are made findable, if nobody searches before."""

_SEQS: Final = 24
"""Bits of a row's number in `words` for the seq; one more says who spoke."""

_messages: Final = msgspec.json.Decoder(tuple[Message, ...]).decode


def to_be_read(db: Connection, number: int, seq: int) -> None:
    """Note that the words of a turn are to be made findable: many at once cost half."""
    db.execute("INSERT INTO unread VALUES (?, ?)", (number, seq))


def read_up(db: Connection) -> int:
    """Make the words of so many turns findable; return how many there were to be read."""
    turns = db.execute(
        "SELECT u.session, u.seq, t.said, t.answer FROM unread u"
        " JOIN turns t ON t.session = u.session AND t.seq = u.seq LIMIT ?",
        (READ_AT_ONCE,),
    ).fetchall()
    for number, seq, said, answer in turns:
        row = (number << _SEQS | seq) << 1
        texts = ((row, spoken(_messages(said))), (row | 1, spoken(_messages(answer))))
        db.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", [t for t in texts if t[1]])
    db.executemany("DELETE FROM unread WHERE session = ? AND seq = ?", [t[:2] for t in turns])
    return len(turns)


def any_unread(db: Connection) -> bool:
    """Return whether there are turns whose words cannot be found yet."""
    return db.execute("SELECT 1 FROM unread LIMIT 1").fetchone() is not None


def forget(db: Connection, number: int) -> None:
    """Take the words of a session out of the index, and off the pages that held them."""
    db.execute("DELETE FROM unread WHERE session = ?", (number,))
    rows = (number << _SEQS + 1, (number + 1 << _SEQS + 1) - 1)
    db.execute("DELETE FROM words WHERE rowid BETWEEN ? AND ?", rows)
    # A deleted word stays in the index until its parts are merged.
    db.execute("INSERT INTO words (words) VALUES ('optimize')")


def place_of(row: int) -> tuple[int, int, int]:
    """Return which session and which turn a row in `words` is of, and 0 or 1: asked, answered."""
    return row >> _SEQS + 1, row >> 1 & (1 << _SEQS) - 1, row & 1
