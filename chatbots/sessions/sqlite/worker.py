"""A thread that works on a connection for tasks, whatever has come in by then at once."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

from chatbots.sessions.sqlite.errors import closed, mapped
from chatbots.wakeup import Awaited, post

T = TypeVar("T")

Act: TypeAlias = Callable[[sqlite3.Connection], T]
"""Something to be done in a transaction: it checks first and writes then, or raises."""


class Job(Generic[T]):
    """An act, and who waits for what comes of it.

    `undo` is called with a result that came too late: its task was cancelled.
    A job that is `owed` is done again where the disk was in the way, waited for or not;
    one that `frees` a session lets the next one have it; `after` follows the commit, once for all
    that have it.
    """

    __slots__ = ("abandoned", "act", "after", "awaited", "foreign", "frees", "owed", "undo")

    def __init__(
        self,
        act: Act[T],
        *,
        undo: Callable[[T], None] | None = None,
        owed: bool = False,
        frees: str | None = None,
        after: Callable[[sqlite3.Connection], None] | None = None,
        waited: bool = True,
    ) -> None:
        self.act = act
        self.undo = undo
        self.owed = owed
        self.frees = frees
        self.after = after
        self.abandoned = False
        self.foreign = False
        self.awaited: Awaited[T] | None = Awaited() if waited else None

    async def result(self) -> T:
        """Wait for what comes of it."""
        if self.awaited is None:
            raise RuntimeError("Nobody was to wait for this job.")
        try:
            return await self.awaited
        except BaseException:
            self.abandoned = True
            value = self.awaited.value
            if value is not None:
                self.lose(value)
            raise

    def settle(self, value: T | None, error: BaseException | None) -> None:
        """Tell who waits, on their loop's thread."""
        waits = self.awaited is not None and self.awaited.settle(value, error)
        if not waits and value is not None:
            self.lose(value)

    def lose(self, value: T) -> None:
        """Nobody waits for the *value* any more."""
        if self.undo is not None:
            self.undo(value)


Outcome: TypeAlias = tuple[Job[Any], Any, BaseException | None]
"""A job, what came of it, what went wrong."""


class Worker:
    """A thread with a connection of its own, made when there is something to do."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        self._path = path
        self._connect = connect
        self._name = name
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._closing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None

    def submit(self, job: Job[T]) -> Job[T]:
        """Hand over *job*; it is done whether it is waited for or not."""
        with self._starting:
            self._queue.put(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        return job

    def close(self) -> None:
        """Do what there is to do, then end the thread; what comes meanwhile is refused."""
        with self._closing:
            if self._thread is None:
                return
            self._queue.put(None)
            self._thread.join()
            with self._starting:
                self._thread = None
                late, _ = self._take(wait=False)
        tell([(job, None, closed()) for job in late])

    def _run(self) -> None:
        while True:
            jobs, last = self._take()
            tell(self._work(jobs))
            if last:
                self._end()
                return

    def _take(self, *, wait: bool = True) -> tuple[list[Job[Any]], bool]:
        """Take all there is to do, if nothing wait for it; and whether it is the last."""
        jobs: list[Job[Any]] = []
        try:
            job = self._queue.get(wait, self._patience())
            if wait:
                self._gather()
            while job is not None:
                jobs.append(job)
                job = self._queue.get_nowait()
        except Empty:
            return jobs, False
        return jobs, True

    def _patience(self) -> float | None:
        return None

    def _gather(self) -> None:
        """Wait for more, where that is worth it."""

    def _work(self, jobs: Sequence[Job[Any]]) -> list[Outcome]:
        """Do each job on its own."""
        try:
            connection = self._connection = self._connection or self._connect()
        except Exception as error:
            self._drop()
            return [(job, None, mapped(error, self._path)) for job in jobs]
        return [self._one(connection, job) for job in jobs if not job.abandoned]

    def _one(self, connection: sqlite3.Connection, job: Job[Any]) -> Outcome:
        try:
            return job, job.act(connection), None
        except Exception as error:
            return job, None, mapped(error, self._path)

    def _drop(self) -> None:
        """Let go of the connection: the next job makes another, and looks at the file again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _end(self) -> None:
        self._drop()


def tell(outcomes: Sequence[Outcome]) -> None:
    """Tell all who wait, with one call into each loop."""
    by_loop: dict[object, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if (awaited := outcome[0].awaited) is not None:
            by_loop[awaited.loop].append(outcome)
    for loop, of_loop in by_loop.items():
        if not post(loop, partial(_settle, of_loop)):
            for job, value, _ in of_loop:
                if value is not None:
                    job.lose(value)


def _settle(outcomes: Sequence[Outcome]) -> None:
    for job, value, error in outcomes:
        job.settle(value, error)
