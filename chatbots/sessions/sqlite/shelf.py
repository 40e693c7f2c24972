"""Browsing in the file: what there is, where it was said, and what becomes of a session."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from chatbots.conversations import Found, SessionInfo, StoreStats, title_of
from chatbots.messages import SessionId, Turn
from chatbots.sessions.alike import busy, copies, exists, not_found
from chatbots.sessions.sqlite import turns as rows, words
from chatbots.sessions.sqlite.database import Database
from chatbots.sessions.sqlite.owners import Owner
from chatbots.sessions.turn import FINAL

_INFO: Final = """SELECT name, turns, created_at, changed_at, title, input_tokens + output_tokens
    FROM sessions"""
_COUNT: Final = """SELECT count(*), total(input_tokens), total(output_tokens) FROM sessions
    WHERE substr(name, 1, length(:within)) = :within"""
_COUNT_STATES: Final = """SELECT t.state, count(*), sum(length(CAST(t.said || t.answer AS BLOB)))
    FROM turns t JOIN sessions s ON s.id = t.session
    WHERE substr(s.name, 1, length(:within)) = :within GROUP BY t.state"""
_FOUND: Final = """SELECT words.rowid, s.name, t.request_id, t.began_at,
    snippet(words, 0, '', '', '…', 12) FROM words
    JOIN turns t ON t.session = words.rowid >> 25 AND t.seq = words.rowid >> 1 & 0xffffff
    JOIN sessions s ON s.id = t.session
    WHERE words MATCH :words AND s.name = coalesce(:session, s.name)
    AND substr(s.name, 1, length(:within)) = :within
    ORDER BY t.began_at DESC, words.rowid DESC LIMIT :limit"""


class SQLiteShelf:
    """A `SessionShelf` over one SQLite file."""

    def __init__(self, db: Database, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    async def aclose(self) -> None:
        """Write what there is to write and close the file. May be called again."""
        await self._db.aclose()

    async def sessions(
        self, *, limit: int | None = None, within: str = ""
    ) -> Sequence[SessionInfo]:
        """Return what there is; see `SessionShelf.sessions`."""
        return await self._db.read(partial(_list, limit=limit, within=within))

    async def search(
        self,
        text: str,
        *,
        session: SessionId | None = None,
        limit: int = 50,
        within: str = "",
    ) -> Sequence[Found]:
        """Return where it was said; see `SessionShelf.search`."""
        said = re.findall(r"\w+", text)
        if not said:
            return ()
        while await self._db.read(words.any_unread):
            await self._db.write(words.read_up)
        query = " ".join(f'"{word}"*' for word in said)
        asked = {"words": query, "session": session, "limit": limit, "within": within}
        return await self._db.read(partial(_search, asked=asked))

    async def rename(self, session: SessionId, to: SessionId) -> None:
        """Give a session another name; see `SessionShelf.rename`."""

        def act(db: Connection) -> None:
            number = _idle(db, session, self._db.owner)
            _vacant(db, to)
            db.execute("UPDATE sessions SET name = ? WHERE id = ?", (to, number))

        await self._db.write(act)

    async def fork(
        self, session: SessionId, to: SessionId, *, upto: int | None = None
    ) -> SessionInfo:
        """Begin a session with a copy of another; see `SessionShelf.fork`."""

        def act(db: Connection) -> SessionInfo:
            if db.execute("SELECT 1 FROM sessions WHERE name = ?", (session,)).fetchone() is None:
                raise not_found(session)
            rows.recover_one(db, session, self._db.owner)
            kept, _ = rows.load(db, session, None)
            ended = [t for t in kept if t.state in FINAL and (upto is None or t.seq <= upto)]
            return _restore(db, to, ended, self._clock())

        return await self._db.write(act)

    async def restore(self, session: SessionId, turns: Sequence[Turn]) -> None:
        """Make a session of turns kept elsewhere; see `SessionShelf.restore`."""
        await self._db.write(
            partial(_restore, session=session, turns=tuple(turns), now=self._clock())
        )

    async def stats(self, *, within: str = "") -> StoreStats:
        """Count what is kept; see `SessionShelf.stats`."""
        return await self._db.read(partial(_stats, path=self._db.path, within=within))


def _list(db: Connection, limit: int | None, within: str) -> Sequence[SessionInfo]:
    found = db.execute(
        f"{_INFO} WHERE substr(name, 1, length(:within)) = :within"
        " ORDER BY changed_at DESC, id DESC LIMIT :limit",
        {"within": within, "limit": -1 if limit is None else limit},
    )
    return [_info(row) for row in found]


def _info(row: tuple[str, int, float, float, str, int]) -> SessionInfo:
    name, turns, created_at, changed_at, title, tokens = row
    return SessionInfo(
        name=name,
        turns=turns,
        created_at=created_at,
        changed_at=changed_at,
        title=title,
        tokens=tokens,
    )


def _search(db: Connection, asked: Mapping[str, str | int | None]) -> Sequence[Found]:
    return [
        Found(
            session=name,
            seq=words.place_of(row)[1],
            request_id=request_id,
            role="assistant" if words.place_of(row)[2] else "user",
            snippet=" ".join(snippet.split()),
            at=at,
        )
        for row, name, request_id, at, snippet in db.execute(_FOUND, asked)
    ]


def _idle(db: Connection, session: SessionId, owner: Owner) -> int:
    """Return the number of a session that nobody runs a turn of."""
    row = db.execute("SELECT id, owner FROM sessions WHERE name = ?", (session,)).fetchone()
    if row is None:
        raise not_found(session)
    if row[1] is not None:
        if owner.is_alive(row[1]):
            raise busy(session)
        rows.recover(db, row[0])
    return int(row[0])


def _vacant(db: Connection, session: SessionId) -> None:
    if db.execute("SELECT 1 FROM sessions WHERE name = ?", (session,)).fetchone():
        raise exists(session)


def _restore(db: Connection, session: SessionId, turns: Sequence[Turn], now: float) -> SessionInfo:
    _vacant(db, session)
    copied = copies(session, turns, now)
    number = rows.new_session(db, session, title_of(copied[0].said), now)
    for turn in copied:
        rows.insert(db, number, turn)
        words.to_be_read(db, number, turn.seq)
    usages = [turn.usage for turn in copied if turn.usage is not None]
    db.execute(
        "UPDATE sessions SET turns = ?, noted = ?, input_tokens = ?, output_tokens = ?"
        " WHERE id = ?",
        (
            len(copied),
            any(turn.pinned or turn.summary is not None for turn in copied),
            sum(usage.input_tokens for usage in usages),
            sum(usage.output_tokens for usage in usages),
            number,
        ),
    )
    return _info(db.execute(f"{_INFO} WHERE id = ?", (number,)).fetchone())


def _stats(db: Connection, path: Path, within: str) -> StoreStats:
    sessions, read, written = db.execute(_COUNT, {"within": within}).fetchone()
    states = db.execute(_COUNT_STATES, {"within": within}).fetchall()
    files = (path, path.with_name(f"{path.name}-wal"))
    return StoreStats(
        sessions=sessions,
        turns=sum(number for _, number, _ in states),
        by_state={state: number for state, number, _ in states},
        input_tokens=int(read),
        output_tokens=int(written),
        bytes=sum(size for *_, size in states)
        if within
        else sum(file.stat().st_size for file in files if file.exists()),
    )
