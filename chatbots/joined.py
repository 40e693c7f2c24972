"""A text that grows piece by piece and costs little more than itself."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO


class Joined:
    """Text in pieces: `add` is cheap, and a hundred thousand pieces stay one text.

    A list of them would cost ten times their letters, and joining it at each piece, far more.
    """

    __slots__ = ("_text", "add")

    def __init__(self) -> None:
        self._text = StringIO(newline="")
        self.add: Callable[[str], int] = self._text.write
        """Put a piece at the end. It is the buffer's own method: no call of Python's."""

    @property
    def text(self) -> str:
        """All the pieces, joined."""
        return self._text.getvalue()
