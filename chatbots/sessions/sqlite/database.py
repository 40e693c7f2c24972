"""The file, open: its writer, its reader, and the lock that says who has it open."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from chatbots.sessions.sqlite import turns, words
from chatbots.sessions.sqlite.errors import unusable
from chatbots.sessions.sqlite.glance import Glance
from chatbots.sessions.sqlite.known import Known
from chatbots.sessions.sqlite.owners import Owner
from chatbots.sessions.sqlite.schema import open_reader, open_writer
from chatbots.sessions.sqlite.worker import Act, Job, Worker
from chatbots.sessions.sqlite.writer import Writer

T = TypeVar("T")


class Database:
    """One SQLite file as one store has it open; opened on first use."""

    def __init__(self, path: Path) -> None:
        # By whichever link it is called, all who use the file meet at the same owners.
        self.path = path = Path(os.path.realpath(path))
        self._owner: Owner | None = None
        self._writer = Writer(
            path, self._open, "sessions-writer", chore=words.read_up, ending=self._disown
        )
        self.known = Known()
        self._glance = Glance(path)
        self._reader = Worker(path, partial(open_reader, path), "sessions-reader")

    @property
    def owner(self) -> Owner:
        """Who we are to other stores on this file."""
        if self._owner is None:
            raise RuntimeError("The store is not open.")
        return self._owner

    async def write(
        self,
        act: Act[T],
        *,
        undo: Callable[[T], None] | None = None,
        owed: bool = False,
        frees: str | None = None,
        after: Callable[[sqlite3.Connection], None] | None = None,
    ) -> T:
        """Do *act* in a transaction and wait for its commit; see `Job`.

        It is handed over before anything is waited for: whoever is cancelled has it done.
        """
        self._check_process()
        job = Job(act, undo=undo, owed=owed, frees=frees, after=after)
        return await self._writer.submit(job).result()

    def post(self, act: Act[None], *, frees: str) -> None:
        """Do *act* in a transaction, sooner or later, from whichever thread."""
        self._writer.submit(Job(act, owed=True, frees=frees, waited=False))

    async def read(self, act: Act[T]) -> T:
        """Do *act* on what is committed, beside the writer."""
        self._check_process()
        if self._owner is None:
            await self.write(_nothing)
        return await self._reader.submit(Job(act)).result()

    async def read_session(self, session: str, act: Act[T]) -> T:
        """Do *act*, which reads of one *session*, at once if that is quick."""
        self._check_process()
        found = None if self._owner is None else self._glance.at(session, act)
        if found is None:
            found = await self.read(lambda db: self._glance.timed(session, act, db))
        return found

    async def aclose(self) -> None:
        """Do what there is to do and close the file. May be called again."""
        await anyio.to_thread.run_sync(self._close)

    def _check_process(self) -> None:
        """Refuse what would wait for threads that a fork does not copy."""
        if self._owner is not None and self._owner.forked:
            raise unusable(
                self.path,
                "this process was forked from the one that has it open",
                "Make a store in each process, or close this one before the fork.",
            )

    def _close(self) -> None:
        if self._owner is not None and self._owner.forked:
            return  # its lock, threads and connections are the other process's
        # First, for what comes meanwhile: it opens everything again, or is refused.
        self._writer.close()
        self._glance.close()
        self._reader.close()

    def _disown(self) -> None:
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def _open(self) -> sqlite3.Connection:
        self.known.forget()  # it may be another file by now
        connection = open_writer(self.path)
        try:
            if self._owner is None:
                self._owner = Owner(self.path.with_name(f"{self.path.name}-owners"))
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                turns.recover_all(connection, self._owner)
            self._owner.sweep()
        except BaseException:
            connection.close()
            raise
        return connection


def _nothing(_: sqlite3.Connection) -> None:
    """Open the file, as every transaction does."""
