"""A text that grows piece by piece and costs little more than itself."""

from __future__ import annotations

from typing import Final

TAIL: Final = 512
"""Pieces that wait to be joined: a piece of four letters costs more than ten times that."""


class Joined:
    """Text in pieces: adding one is cheap, and a hundred thousand of them stay one text."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._tail: list[str] = []

    @property
    def text(self) -> str:
        """All the pieces, joined."""
        text = "".join((*self._blocks, *self._tail))
        self._blocks, self._tail = [text], []
        return text

    def add(self, piece: str) -> None:
        """Put *piece* at the end."""
        self._tail.append(piece)
        if len(self._tail) >= TAIL:
            self._blocks.append("".join(self._tail))
            self._tail.clear()
