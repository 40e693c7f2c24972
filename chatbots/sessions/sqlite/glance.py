"""Reading in the loop itself, where that was quick a moment ago.

The way to a thread and back takes as long as reading the newest turns of a conversation, and a
conversation that is going on is in the memory of the system. So a read that took less than a
millisecond in the reader's thread is done at once the next time; one that takes longer, or would
have to wait, goes back to the thread.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

from msgspec import MsgspecError

from chatbots.sessions.sqlite.schema import open_reader
from chatbots.sessions.sqlite.worker import Act

T = TypeVar("T")

QUICK: Final = 0.001
"""Seconds a read may take to be done in the loop the next time."""
MOMENT: Final = 60.0
"""Seconds until nobody knows any more whether it is still quick."""
_SESSIONS: Final = 10_000


class Glance:
    """A connection that reads at once or not at all, for one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = 0
        # To close a connection while another thread reads with it can end the process.
        self._using = threading.Lock()
        self._quick: OrderedDict[str, float] = OrderedDict()

    def at(self, key: str, act: Act[T]) -> T | None:
        """Return what *act* reads; None where that might take long."""
        if self._quick.get(key, 0.0) < monotonic():
            return None
        try:
            with self._using:
                if self._connection is None:
                    self._connection = open_reader(self._path, timeout=0)
                    self._thread = threading.get_ident()
                if self._thread != threading.get_ident():
                    return None
                return self.timed(key, act, self._connection)
        except (sqlite3.Error, MsgspecError):  # the reader's thread says what is wrong
            return None

    def timed(self, key: str, act: Act[T], connection: sqlite3.Connection) -> T:
        """Return what *act* reads, and note whether it was quick."""
        started = monotonic()
        found = act(connection)
        now = monotonic()
        if now - started < QUICK:
            self._quick[key] = now + MOMENT
            if len(self._quick) > _SESSIONS:
                self._quick.popitem(last=False)
        else:
            self._quick.pop(key, None)
        return found

    def close(self) -> None:
        """Close the connection."""
        with self._using:
            self._quick.clear()
            if self._connection is not None:
                self._connection.close()
                self._connection = None
