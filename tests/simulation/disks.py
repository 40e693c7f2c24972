"""What survives a crash: a model of durable storage, and SQLite's file itself."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol
from unittest import mock

import anyio

from chatbots.interfaces import SessionStore
from chatbots.messages import FinalState, Message, Turn, UnderWay, Usage
from chatbots.sessions import turn as table
from chatbots.sessions.alike import conflict, marked, selected
from chatbots.sessions.sqlite import database, glance, known, schema, turns, worker
from chatbots.sessions.sqlite.store import SQLiteSessions
from tests.simulation.life import Life

Rows = dict[str, tuple[Turn, ...]]


class Disk(Protocol):
    """Where sessions are kept through several lives."""

    def opened(self, life: Life) -> SessionStore:
        """Return the store of a new life, on what the one before has left."""
        ...

    def snapshot(self) -> Any:
        """Take what is committed now."""
        ...

    def restore(self, left: Any) -> None:
        """Go on with what a life has left."""
        ...

    async def close(self) -> None:
        """End the store of the life."""
        ...


class ModelStore:
    """A `SessionStore` made of the table in `sessions/turn.py`: each write is there, or it is not.

    A turn that this life has not begun is of a life that is over.
    """

    def __init__(self, rows: Rows, life: Life) -> None:
        self.rows = rows
        self._life = life
        self._mine: set[tuple[str, int]] = set()
        self._freed = anyio.Event()

    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        await self._life.step()
        while True:
            self._recover(session)
            past = self.rows.get(session, ())
            known = next((turn for turn in past if turn.request_id == request_id), None)
            if known is not None and known.said != tuple(said):
                raise conflict(request_id)
            if known is not None and known.state in table.FINAL:
                return known
            if not past or past[-1].state in table.FINAL:
                break
            await self._freed.wait()
        turn = table.begun(session, request_id, said, seq=len(past) + 1, began_at=0.0)
        self._mine.add((session, turn.seq))
        await self._commit(turn)
        return turn

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        await self._commit(table.checkpointed(self._now(turn), answer, state))

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        ended = table.finished(self._now(turn), answer, state=state, reason=reason, usage=usage)
        await self._commit(ended)
        self._freed.set()
        self._freed = anyio.Event()
        return ended

    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        await self._life.step()
        self._recover(session)
        return selected(self.rows.get(session, ()), last)

    async def mark(
        self, session: str, seq: int, *, pinned: bool | None = None, summary: str | None = None
    ) -> None:
        await self._commit(marked(self.rows[session][seq - 1], pinned=pinned, summary=summary))

    async def forget(self, session: str) -> None:
        self._life.reach()
        self.rows.pop(session, None)
        await self._life.step()

    def _now(self, turn: Turn) -> Turn:
        return self.rows[turn.session][turn.seq - 1]

    async def _commit(self, turn: Turn) -> None:
        self._life.reach()  # and it was never written
        past = self.rows.get(turn.session, ())
        self.rows[turn.session] = (*past[: turn.seq - 1], turn)
        self._life.reach()  # and nobody was told
        with anyio.CancelScope(shield=True):
            await self._life.step()

    def _recover(self, session: str) -> None:
        self.rows[session] = tuple(
            table.recovered(turn)
            if turn.state in table.OPEN and (session, turn.seq) not in self._mine
            else turn
            for turn in self.rows.get(session, ())
        )


class ModelDisk:
    """Keeps what the model of a store has committed."""

    def __init__(self) -> None:
        self._rows: Rows = {}

    def opened(self, life: Life) -> SessionStore:
        return ModelStore(self._rows, life)

    def snapshot(self) -> Rows:
        return dict(self._rows)

    def restore(self, left: Rows) -> None:
        self._rows = left

    async def close(self) -> None:
        pass


_WRITES: Final = ("accept", "keep", "end", "recover", "withdraw")


class SQLiteDisk:
    """Keeps sessions in a file, of which a crash leaves a copy: nobody holds a lock of that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = count()
        self._path = self._next()
        self._store: SQLiteSessions | None = None
        self._life: Life | None = None

    def opened(self, life: Life) -> SessionStore:
        self._life = life
        self._store = SQLiteSessions(self._path)
        return self._store

    def snapshot(self) -> Path:
        copy = self._next()
        for end in ("", "-wal"):
            source = self._path.with_name(self._path.name + end)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + end))
        return copy

    def restore(self, left: Path) -> None:
        self._path = left

    async def close(self) -> None:
        if self._store is not None:
            await self._store.aclose()

    @contextmanager
    def in_steps(self) -> Iterator[None]:
        """Have every write be a step, before its commit and after, and done where it is asked for.

        With its thread the order of things would be another each time.
        """

        def reach() -> None:
            if self._life is not None and not self._life.dead:
                self._life.reach()

        def submit(self: worker.Worker, job: Any) -> Any:
            outcomes = self._work([job])
            reach()
            worker.tell(outcomes)
            return job

        def close(self: worker.Worker) -> None:
            self._end()

        def unsynced(path: Path) -> sqlite3.Connection:
            connection = schema.open_writer(path)
            connection.execute("PRAGMA synchronous = OFF")  # no power is lost here
            return connection

        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(worker.Worker, "submit", submit))
            stack.enter_context(mock.patch.object(worker.Worker, "close", close))
            for timed, name in ((glance, "QUICK"), (known, "MOMENT")):  # always, or else never
                stack.enter_context(mock.patch.object(timed, name, math.inf))
            stack.enter_context(mock.patch.object(database, "open_writer", unsynced))
            for name in _WRITES:
                written = _then(getattr(turns, name), reach)
                stack.enter_context(mock.patch.object(turns, name, written))
            yield

    def _next(self) -> Path:
        return self._folder / f"{next(self._names)}.db"


def _then(write: Callable[..., Any], reach: Callable[[], None]) -> Callable[..., Any]:
    def written(*args: Any, **more: Any) -> Any:
        value = write(*args, **more)
        reach()
        return value

    return written
