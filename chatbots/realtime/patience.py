"""How long a session waits for what, and when an answer is overdue."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

import anyio
from msgspec import Struct

from chatbots.errors import ChatError, ProviderError
from chatbots.realtime.turns import Model


class Patience(Struct, frozen=True, kw_only=True):
    """Seconds that a session waits; `Limits` has those of its socket."""

    first_event: float = 10.0
    """For the server to say that the session is there, and as it was configured."""
    first_delta: float = 30.0
    """From the request for a response to the first of it."""
    gap: float = 30.0
    """From one piece of a response to the next; pings and the like are none."""
    response: float = 300.0
    """For a whole response."""
    reader: float = 60.0
    """For a reader who is far behind; after that it is told no more."""
    close: float = 2.0
    renew_before: float = 60.0
    """Before the session expires: from then on another one is ready to take over."""
    first_tries: int = 3
    """Sockets in a row that may come to nothing before a session is there."""
    tries: int = 6
    """Sockets in a row that may come to nothing once it was."""
    backoff: float = 0.5
    """Before the second try, at most; doubled before each further one, up to `longest`."""
    longest: float = 8.0
    unsent_audio: float = 2.0
    """Seconds of the user's speech kept while there is no connection."""

    def pause(self, failed: int, error: ChatError, chance: float) -> float:
        """Return how long to wait before trying again, with so many tries *failed* in a row."""
        if error.retry_after is not None:
            return error.retry_after * (1 + 0.1 * chance)
        return min(self.longest, self.backoff * 2.0**failed) * (0.5 + 0.5 * chance)


class Clock(Struct, frozen=True, kw_only=True):
    """Where the time of day comes from (Unix seconds), how time is passed, and chance."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    chance: Callable[[], float] = random.random


_UNDER_WAY: Final = frozenset({"asked", "doomed", "answering", "stopping"})


class Overdue:
    """When the response that is under way is overdue, in seconds of a clock that never jumps."""

    def __init__(self, patience: Patience) -> None:
        self.heard = -inf
        """When something of a response came last; who reads the socket sets it."""
        self.model: Model = "idle"
        self._patience = patience
        self._begun = inf

    def turned(self, model: Model, now: float) -> None:
        """Take in a change of the *model*: a response is asked for, begins unasked, or ends."""
        if model not in _UNDER_WAY:
            self._begun = inf
        elif model == "asked" or self.model not in _UNDER_WAY:
            self._begun = now
        self.model = model

    def waited(self, seconds: float) -> None:
        """Take in that it was us who kept the server waiting."""
        self._begun += seconds
        self.heard += seconds

    @property
    def due(self) -> float:
        """When more of it must have come; `inf` where none is under way."""
        patience = self._patience
        more = self.heard + patience.gap if self._going else self._begun + patience.first_delta
        return min(more, self._begun + patience.response)

    def error(self, now: float) -> ProviderError | None:
        """Return the error for what is overdue."""
        patience = self._patience
        if now < self.due:
            return None
        code, said = "stream_stalled", f"not whole within {patience.response:g}"
        if now < self._begun + patience.response:
            said = f"no longer coming: nothing new for {patience.gap:g}"
            if not self._going:
                code, said = "upstream_timeout", f"not begun within {patience.first_delta:g}"
        return ProviderError(code, f"The response was {said} seconds.", hint="Ask again.")

    @property
    def _going(self) -> bool:
        return self.heard > self._begun
