"""How many of the requests may be repeats; told the time, it asks nobody for it."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW: Final = 60.0
"""Seconds that are looked back."""
ONE_IN: Final = 5
"""A retry for so many requests: where a server fails for all, retries add a fifth to its load."""
AT_LEAST: Final = 3
"""Retries a minute that are always there, so that one command alone may retry."""
MOST_COUNTED: Final = 10_000
"""Requests remembered; of more, the oldest count no longer."""


class RetryBudget:
    """The requests of the last minute, and how many of them were retries."""

    def __init__(self) -> None:
        self._requests = deque[float](maxlen=MOST_COUNTED)
        self._retries = deque[float]()

    def note_request(self, now: float) -> None:
        """Count a request, be it the first of a turn or a retry."""
        self._requests.append(now)

    def take(self, now: float) -> bool:
        """Take a retry out of the budget, if there is one left."""
        for times in (self._requests, self._retries):
            while times and times[0] <= now - WINDOW:
                times.popleft()
        if len(self._retries) >= max(AT_LEAST, len(self._requests) // ONE_IN):
            return False
        self._retries.append(now)
        return True
