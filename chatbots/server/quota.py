"""What each user has spent today: a file a day, to which a line is added for each turn."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import time

from chatbots.errors import StorageError


class Ledger:
    """The tokens spent by each user, in *folder*; days are UTC.

    The file is the truth: a line is appended in one write, which kill -9 cannot undo, and what
    was appended since is read before an answer is given, so processes may share a folder.
    *clock* tells Unix seconds.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time) -> None:
        self._folder = folder
        self._clock = clock
        self._day = ""
        self._file: int | None = None
        self._read_upto = 0
        self._spent: Counter[str] = Counter()
        self._owed: list[bytes] = []

    def spend(self, user: str, tokens: int) -> None:
        """Count *tokens* for *user*. Never raises: what cannot be written is owed."""
        self._owed.append(f"{user} {tokens}\n".encode())
        with suppress(StorageError):
            self._settle()

    def spent(self, user: str) -> int:
        """Return what *user* has spent today.

        Raises `StorageError` (`storage_unavailable`) while what was spent cannot be written: then
        nobody can say how much it is, and nobody should spend more.
        """
        self._settle()
        return self._spent[user]

    def seconds_left(self) -> float:
        """Return how long today lasts still."""
        return 86_400 - self._clock() % 86_400

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._day = None, ""

    def _settle(self) -> None:
        try:
            file = self._today()
            while self._owed:
                if os.write(file, self._owed[0]) < len(self._owed[0]):
                    # Half a line, on a full disk: it ends here, and counts for nobody.
                    self._owed[0] = b" \n" + self._owed[0].lstrip()
                    raise OSError("there is no room left")  # noqa: TRY301 (mapped below)
                del self._owed[0]
            self._read(file)
        except OSError as error:
            raise StorageError(
                "storage_unavailable",
                f"What users spend cannot be written to {str(self._folder)!r}: {error}.",
            ) from error

    def _today(self) -> int:
        day = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        if self._file is None or day != self._day:
            self.close()
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(self._folder / day, flags, 0o600)
            self._day, self._read_upto = day, 0
            self._spent.clear()
        return self._file

    def _read(self, file: int) -> None:
        """Count the lines that were added since."""
        while new := os.pread(file, 1 << 20, self._read_upto):
            whole = new[: new.rfind(b"\n") + 1]
            if not whole:
                return
            self._read_upto += len(whole)
            for line in whole.splitlines():
                user, _, tokens = line.decode("utf-8", "replace").partition(" ")
                if tokens.isdecimal():
                    self._spent[user] += int(tokens)
