"""Guards of the store, switched off one at a time: without its guard the table must not be zeros.

Nothing in the package knows of this: each puts something else in the place of a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from time import sleep
from typing import Any, Final, NamedTuple
from unittest import mock
from uuid import uuid4

from chatbots.sessions.sqlite import database, schema, turns, words, worker
from chatbots.sessions.sqlite.owners import Owner
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.sessions.sqlite.writer import Writer
from chatbots.sessions.turn import CRASHED

SLOW_COMMIT: Final = 0.1
"""Seconds from an early acknowledgement to the commit: as on a slow disk."""


class Break(NamedTuple):
    """A guard to be switched off: what is so without it, how, and which columns show it."""

    about: str
    off: Callable[[], AbstractContextManager[object]]
    columns: tuple[str, ...]
    scenario: str = "kill"


@contextmanager
def begin_commit_off() -> Iterator[None]:
    """Acknowledge what is written as soon as it is done, and commit it after."""
    try_one, commit = Writer._try, Writer._commit
    slow = False

    def early(self: Writer, connection: Any, job: Any, waiting: Any) -> Any:
        nonlocal slow
        outcome = try_one(self, connection, job, waiting)
        if outcome is not None and outcome[2] is None and job.awaited is not None:
            job.undo = None
            worker.tell([outcome])
            sleep(SLOW_COMMIT if slow else 0)
            slow = False
        return outcome

    def slowly(self: Writer, jobs: Any) -> Any:
        nonlocal slow
        slow = True
        return commit(self, jobs)

    with mock.patch.multiple(Writer, _try=early, _commit=slowly):
        yield


@contextmanager
def request_id_off() -> Iterator[None]:
    """Make a turn of every attempt."""
    accept = turns.accept

    def anew(db: Any, session: str, request_id: str, *args: Any, **more: Any) -> Any:
        return accept(db, session, f"{request_id}-{uuid4().hex}", *args, **more)

    with mock.patch.object(turns, "accept", anew):
        yield


@contextmanager
def recovery_off() -> Iterator[None]:
    """Let a session go on after a crash, with its turn as it was."""

    def only_free(db: Any, number: int) -> None:
        db.execute("UPDATE sessions SET owner = NULL WHERE id = ?", (number,))

    with mock.patch.object(turns, "recover", only_free):
        yield


def pairing_off() -> AbstractContextManager[object]:
    """Send calls without their results."""
    return mock.patch("chatbots.sessions.window._paired", lambda messages, _: iter(messages))


def lease_off() -> AbstractContextManager[object]:
    """Take every other store for dead."""
    return mock.patch.object(Owner, "is_alive", lambda self, name: name == self.name)


@contextmanager
def checkpoint_off() -> Iterator[None]:
    """Keep nothing of an answer before its end."""

    async def keep_nothing(*_: object, **__: object) -> None:
        return None

    with mock.patch.object(SQLiteSessions, "checkpoint", keep_nothing):
        yield


@contextmanager
def fencing_off() -> Iterator[None]:
    """Let who was taken for dead end its turn all the same, with every store taken for dead."""
    end = turns.end

    def unfenced(db: Any, turn: Any, *args: Any, **more: Any) -> Any:
        found = turns._find(db, turn)
        if found is not None and found[2] == CRASHED:
            db.execute(
                "UPDATE turns SET state = 'streaming', reason = NULL WHERE session = ? AND seq = ?",
                (found[0], turn.seq),
            )
        return end(db, turn, *args, **more)

    with ExitStack() as stack:
        stack.enter_context(lease_off())
        stack.enter_context(mock.patch.object(turns, "end", unfenced))
        stack.enter_context(mock.patch.object(words, "to_be_read"))
        yield


@contextmanager
def fsync_off() -> Iterator[None]:
    """Leave it to the system when what is committed comes to the disk."""
    open_writer = schema.open_writer

    def unsynced(path: Path) -> Any:
        connection = open_writer(path)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    with mock.patch.object(database, "open_writer", unsynced):
        yield


BREAKS: Final[dict[str, Break]] = {
    "begin-commit": Break(
        "what is written is acknowledged before its commit", begin_commit_off, ("lost",)
    ),
    "request-id": Break("every attempt makes a turn", request_id_off, ("duplicated",)),
    "recovery": Break("a crash leaves its turn open", recovery_off, ("left open",)),
    "pairing": Break("calls go without their results", pairing_off, ("poisoned",)),
    "lease": Break("the turns of living processes are taken over", lease_off, ("lost",)),
    "checkpoint": Break("nothing is kept before the end", checkpoint_off, ("prefix",)),
    "fencing": Break("a turn taken over is ended twice", fencing_off, ("left open",)),
    "fsync": Break("nothing is synced to the disk", fsync_off, ("lost",), "power"),
}
"""By the name that `--break` takes."""
