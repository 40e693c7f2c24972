"""What is done to turns in the file: each function is one step of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from chatbots.conversations import title_of
from chatbots.errors import StorageError
from chatbots.messages import FinalState, Message, SessionId, Turn, UnderWay, Usage
from chatbots.sessions.alike import conflict, not_found
from chatbots.sessions.sqlite import words
from chatbots.sessions.sqlite.known import Known
from chatbots.sessions.sqlite.owners import Owner
from chatbots.sessions.sqlite.writer import Busy
from chatbots.sessions.turn import (
    CRASHED,
    FINAL,
    OPEN,
    begun,
    checkpointed,
    finished,
    recovered,
)

_COLUMNS: Final = (
    "t.request_id, t.seq, t.state, t.began_at, t.said, t.answer, t.reason, t.usage, t.pinned,"
    " t.summary"
)
_ALL: Final = f"SELECT {_COLUMNS} FROM turns t WHERE session = ?"
_LAST: Final = f"{_ALL} AND seq > ? ORDER BY seq"
# Told which index to take: SQLite would read the whole session by the other one.
_MARKED: Final = (
    "FROM turns t INDEXED BY turns_noted WHERE session = ? AND (pinned OR summary IS NOT NULL)"
)
_NOTED: Final = f"""SELECT {_COLUMNS} {_MARKED} AND seq <= ? AND (pinned OR seq = (
    SELECT max(seq) {_MARKED} AND summary IS NOT NULL
)) ORDER BY seq"""
_THIS: Final = """SELECT s.id, t.state, t.reason, t.pinned, t.summary
    FROM sessions s JOIN turns t ON t.session = s.id
    WHERE s.name = ? AND t.seq = ? AND t.request_id = ? AND t.began_at = ?"""

_encode: Final = msgspec.json.Encoder().encode
_messages: Final = msgspec.json.Decoder(tuple[Message, ...]).decode
_usage: Final = msgspec.json.Decoder(Usage).decode


def accept(
    db: Connection,
    session: SessionId,
    request_id: str,
    said: tuple[Message, ...],
    *,
    now: float,
    owner: Owner,
) -> tuple[Turn, int | None]:
    """Begin a turn, or return the one that the request made.

    And the number of a session where the turn is new and nothing before it has notes.
    Raises `InvalidRequest` (`request_id_conflict`), and `Busy` while another turn runs.
    """
    find = "SELECT id, turns, noted, owner FROM sessions WHERE name = ?"
    row = db.execute(find, (session,)).fetchone()
    if row is None:
        number, turns, noted = new_session(db, session, title_of(said), now), 0, 0
    else:
        number, turns, noted, runs = row
        known = db.execute(f"{_ALL} AND request_id = ?", (number, request_id)).fetchone()
        if known is not None:
            turn = turn_of(session, known)
            if turn.said != said:
                raise conflict(request_id)
            if turn.state in FINAL:
                return turn, None
        if runs is not None:
            if owner.is_alive(runs):
                raise Busy(session, foreign=runs != owner.name)
            recover(db, number)
            if known is not None:
                return recovered(turn_of(session, known)), None
    turn = begun(session, request_id, said, seq=turns + 1, began_at=now)
    insert(db, number, turn)
    db.execute(
        "UPDATE sessions SET turns = ?, owner = ?, changed_at = ? WHERE id = ?",
        (turn.seq, owner.name, now, number),
    )
    return turn, None if noted else number


def withdraw(db: Connection, turn: Turn) -> None:
    """Take back a turn whose beginning nobody was told of."""
    row = _find(db, turn)
    if row is not None and row[1] == "accepted":
        number = row[0]
        db.execute("DELETE FROM turns WHERE session = ? AND seq = ?", (number, turn.seq))
        db.execute("UPDATE sessions SET turns = turns - 1, owner = NULL WHERE id = ?", (number,))
        db.execute("DELETE FROM sessions WHERE id = ? AND turns = 0", (number,))


def keep(db: Connection, turn: Turn, answer: Sequence[Message], state: UnderWay) -> None:
    """Keep the answer so far, unless the turn was forgotten or taken for dead."""
    row = _find(db, turn)
    if row is None or (row[1] in FINAL and row[2] == CRASHED):
        return
    kept = checkpointed(replace(turn, state=row[1]), answer, state)
    db.execute(
        "UPDATE turns SET state = ?, answer = ? WHERE session = ? AND seq = ?",
        (kept.state, _encode(kept.answer), row[0], turn.seq),
    )


def end(
    db: Connection,
    turn: Turn,
    answer: Sequence[Message],
    *,
    state: FinalState,
    reason: str | None,
    usage: Usage | None,
    now: float,
) -> Turn:
    """Keep how a turn ended. Raises `ValueError`, `StorageError` (`turn_lost`)."""
    row = _find(db, turn)
    if row is None:
        return replace(finished(turn, answer, state=state, reason=reason, usage=usage), seq=0)
    number, stands, why, pinned, summary = row
    if why == CRASHED and stands in FINAL and turn.state in OPEN:
        raise StorageError("turn_lost", "The turn was taken for dead, and ended by another.")
    kept = replace(turn, state=stands, pinned=bool(pinned), summary=summary)
    ended = finished(kept, answer, state=state, reason=reason, usage=usage)
    db.execute(
        "UPDATE turns SET state = ?, answer = ?, reason = ?, usage = ?"
        " WHERE session = ? AND seq = ?",
        (ended.state, _encode(ended.answer), reason, usage and _encode(usage), number, turn.seq),
    )
    read, written = (usage.input_tokens, usage.output_tokens) if usage else (0, 0)
    db.execute(
        "UPDATE sessions SET owner = NULL, changed_at = ?, input_tokens = input_tokens + ?,"
        " output_tokens = output_tokens + ? WHERE id = ?",
        (now, read, written, number),
    )
    words.to_be_read(db, number, turn.seq)
    return ended


def recover(db: Connection, number: int) -> None:
    """End the turn of a session whose process died: what was kept of it stands."""
    row = db.execute(
        f"{_ALL} AND seq = (SELECT turns FROM sessions WHERE id = ?)", (number, number)
    ).fetchone()
    if row is not None and row[2] in OPEN:
        turn = recovered(turn_of("", row))
        db.execute(
            "UPDATE turns SET state = ?, reason = ? WHERE session = ? AND seq = ?",
            (turn.state, turn.reason, number, turn.seq),
        )
        words.to_be_read(db, number, turn.seq)
    db.execute("UPDATE sessions SET owner = NULL WHERE id = ?", (number,))


def recover_all(db: Connection, owner: Owner) -> None:
    """End the turns of every process that died."""
    names = db.execute("SELECT DISTINCT owner FROM sessions WHERE owner IS NOT NULL").fetchall()
    for (name,) in names:
        if not owner.is_alive(name):
            rows = db.execute("SELECT id FROM sessions WHERE owner = ?", (name,)).fetchall()
            for (number,) in rows:
                recover(db, number)


def recover_one(db: Connection, session: SessionId, owner: Owner) -> None:
    """End the turn of a session, if its process died."""
    row = db.execute("SELECT id, owner FROM sessions WHERE name = ?", (session,)).fetchone()
    if row is not None and row[1] is not None and not owner.is_alive(row[1]):
        recover(db, row[0])


def load(
    db: Connection, session: SessionId, last: int | None, known: Known | None = None
) -> tuple[list[Turn], str | None]:
    """Return turns of a session, oldest first, and who runs the newest; none that are *known* is
    read again."""
    found = db.execute(
        "SELECT id, turns, noted, owner FROM sessions WHERE name = ?", (session,)
    ).fetchone()
    if found is None:
        return [], None
    number, turns, noted, owner = found
    first = 0 if last is None else max(0, turns - last)

    def read(after: int) -> list[Turn]:
        return [turn_of(session, row) for row in db.execute(_LAST, (number, after))]

    if known is not None and not noted:
        return known.turns(session, number, first, read), owner
    found = db.execute(_NOTED, (number, first, number)) if noted and first else ()
    return [*[turn_of(session, row) for row in found], *read(first)], owner


def mark(
    db: Connection, session: SessionId, seq: int, pinned: bool | None, summary: str | None
) -> None:
    """Pin a turn, or keep a summary. Raises `InvalidRequest` (`session_not_found`)."""
    done = db.execute(
        "UPDATE turns SET pinned = coalesce(?, pinned), summary = coalesce(?, summary)"
        " WHERE session = (SELECT id FROM sessions WHERE name = ?) AND seq = ?",
        (pinned, summary, session, seq),
    )
    if not done.rowcount:
        raise not_found(session, seq)
    db.execute("UPDATE sessions SET noted = 1 WHERE name = ?", (session,))


def forget(db: Connection, session: SessionId) -> None:
    """Delete a session, and its words from the index and from the pages that held them."""
    row = db.execute("SELECT id FROM sessions WHERE name = ?", (session,)).fetchone()
    if row is not None:
        db.execute("DELETE FROM turns WHERE session = ?", row)
        db.execute("DELETE FROM sessions WHERE id = ?", row)
        words.forget(db, row[0])


def new_session(db: Connection, name: SessionId, title: str, now: float) -> int:
    """Make an empty session; return its number."""
    made = db.execute(
        "INSERT INTO sessions (name, title, created_at, changed_at, turns) VALUES (?, ?, ?, ?, 0)",
        (name, title, now, now),
    )
    return int(made.lastrowid or 0)


def insert(db: Connection, number: int, turn: Turn) -> None:
    """Put a turn into the session of that *number*."""
    db.execute(
        "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            turn.seq,
            turn.request_id,
            turn.state,
            turn.began_at,
            _encode(turn.said),
            _encode(turn.answer),
            turn.reason,
            None if turn.usage is None else _encode(turn.usage),
            turn.pinned,
            turn.summary,
        ),
    )


def turn_of(session: SessionId, row: Sequence[Any]) -> Turn:
    """Read a turn."""
    request_id, seq, state, began_at, said, answer, reason, usage, pinned, summary = row
    return Turn(
        session=session,
        request_id=request_id,
        seq=seq,
        state=state,
        said=_messages(said),
        answer=_messages(answer),
        reason=reason,
        usage=None if usage is None else _usage(usage),
        began_at=began_at,
        pinned=bool(pinned),
        summary=summary,
    )


def _find(db: Connection, turn: Turn) -> Any:
    return db.execute(_THIS, (turn.session, turn.seq, turn.request_id, turn.began_at)).fetchone()
