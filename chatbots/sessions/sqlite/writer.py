"""The one thread that writes: what has come in is one transaction, told after its commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any, Final

from chatbots.errors import ChatError, StorageError
from chatbots.sessions.sqlite.errors import closed, mapped
from chatbots.sessions.sqlite.worker import Act, Job, Outcome, Worker, tell

POLL: Final = 0.1
"""Seconds between two looks at a session that another process is using."""
GATHER: Final = 0.01
"""Seconds a commit waits at most for as many jobs as the last ones had."""
CHORE_EVERY: Final = 256
"""Turns that end between two chores."""
RETRY: Final = 1.0
"""Seconds between two tries to write what the disk would not take."""

_PASSING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})


class Busy(Exception):
    """A session has a turn running: the job is to wait. `foreign`: in another store."""

    def __init__(self, session: str, *, foreign: bool) -> None:
        super().__init__(session)
        self.session = session
        self.foreign = foreign


class Writer(Worker):
    """Groups what tasks write; keeps the jobs that wait for a session, and those the disk owes.

    The *chore* is done once in a while, for many turns at once; *ending* is what its end brings.
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[], sqlite3.Connection],
        name: str,
        *,
        chore: Act[object] | None = None,
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(path, connect, name)
        self._chore = chore
        self._ending = ending
        self._ended = 0
        self._together = 1
        self._waiting: dict[str, list[Job[Any]]] = {}
        self._owed: list[Job[Any]] = []

    def _patience(self) -> float | None:
        if any(job.foreign for jobs in self._waiting.values() for job in jobs):
            return POLL
        return RETRY if self._owed else None

    def _gather(self) -> None:
        # A commit for many costs little more than one for one. Who is alone never waits.
        # Cold, as it is each time, one costs as much as ten jobs in it.
        for _ in range(2):
            if self._queue.qsize() + 1 < self._together:
                sleep(GATHER / 2)

    def _work(self, jobs: Sequence[Job[Any]]) -> list[Outcome]:
        again = [job for jobs in self._waiting.values() for job in jobs if job.foreign]
        self._stop_waiting(again)
        todo, self._owed = [*self._owed, *again, *jobs], []
        told: list[Outcome] = []
        self._together = max(len(jobs), self._together // 2)
        while todo:
            outcomes = self._commit([job for job in todo if job.owed or not job.abandoned])
            self._owe(outcomes)
            told += outcomes
            self._ended += sum(job.owed for job in todo)
            freed = [job.frees for job, _, error in outcomes if job.frees and error is None]
            todo = [job for session in freed for job in self._waiting.pop(session, ())]
        if self._chore is not None and self._ended >= CHORE_EVERY:
            self._ended = 0
            self._commit([Job(self._chore, waited=False)])
        return told

    def _stop_waiting(self, jobs: Sequence[Job[Any]]) -> None:
        for session, waiting in list(self._waiting.items()):
            left = [job for job in waiting if job not in jobs and not job.abandoned]
            if left:
                self._waiting[session] = left
            else:
                del self._waiting[session]

    def _owe(self, outcomes: Sequence[Outcome]) -> None:
        self._owed += [
            job
            for job, _, error in outcomes
            if job.owed and isinstance(error, StorageError) and error.retryable
        ]

    def _commit(self, jobs: Sequence[Job[Any]]) -> list[Outcome]:
        """Do *jobs* in one transaction; where that fails each in its own, so that one fails alone.

        Where not even a transaction can be begun, all have failed.
        """
        if not jobs:
            return []
        try:
            connection = self._connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE")
        except Exception as error:
            self._recover_from(error)
            return [(job, None, mapped(error, self._path)) for job in jobs]
        waiting: list[tuple[str, Job[Any]]] = []
        try:
            outcomes = [o for job in jobs if (o := self._try(connection, job, waiting)) is not None]
            connection.execute("COMMIT")
        except Exception as error:
            self._recover_from(error)
            if len(jobs) == 1:
                return [(jobs[0], None, mapped(error, self._path))]
            return [outcome for job in jobs for outcome in self._commit([job])]
        for session, job in waiting:
            self._waiting.setdefault(session, []).append(job)
        for after in {job.after for job, _, failure in outcomes if failure is None}:
            if after is not None:
                after(connection)
        return outcomes

    def _try(
        self,
        connection: sqlite3.Connection,
        job: Job[Any],
        waiting: list[tuple[str, Job[Any]]],
    ) -> Outcome | None:
        """Do *job*; None if it has to wait. What it refuses it has refused before it wrote."""
        try:
            return job, job.act(connection), None
        except Busy as busy:
            job.foreign = busy.foreign
            waiting.append((busy.session, job))
            return None
        except (ChatError, ValueError) as error:
            return job, None, mapped(error, self._path)

    def _recover_from(self, error: Exception) -> None:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if self._connection is not None and self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        if code not in _PASSING:
            self._drop()

    def _end(self) -> None:
        self._owed.clear()  # tried once more just now; the next to open the file recovers it
        tell([(job, None, closed()) for jobs in self._waiting.values() for job in jobs])
        self._waiting.clear()
        super()._end()
        self._ending()
