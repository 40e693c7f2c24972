"""What one turn says, written down piece by piece: each while the next is spoken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from chatbots.errors import ChatError


class Writing:
    """The words of a turn; *hear* writes down PCM16 of 16 kHz, and raises `ChatError`."""

    def __init__(self, hear: Callable[[bytes], Awaitable[str]], item_id: str | None = None) -> None:
        self.item = item_id
        """The item they will be in, once that is known."""
        self.seconds = 0.0
        """How long the pieces are that are to be taken."""
        self._hear = hear
        self._words: list[str] = []
        self._told = ""
        self._failed: ChatError | None = None
        self._in_turn = anyio.Lock()

    @property
    def text(self) -> str:
        """What is written down by now."""
        return self._text()

    async def take(self, piece: bytes) -> None:
        """Write down the next piece, after those before it."""
        async with self._in_turn:
            try:
                self._words.append(await self._hear(piece))
            except ChatError as error:
                self._failed = error

    async def whole(self, rest: bytes) -> str:
        """Return all of it, with what comes after the pieces; raises `ChatError` for any of it."""
        async with self._in_turn:
            if self._failed is not None:
                raise self._failed
            return self._text(await self._hear(rest) if rest else "")

    def untold(self, text: str | None = None) -> str:
        """Return what of *text* (what is written down) was not returned before; joined, all is."""
        text = self._text() if text is None else text
        untold, self._told = text[len(self._told) :], text
        return untold

    def _text(self, *more: str) -> str:
        return " ".join(filter(None, (*self._words, *more)))
