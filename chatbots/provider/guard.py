"""What has been learned about a model's server, shared by all who ask it with one key.

Whether it may be asked, and asked again. Told the time, it asks nobody for it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from chatbots.errors import ChatError, ProviderError
from chatbots.provider.breaker import Breaker
from chatbots.provider.budget import RetryBudget

LONGEST_WAIT: Final = 5.0
"""Seconds a request is queued where the server asks for a pause; for longer, it fails at once."""
LONGEST_PAUSE: Final = 3600.0
"""Seconds a server is believed at most that it wants to be left alone."""
FAILURES: Final = 5
"""Failures in a row after which a server is left alone."""
MOST_MODELS: Final = 1000
"""Models remembered: a caller names them, so without a bound they could fill the memory."""

SERVER_FAULTS: Final = frozenset(
    {
        "upstream_unreachable",
        "upstream_timeout",
        "upstream_error",
        "upstream_bad_response",
        "stream_interrupted",
        "stream_stalled",
    }
)
"""What counts as the server's failure, an answer that broke off included.

A refusal (key, quota, model, request, filter) counts neither way, nor does a turn that was
cancelled, by its caller or its deadline: it does not say how the server is.
"""


class EmptyAnswer(ProviderError):
    """A whole answer without a word.

    It counts neither way: a caller can have it made, by a `stop` that the answer begins with.
    """


class Ticket(NamedTuple):
    """A request that was let through, as both breakers number it."""

    server: int
    key: int


class Guard:
    """What is known of *model*; *key* is the breaker of all models that share the key."""

    def __init__(self, model: str, key: Breaker) -> None:
        self._model = model
        self._key = key
        self._server = Breaker(failures=FAILURES)
        self._budget = RetryBudget()
        self._paused_until = 0.0

    def wait(self, now: float, *, at_most: float = LONGEST_WAIT) -> float:
        """Return the seconds to wait before a request; 0 for at once.

        Raises `ProviderError`: `circuit_open`, or `rate_limited` for a pause beyond *at_most*.
        """
        if seconds := self._key.wait(now):
            hint = "Add credit to the account, or use another key."
            raise self._closed("circuit_open", "the account has no credit left", seconds, hint)
        if seconds := self._server.wait(now):
            why = f"its server failed {FAILURES} times in a row"
            raise self._closed("circuit_open", why, seconds)
        # To the millisecond: what is left of a pause by rounding is none.
        pause = max(0.0, round(self._paused_until - now, 3))
        if pause > at_most:
            raise self._closed("rate_limited", "its server asks to slow down", pause)
        return pause

    def enter(self, now: float) -> Ticket:
        """Let a request through that has nothing to `wait` for; `leave` is to follow."""
        self._budget.note_request(now)
        return Ticket(self._server.begin(), self._key.begin())

    def leave(self, ticket: Ticket, error: BaseException | None, now: float) -> None:
        """Learn how a request ended: with an answer, or with *error*."""
        code = error.code if isinstance(error, ChatError) else None
        answered = True if error is None else None
        at_fault = code in SERVER_FAULTS and not isinstance(error, EmptyAnswer)
        self._server.end(ticket.server, now, good=False if at_fault else answered)
        self._key.end(ticket.key, now, good=False if code == "quota_exhausted" else answered)
        if isinstance(error, ChatError) and code == "rate_limited":
            pause = min(error.retry_after or 0.0, LONGEST_PAUSE)
            self._paused_until = max(self._paused_until, now + pause)

    def grants_retry(self, now: float) -> bool:
        """Take a retry out of the budget; not one while the server is left alone."""
        return not (self._server.wait(now) or self._key.wait(now)) and self._budget.take(now)

    def _closed(
        self, code: str, why: str, seconds: float, hint: str | None = None
    ) -> ProviderError:
        return ProviderError(
            code,
            f"The model {self._model!r} is not asked for now: {why}.",
            retry_after=seconds,
            hint=hint or f"Ask again in {spoken(seconds)}.",
        )


class Guards:
    """The guards of the models asked with one key."""

    def __init__(self) -> None:
        self._key = Breaker(failures=1)
        self._guards: dict[str, Guard] = {}

    def of(self, model: str) -> Guard:
        """Return the guard of *model*, a new one where there is none."""
        if model not in self._guards:
            if len(self._guards) >= MOST_MODELS:
                del self._guards[next(iter(self._guards))]
            self._guards[model] = Guard(model, self._key)
        return self._guards[model]


def spoken(seconds: float) -> str:
    """Say a time as a person would, in whole seconds and never too early."""
    whole = max(1, math.ceil(seconds))
    return "1 second" if whole == 1 else f"{whole} seconds"
