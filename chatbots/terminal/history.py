"""The lines a person typed, remembered between runs."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

KEPT: Final = 1000
"""Lines remembered; the oldest go first."""


class History:
    """Typed lines in the file at *path*, which only its owner can read: one JSON string a line.

    A conversation matters more than its history: a file that cannot be used is done without.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines = self._load()
        """The remembered lines, oldest first."""

    def add(self, line: str) -> None:
        """Remember *line*, unless it is blank or was the last one."""
        if not line.strip() or self.lines[-1:] == [line]:
            return
        self.lines.append(line)
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write([line], os.O_APPEND)

    def _load(self) -> list[str]:
        try:
            text = self._path.read_text("utf-8", "replace")
        except OSError:
            return []
        lines = [line for row in text.splitlines() if (line := _decoded(row))]
        if len(lines) > KEPT:
            with suppress(OSError):
                self._write(lines[-KEPT:], os.O_TRUNC)
        return lines[-KEPT:]

    def _write(self, lines: list[str], flag: int) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | flag, 0o600)
        try:
            os.fchmod(file, 0o600)
            # In ASCII: what a terminal sent may be no valid Unicode, and is remembered as well.
            os.write(file, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
        finally:
            os.close(file)


def _decoded(row: str) -> str:
    try:
        line = json.loads(row)
    except ValueError:
        return ""
    return line if isinstance(line, str) else ""
