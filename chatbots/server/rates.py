"""How often: a bucket that fills steadily, and from which each message takes."""

from __future__ import annotations


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
