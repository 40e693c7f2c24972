"""Sessions in one SQLite file: the seam's methods, each handed to the writer or the reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import time

from chatbots.messages import FinalState, Message, SessionId, Turn, UnderWay, Usage
from chatbots.sessions.sqlite import turns
from chatbots.sessions.sqlite.database import Database
from chatbots.sessions.sqlite.shelf import SQLiteShelf
from chatbots.sessions.turn import FINAL


class SQLiteSessions(SQLiteShelf):
    """A `SessionStore` in the file at *path*, and a `SessionShelf`; several processes may share it.

    Nothing is opened before the first use, and everything again after `aclose`.
    What is acknowledged is on the disk (P1, P2).
    *clock* tells Unix seconds.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time) -> None:
        super().__init__(Database(path), clock)

    async def begin(self, session: SessionId, request_id: str, said: Sequence[Message]) -> Turn:
        """Accept a turn; see `SessionStore.begin`."""
        db, words = self._db, tuple(said)

        def act(connection: sqlite3.Connection) -> tuple[Turn, int | None]:
            return turns.accept(
                connection, session, request_id, words, now=self._clock(), owner=db.owner
            )

        turn, number = await db.write(act, undo=self._withdraw)
        if number is not None:
            db.known.begun(turn, number)
        return turn

    def _withdraw(self, begun: tuple[Turn, int | None]) -> None:
        """Take back what was begun for a task that is gone."""
        turn, _ = begun
        if turn.state not in FINAL:
            self._db.post(partial(turns.withdraw, turn=turn), frees=turn.session)

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        """Keep the partial answer; see `SessionStore.checkpoint`."""
        self._db.known.doubt(turn.session)
        await self._db.write(partial(turns.keep, turn=turn, answer=tuple(answer), state=state))

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        """Keep how the turn ended; see `SessionStore.finish`.

        Where the disk is in the way it raises, and the end is kept once the disk allows it.
        """
        act = partial(
            turns.end,
            turn=turn,
            answer=tuple(answer),
            state=state,
            reason=reason,
            usage=usage,
            now=self._clock(),
        )
        self._db.known.doubt(turn.session)
        ended = await self._db.write(act, frees=turn.session, owed=True)
        self._db.known.ended(ended)
        return ended

    async def load(self, session: SessionId, *, last: int | None = None) -> Sequence[Turn]:
        """Return the session's turns, oldest first; see `SessionStore.load`."""
        known = self._db.known.at_once(session, last)
        if known is not None:
            return known
        act = partial(turns.load, session=session, last=last, known=self._db.known)
        loaded, owner = await self._db.read_session(session, act)
        if owner is not None and not self._db.owner.is_alive(owner):
            recover = partial(turns.recover_one, session=session, owner=self._db.owner)
            await self._db.write(recover, frees=session)
            loaded, _ = await self._db.read(act)
        return loaded

    async def mark(
        self,
        session: SessionId,
        seq: int,
        *,
        pinned: bool | None = None,
        summary: str | None = None,
    ) -> None:
        """Pin a turn, or keep a summary; see `SessionStore.mark`."""
        await self._db.write(
            partial(turns.mark, session=session, seq=seq, pinned=pinned, summary=summary)
        )
        self._db.known.forget(session)

    async def forget(self, session: SessionId) -> None:
        """Delete a session; see `SessionStore.forget`. The text is in no page and no log after."""
        await self._db.write(
            partial(turns.forget, session=session), frees=session, after=_write_anew
        )
        self._db.known.forget(session)


def _write_anew(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        # Of rows that moved to another page, SQLite leaves copies in gaps between those that stay:
        # `secure_delete` overwrites only what is deleted.
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
