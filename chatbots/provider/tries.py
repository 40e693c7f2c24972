"""The tries of one turn: asked again where that may help, then other models where configured."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from msgspec import Struct

from chatbots import telemetry
from chatbots.deltas import Notice
from chatbots.errors import ChatError
from chatbots.interfaces import Sink
from chatbots.provider.guard import LONGEST_WAIT, SERVER_FAULTS, Guard, Guards, spoken

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

MAX_RETRIES: Final = 2
"""Retries a turn may have, over all its models."""
NOTICEABLE: Final = 0.1
"""Seconds from which a person is told that they wait."""

_BACKOFF: Final = 0.5
"""Seconds before the second try, at most; doubled before the third."""
_AGAIN: Final = SERVER_FAULTS | {"rate_limited"}
_ONCE: Final = frozenset({"upstream_bad_response", "upstream_timeout", "stream_stalled"})
_ELSEWHERE: Final = _AGAIN | {"circuit_open", "model_not_available"}


class Clock(Struct, frozen=True, kw_only=True):
    """Where the time comes from, how it is passed, and chance."""

    now: Callable[[], float] = monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    chance: Callable[[], float] = random.random


class Tries:
    """The tries of one turn; what keeps it waiting or changes its model is told to *out*, if any.

    `retries` counts how often a model was asked again.
    """

    def __init__(self, guards: Guards, out: Sink | None, clock: Clock) -> None:
        self.retries = 0
        self._guards = guards
        self._out = out
        self._clock = clock
        self._over = False
        self._asked = False
        self._pause = 0.0

    async def in_turn(self, ask: Callable[[str], Awaitable[T]], model: str, *others: str) -> T:
        """Ask *model*, then one by one the *others*, while the fault is the server's.

        Not once something was shown. Where all fail, raises the error of the first.
        """
        try:
            return await ask(model)
        except ChatError as error:
            if self._over or not others or error.code not in _ELSEWHERE:
                raise
            telemetry.emit(
                "warning", "request.fallback", model=model, to=others[0], code=error.code
            )
            message = f"{others[0]} is asked instead of {model}, which failed ({error.code})."
            await self._notify("model_fallback", message)
            try:
                return await self.in_turn(ask, *others)
            except ChatError:
                if self._over:
                    raise
            raise

    async def at(
        self,
        model: str,
        attempt: Callable[[], Awaitable[T]],
        *,
        shown: Callable[[], bool] = lambda: False,
    ) -> T:
        """Await *attempt* for *model*, and again after a failure that may pass.

        Not once something was *shown*: it cannot be asked for again.
        Raises the last `ChatError`; `circuit_open` and `rate_limited` without asking.
        """
        guard = self._guards.of(model)
        failed: list[ChatError] = []

        def worth_it(error: BaseException) -> bool:
            self._over = shown()
            return isinstance(error, ChatError) and not self._over and self._again(error, guard)

        try:
            return await self._once(guard, attempt)
        except ChatError as error:
            failed.append(error)

        async def again() -> T:
            if failed:
                raise failed.pop()  # the first try, told to a policy that it need not have seen
            return await self._once(guard, attempt)

        # Imported only now, and its own policy for each call: tenacity keeps the tries on it.
        from tenacity import AsyncRetrying, retry_if_exception

        policy = AsyncRetrying(
            retry=retry_if_exception(worth_it),
            wait=lambda _: self._pause,
            sleep=self._clock.sleep,
            before_sleep=_tell,
            reraise=True,
        )
        return await policy(again)

    async def _once(self, guard: Guard, attempt: Callable[[], Awaitable[T]]) -> T:
        self._asked = False
        await self._queue(guard)
        self._asked = True
        ticket = guard.enter(self._clock.now())
        ended: BaseException | None = None
        try:
            return await attempt()
        except BaseException as error:
            ended = error
            raise
        finally:
            guard.leave(ticket, ended, self._clock.now())

    async def _queue(self, guard: Guard) -> None:
        """Wait as long as the server has asked for of anybody, and no longer than the turn has."""
        if not guard.wait(self._clock.now()):
            return
        patience = min(LONGEST_WAIT, _time_left())
        while seconds := guard.wait(self._clock.now(), at_most=patience):
            patience -= seconds
            if seconds >= NOTICEABLE:
                message = f"The model's server asks to slow down; waiting {spoken(seconds)}."
                await self._notify("queued", message)
            # A little longer, each its own: those who wait do not all come at once.
            await self._clock.sleep(seconds * (1 + 0.1 * self._clock.chance()))

    async def _notify(self, code: str, message: str) -> None:
        if self._out is not None:
            await self._out.send(Notice(code, message))

    def _again(self, error: ChatError, guard: Guard) -> bool:
        """Decide on another try, and on the pause before it."""
        most = 1 if error.code in _ONCE else MAX_RETRIES
        if not (self._asked and error.retryable and error.code in _AGAIN and self.retries < most):
            return False
        wait = _BACKOFF * 2.0**self.retries if error.retry_after is None else error.retry_after
        if wait > min(LONGEST_WAIT, _time_left()):
            return False
        if not guard.grants_retry(self._clock.now()):
            return False
        self.retries += 1
        if error.retry_after is None:
            self._pause = wait * (0.5 + 0.5 * self._clock.chance())
        else:
            # Told to slow down, all wait, in `_queue`; told to come later, only who was told.
            shared = error.code == "rate_limited"
            self._pause = 0.0 if shared else wait * (1 + 0.1 * self._clock.chance())
        return True


def _time_left() -> float:
    return anyio.current_effective_deadline() - anyio.current_time()


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    telemetry.emit(
        "warning",
        "request.retry",
        attempt=state.attempt_number,
        code=getattr(error, "code", None),
        seconds=round(state.upcoming_sleep, 3),
    )
