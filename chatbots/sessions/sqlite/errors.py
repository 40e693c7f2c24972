"""What SQLite and the disk say, as errors of ours that name the file and say what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import msgspec

from chatbots.errors import ChatError, StorageError

_FOREIGN = "The file is left as it is: move it away, or name another by DB_PATH."
_DAMAGED = (
    "The file is left as it is. Put a copy of it back, or save what can be read with "
    "`sqlite3 FILE .recover`, and move it away."
)

_REASONS: dict[int, tuple[str, str, str]] = {
    sqlite3.SQLITE_FULL: (
        "storage_unavailable",
        "the disk is full",
        "Make room; the sessions go on by themselves.",
    ),
    sqlite3.SQLITE_BUSY: (
        "storage_unavailable",
        "another program has it locked",
        "Wait for that program, or end it.",
    ),
    sqlite3.SQLITE_READONLY: (
        "storage_unavailable",
        "it cannot be written",
        "Check who may write the file and its folder.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "storage_unavailable",
        "it cannot be opened",
        "Check that its folder exists and who may write there.",
    ),
    sqlite3.SQLITE_IOERR: (
        "storage_unavailable",
        "the disk failed",
        "Check the disk, and that it is not full.",
    ),
    sqlite3.SQLITE_CORRUPT: ("storage_unusable", "it is damaged", _DAMAGED),
    sqlite3.SQLITE_NOTADB: ("storage_unusable", "it is no SQLite database", _FOREIGN),
}
_REASONS[sqlite3.SQLITE_LOCKED] = _REASONS[sqlite3.SQLITE_BUSY]
_REASONS[sqlite3.SQLITE_PERM] = _REASONS[sqlite3.SQLITE_READONLY]
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def unusable(path: Path, why: str, hint: str = _FOREIGN) -> StorageError:
    """Return the refusal of a file that is no store of ours."""
    return StorageError(
        "storage_unusable", f"The sessions in {path} cannot be used: {why}.", hint=hint
    )


def damaged(path: Path, why: str) -> StorageError:
    """Return the refusal of a file that has lost something."""
    return unusable(path, why, _DAMAGED)


def closed() -> StorageError:
    """Return the refusal of what came too late."""
    return StorageError("storage_unavailable", "The store was closed.")


def mapped(error: Exception, path: Path) -> Exception:
    """Return what went wrong with the store at *path* as a `StorageError`; a bug as it is."""
    if isinstance(error, ChatError | ValueError) and not isinstance(error, msgspec.MsgspecError):
        return error
    if isinstance(error, msgspec.MsgspecError):
        return damaged(path, "a turn in it cannot be read")
    if isinstance(error, OSError):
        code = sqlite3.SQLITE_FULL if error.errno in _FULL else sqlite3.SQLITE_CANTOPEN
    elif isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    else:
        return error
    reason = _REASONS.get(code)
    if reason is None:
        return unusable(path, f"SQLite says: {error}", "Report this, with the file if you can.")
    name, why, hint = reason
    return StorageError(name, f"The sessions in {path} cannot be used: {why}.", hint=hint)
