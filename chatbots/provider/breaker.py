"""A circuit breaker: whoever failed too often is left alone; told the time, it asks nobody for it.

closed --failures in a row--> open --`OPEN_FOR` seconds--> half-open: one request is the probe
  ^                             ^                            |  |
  |                             +---------- it fails --------+  |
  +------------------------- any request succeeds --------------+
"""

from __future__ import annotations

from typing import Final

OPEN_FOR: Final = 30.0
"""Seconds until a probe is let through."""
PROBING: Final = 1.0
"""Seconds to stay away while the probe has no answer yet."""


class Breaker:
    """Counts *failures* in a row; that many open it.

    A request that is neither success nor failure changes nothing; as the probe it frees its place.
    """

    def __init__(self, *, failures: int) -> None:
        self._allowed = failures
        self._failed = 0
        self._open_until: float | None = None
        self._requests = 0
        self._probe: int | None = None

    def wait(self, now: float) -> float:
        """Return the seconds until a request may begin; 0 for at once."""
        if self._open_until is None:
            return 0.0
        left = self._open_until - now
        return left if left > 0 else 0.0 if self._probe is None else PROBING

    def begin(self) -> int:
        """Let a request through, now that nothing has to be waited for; return its number."""
        self._requests += 1
        if self._open_until is not None:
            self._probe = self._requests
        return self._requests

    def end(self, request: int, now: float, *, good: bool | None) -> None:
        """Learn how a request ended: well, badly, or (None) in a way that says nothing."""
        probed = request == self._probe
        if probed:
            self._probe = None
        if good:
            self._failed, self._open_until = 0, None
        elif good is False:
            self._failed += 1
            # What began before it opened, and fails now, was counted on to fail.
            if probed or (self._open_until is None and self._failed >= self._allowed):
                self._open_until = now + OPEN_FOR
