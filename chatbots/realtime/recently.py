"""What has come lately, so that it counts once."""

from __future__ import annotations


class Recently:
    """Names that were seen: the last *size* of them at least, and at most twice as many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._new: set[str] = set()
        self._old: set[str] = set()

    def seen(self, name: str) -> bool:
        """Tell whether *name* was seen, and remember it."""
        if name in self._new or name in self._old:
            return True
        if len(self._new) == self._size:
            self._old, self._new = self._new, set()
        self._new.add(name)
        return False
