"""Who runs a turn: each open store holds a lock that the kernel gives back when it dies."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

_NAME: Final = re.compile(r"[0-9a-f]{32}")


class Owner:
    """A store that is open: its name, and the lock on a file of that name in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = os.getpid()
        folder.mkdir(mode=0o700, exist_ok=True)
        self.name, self._lock = self._claim()

    def _claim(self) -> tuple[str, int]:
        while True:
            name = uuid4().hex
            path = self._folder / name
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            lock = os.open(path, flags, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Somebody may have taken it for a dead one's before it was locked.
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(lock).st_ino:
                    return name, lock
            os.close(lock)

    def is_alive(self, name: str) -> bool:
        """Return whether the store of this *name* is open, in whichever process."""
        if name == self.name:
            return True
        lock = self._open(name)
        if lock is None:
            return False
        try:
            # Shared: two that ask at once must not take each other for the one they ask for.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    @property
    def forked(self) -> bool:
        """Whether this is a copy, in a process that was forked: it owns nothing."""
        return self._process != os.getpid()

    def sweep(self) -> None:
        """Take away what dead stores have left."""
        for path in self._folder.iterdir():
            lock = self._open(path.name)
            if path.name == self.name or lock is None:
                continue
            with suppress(BlockingIOError, FileNotFoundError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            os.close(lock)

    def close(self) -> None:
        """Give the lock back."""
        with suppress(FileNotFoundError):
            (self._folder / self.name).unlink()
        fcntl.flock(self._lock, fcntl.LOCK_UN)  # for a process forked meanwhile, too
        os.close(self._lock)

    def _open(self, name: str) -> int | None:
        if not _NAME.fullmatch(name):
            return None
        try:
            return os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
