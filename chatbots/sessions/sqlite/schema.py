"""The tables in the file, how they came to be, and how the file is opened."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Final
from urllib.parse import quote

from chatbots import telemetry
from chatbots.sessions.sqlite.errors import damaged, unusable

APPLICATION_ID: Final = 0x43485256
"""Tells our files from others' (https://www.sqlite.org/pragma.html#pragma_application_id)."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process's transaction."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE sessions (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            title TEXT NOT NULL,
            created_at REAL NOT NULL,
            changed_at REAL NOT NULL,
            turns INTEGER NOT NULL,
            input_tokens INTEGER NOT NULL DEFAULT 0,
            output_tokens INTEGER NOT NULL DEFAULT 0,
            noted INTEGER NOT NULL DEFAULT 0,
            owner TEXT
        )""",
        "CREATE INDEX sessions_by_change ON sessions (changed_at)",
        "CREATE INDEX sessions_by_owner ON sessions (owner) WHERE owner IS NOT NULL",
        """CREATE TABLE turns (
            session INTEGER NOT NULL REFERENCES sessions (id),
            seq INTEGER NOT NULL,
            request_id TEXT NOT NULL,
            state TEXT NOT NULL,
            began_at REAL NOT NULL,
            said BLOB NOT NULL,
            answer BLOB NOT NULL,
            reason TEXT,
            usage BLOB,
            pinned INTEGER NOT NULL DEFAULT 0,
            summary TEXT,
            PRIMARY KEY (session, seq)
        ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX turns_by_request ON turns (session, request_id)",
        """CREATE INDEX turns_noted ON turns (session, seq)
            WHERE pinned OR summary IS NOT NULL""",
        # Turns that have ended and whose words are not in `words` yet.
        """CREATE TABLE unread (
            session INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            PRIMARY KEY (session, seq)
        ) WITHOUT ROWID""",
        "CREATE VIRTUAL TABLE words USING fts5 (text, tokenize='unicode61 remove_diacritics 2')",
    ),
)
"""What makes each version of the tables of the one before; a released one is never changed."""

_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs"})


def open_writer(path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> sqlite3.Connection:
    """Open the file to write it, made or brought to the newest version where need be.

    Raises `StorageError` (`storage_unusable`) for a file that is not ours, `sqlite3.Error`.
    """
    _check_file(path)
    _make_file(path)
    connection = _connect(path, BUSY_TIMEOUT)
    try:
        _check_ours(connection, path, len(migrations))
        _set_wal(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        # Many sessions are many pages: 16 MB of them are kept, and that much of the log before
        # it is worked into the file, which costs two more waits for the disk.
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        _migrate(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, *, timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """Open the file, which a writer has opened before, to read it."""
    connection = _connect(path, timeout)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(path: Path, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        # To open a FIFO would wait for whoever writes it.
        raise unusable(path, "it is no regular file")
    with path.open("rb") as file:
        header = file.read(100)
        # In this order: another process may be working its log into the file just now.
        log = path.with_name(f"{path.name}-wal")
        whole = log.exists() or os.fstat(file.fileno()).st_size >= _size_in(header)
    if not whole:
        raise damaged(path, "its end is missing")


def _size_in(header: bytes) -> int:
    """Return how large the file is by its own account (https://www.sqlite.org/fileformat.html)."""
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        return 0
    page = int.from_bytes(header[16:18], "big")
    return int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)


def _make_file(path: Path) -> None:
    """Make the file and its folder, for this user only; what SQLite puts beside it follows."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        kind = _file_system(path)
        if kind in _NETWORK:
            telemetry.emit("warning", "store.network_disk", path=str(path), kind=kind)


def _file_system(path: Path) -> str:
    """Return the kind of file system *path* is on (proc(5), mountinfo); empty if nobody says."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    place, best, kind = str(path.resolve()), "", ""
    for mount in mounts:
        head, _, tail = mount.partition(" - ")
        point = head.split()[4]
        inside = place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, tail.split()[0]
    return kind


def _check_ours(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    """Look before anything is written: what is not ours stays as it is."""
    begun = connection.in_transaction
    if not begun:
        # One look, so that another process makes it before or after, not meanwhile.
        connection.execute("BEGIN")
    mark, version = _number(connection, "application_id"), _number(connection, "user_version")
    empty = not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    if not begun:
        connection.execute("ROLLBACK")
    if mark != APPLICATION_ID and not (empty and mark == version == 0):
        raise unusable(path, "it is the database of another program")
    if version > newest:
        raise unusable(
            path,
            f"a newer version of this program has written it (schema {version}, here {newest})",
            "Install that version, or name another file by DB_PATH.",
        )


def _set_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Have commits appended to a log; https://www.sqlite.org/wal.html."""
    deadline = monotonic() + BUSY_TIMEOUT
    while True:
        try:
            # Two that do this at once get an error at once: SQLite does not wait here.
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(0.01)
            continue
        if mode != "wal":
            raise unusable(
                path,
                "its disk cannot share memory between processes, as network disks cannot",
                "Name a file on a local disk by DB_PATH.",
            )
        return


def _migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Sequence[str]]
) -> None:
    """Bring the tables to the newest version, all of the way or not at all."""
    if _number(connection, "user_version") == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it meanwhile, or more than that.
        _check_ours(connection, path, len(migrations))
        for migration in migrations[_number(connection, "user_version") :]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
