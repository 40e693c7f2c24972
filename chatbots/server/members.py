"""How much each user may do at a time and a day, and does now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from chatbots.errors import AccessDenied
from chatbots.messages import Usage
from chatbots.server.quota import Ledger
from chatbots.server.rates import TokenBucket

FREE: Final = frozenset(
    {"error", "ping", "session_delete", "session_fork", "session_history", "sessions_list",
     "tool_execute", "tools_list"}
)  # fmt: skip
"""Requests that cost no tokens of the model; what is not named here is taken to cost some.

`error` is a frame that was no request.
"""

ALWAYS: Final = "cancel"
"""The request that is never refused: what it stops costs more."""

MANY: Final = 4096
"""Users that are remembered before those who do nothing are forgotten."""


class Limits(Struct, frozen=True, kw_only=True):
    """What each user may do.

    Messages: *rate* a minute, *burst* at once. At a time: so many *sockets*, and *turns* running.
    Tokens of the model a day: *quota*.
    """

    rate: int = 100
    burst: int = 20
    sockets: int = 20
    turns: int = 20
    quota: int | None = None


class Member:
    """One user, on however many sockets. Methods raise `AccessDenied` for one too many."""

    def __init__(
        self, name: str, limits: Limits, ledger: Ledger | None, clock: Callable[[], float]
    ) -> None:
        self._name = name
        self._limits = limits
        self._ledger = ledger
        self._clock = clock
        self._bucket = TokenBucket(rate=limits.rate / 60, burst=limits.burst, now=clock())
        self._sockets = 0
        self._turns = 0

    def enter(self) -> None:
        """Count in a socket."""
        if self._sockets >= self._limits.sockets:
            raise _too_many(f"{self._sockets} sockets are open", "Close one first.")
        self._sockets += 1

    def leave(self) -> None:
        """Count a socket out."""
        self._sockets -= 1

    def begin(self, kind: str) -> None:
        """Count in a request, or raise `StorageError` where nobody knows what is spent."""
        if kind == ALWAYS:
            return
        wait = self._bucket.take(self._clock())
        if wait:
            raise _too_many(f"{self._limits.rate} messages a minute are allowed", retry_after=wait)
        if kind in FREE:
            return
        if self._turns >= self._limits.turns:
            raise _too_many(f"{self._turns} turns are running", "Wait for one, or cancel it.")
        ledger, quota = self._ledger, self._limits.quota
        if ledger is not None and quota is not None and ledger.spent(self._name) >= quota:
            raise AccessDenied(
                "quota_spent",
                f"The {quota:,} tokens of today are spent.",
                retry_after=ledger.seconds_left(),
                hint="There are new ones tomorrow (UTC).",
            )
        self._turns += 1

    def end(self, kind: str, usage: Usage | None) -> None:
        """Count a request out that has begun, and what it cost."""
        if kind == ALWAYS or kind in FREE:
            return
        self._turns -= 1
        if self._ledger is not None and usage is not None:
            tokens = usage.total_tokens or usage.input_tokens + usage.output_tokens
            self._ledger.spend(self._name, tokens)

    @property
    def is_idle(self) -> bool:
        """Whether forgetting this user changes nothing."""
        return not (self._sockets or self._turns) and self._bucket.is_full(self._clock())


class Members:
    """Everybody who is here, or was not long ago."""

    def __init__(
        self, limits: Limits, ledger: Ledger | None, *, clock: Callable[[], float]
    ) -> None:
        self._limits = limits
        self._ledger = ledger
        self._clock = clock
        self._by_name: dict[str, Member] = {}

    def of(self, name: str) -> Member:
        """Return the user of this *name*."""
        if name not in self._by_name:
            if len(self._by_name) >= MANY:
                here = self._by_name.items()
                self._by_name = {known: m for known, m in here if not m.is_idle}
            self._by_name[name] = Member(name, self._limits, self._ledger, self._clock)
        return self._by_name[name]


def _too_many(
    what: str, hint: str | None = None, *, retry_after: float | None = None
) -> AccessDenied:
    message = f"It is too much at once: {what}."
    return AccessDenied("too_many_requests", message, retry_after=retry_after, hint=hint)
