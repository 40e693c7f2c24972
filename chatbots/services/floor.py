"""Who has the floor in a call: what the user is saying, and what waits for an answer."""

from __future__ import annotations

from collections import deque

import anyio


class Floor:
    """What the user says, from its first sound until it is written down and its turn has come."""

    def __init__(self) -> None:
        self._said: deque[tuple[str, str | None]] = deque()
        self._speaking = False
        self._committing = 0
        self._written: dict[str, bool] = {}
        self._answering = False
        self._closed = False
        self._news = anyio.Event()

    async def next(self) -> tuple[str, str | None] | None:
        """Return what is to be answered next; None at the end.

        That is the item it was said in, empty where it was written; and its words, None where
        nobody could write them down. Silence and noise are not among it.
        """
        self._answering = False
        self._tell()
        while not self._said:
            if self._closed:
                return None
            await self._news.wait()
        self._answering = True
        return self._said.popleft()

    def speaks(self) -> None:
        """The user begins to speak."""
        self._speaking = True

    def commits(self) -> None:
        """The server is asked to take what was said as a turn."""
        self._committing += 1

    def lost(self) -> None:
        """Nothing comes of what is being said: it is refused, or the connection is gone."""
        self._speaking = False
        self._committing = 0
        self._tell()

    def committed(self, item_id: str) -> None:
        """What was said is an item; its words are yet to come, or have come before it."""
        self._speaking = False
        self._committing = max(0, self._committing - 1)
        self._written.setdefault(item_id, False)
        self._tell()

    def written(self, item_id: str, text: str | None) -> None:
        """The words of an item have come; they come once."""
        if not self._written.get(item_id):
            self._written[item_id] = True
            if text is None or text.strip():
                self._said.append((item_id, text))
            self._tell()

    def wrote(self, text: str) -> None:
        """The user writes instead."""
        self._said.append(("", text))
        self._tell()

    async def settled(self) -> None:
        """Wait until nothing is being said, or written down."""
        while self._speaking or self._committing or not all(self._written.values()):
            await self._news.wait()

    async def answered(self) -> None:
        """Wait until all that was written down has been answered."""
        while self._said or self._answering:
            await self._news.wait()

    def close(self) -> None:
        """Nothing more will be said."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()
