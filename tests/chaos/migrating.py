"""A migration that is killed half-way: the file is the old one or the new one, never between.

python -m tests.chaos.migrating PATH STATEMENT
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

import anyio

from chatbots.errors import StorageError
from chatbots.messages import Message
from chatbots.sessions.sqlite import schema
from chatbots.sessions.sqlite.store import SQLiteSessions
from tests.chaos.checking import Tally
from tests.chaos.killing import ROOT

NEXT: Final = (
    *schema.MIGRATIONS,
    (
        "ALTER TABLE turns ADD COLUMN mood TEXT",
        "UPDATE turns SET mood = upper(request_id)",
        "CREATE TABLE moods AS SELECT session, seq, mood FROM turns",
        "CREATE INDEX moods_by_session ON moods (session)",
    ),
)
"""The tables as they might be next."""
TURNS: Final = 300


def migrate(path: Path, dies_at: int) -> None:
    """Bring the file to the next version, and die before the statement of that number."""
    connect, count = schema._connect, 0

    def counted(*args: Any) -> sqlite3.Connection:
        connection = connect(*args)

        def trace(_: str) -> None:
            nonlocal count
            count += 1
            if count == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(trace)
        return connection

    with mock.patch.object(schema, "_connect", counted):
        schema.open_writer(path, NEXT).close()


async def migrate_half_way(folder: Path, times: int, *, seed: int, guard: str | None) -> Tally:
    """Kill so many migrations, of a file with turns and of a new one, each a statement later."""
    old = folder / "old.db"
    store = SQLiteSessions(old)
    for number in range(TURNS):
        turn = await store.begin(f"s{number % 7}", f"r{number}", [Message("user", f"q{number}")])
        await store.finish(turn, [Message("assistant", f"a{number}")], state="completed")
    await store.aclose()
    rows, tables = _rows(old), _tables(old)
    schema.open_writer(folder / "new.db", NEXT).close()
    new_tables = _tables(folder / "new.db")
    tally = Tally()
    for number in range(times):
        path = folder / f"{number}.db"
        fresh = number % 4 == 3
        if not fresh:
            path.write_bytes(old.read_bytes())
        # Spread over all there is: how the file is opened first, its migration, what comes after.
        command = [sys.executable, "-m", "tests.chaos.migrating", str(path), str(number + 4 + seed)]
        run = partial(subprocess.run, command, cwd=ROOT)
        died = (await anyio.to_thread.run_sync(run)).returncode == -signal.SIGKILL
        tally.counts["cut short"] += died
        found = (_tables(path), _rows(path))
        allowed = [({}, []), (new_tables, [])] if fresh else [(tables, rows), (new_tables, rows)]
        if found not in allowed:
            tally.fault("lost", f"killed at statement {number + 4}: between two versions")
        try:
            schema.open_writer(path, NEXT).close()
        except (sqlite3.Error, StorageError) as error:
            tally.fault("lost", f"killed at statement {number + 4}: {error}")
            continue
        if (_tables(path), _rows(path)) != allowed[1]:
            tally.fault("lost", f"killed at statement {number + 4}: it is not migrated after")
        tally.counts["acked"] += len(allowed[1][1])
    return tally


def _rows(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'turns'").fetchone():
            return []
        return db.execute(
            "SELECT session, seq, request_id, state, said, answer FROM turns"
        ).fetchall()


def _tables(path: Path) -> dict[str, str]:
    """Return what is there and how it was made, and as which version it is marked."""
    with closing(sqlite3.connect(path)) as db:
        found = dict(db.execute("SELECT name, coalesce(sql, '') FROM sqlite_schema").fetchall())
        version = str(db.execute("PRAGMA user_version").fetchone()[0])
        return found | {"version": version} if found else {}


if __name__ == "__main__":
    migrate(Path(sys.argv[1]), int(sys.argv[2]))
