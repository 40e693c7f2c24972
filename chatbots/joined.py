"""A text that grows piece by piece and costs little more than itself."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO


class Joined:
    """Text in pieces: `add` is cheap, and a hundred thousand pieces stay one text.

    A list of them would cost ten times their letters, and joining it at each piece, far more.
    """

    __slots__ = ("_news", "_text", "add")

    def __init__(self) -> None:
        self._text = ""
        self._begin()

    @property
    def text(self) -> str:
        """All the pieces, joined; the same string for everybody who asks before the next piece."""
        if self._news.tell():
            self._text += self._news.getvalue()
            self._begin()
        return self._text

    @property
    def size(self) -> int:
        """How many characters it has."""
        return len(self._text) + self._news.tell()

    @classmethod
    def of(cls, out: object) -> Joined | None:
        """Return the text that has gone through *out*, where *out* keeps it, as `said`."""
        said = getattr(out, "said", None)
        return said if isinstance(said, cls) else None

    def _begin(self) -> None:
        self._news = StringIO()
        self.add: Callable[[str], int] = self._news.write
        """Put a piece at the end. It is a buffer's own method, of this moment: no call of ours."""
