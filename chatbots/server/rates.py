"""How often: a bucket from which each message takes, and a brake on who takes no notice of it."""

from __future__ import annotations

from typing import Final

PAUSE: Final = 0.1
"""Seconds until one that asks more often than it may is heard again."""
LONGEST: Final = 5
"""Times as long, where it goes on so."""


class TokenBucket:
    """Lets *burst* through at once and *rate* a second over time; full at first.

    Moments are seconds of a clock that never goes back; the caller passes them in.
    """

    __slots__ = ("_at", "_burst", "_held", "_rate")

    def __init__(self, *, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._held = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """Take one; return 0, or the seconds until there is one to take."""
        self._fill(now)
        if self._held < 1:
            return (1 - self._held) / self._rate
        self._held -= 1
        return 0.0

    def is_full(self, now: float) -> bool:
        """Return whether it is as if nobody had ever taken."""
        self._fill(now)
        return self._held >= self._burst

    def _fill(self, now: float) -> None:
        self._held = min(self._burst, self._held + (now - self._at) * self._rate)
        self._at = now


class Brake:
    """How long one is not heard: twice as long after each refusal, and less again after the rest.

    It `is_on` from a refusal until somebody waits for `release`.
    """

    __slots__ = ("_seconds", "is_on")

    def __init__(self) -> None:
        self.is_on = False
        self._seconds = PAUSE

    def take_note(self, *, refused: bool) -> None:
        """Take note of a message."""
        if refused:
            self.is_on = True
        else:
            self._seconds = max(PAUSE, self._seconds / 2)

    def release(self) -> float:
        """Return the seconds to wait."""
        self.is_on, seconds = False, self._seconds
        self._seconds = min(2 * seconds, LONGEST * PAUSE)
        return seconds
