"""One task waits, another or a thread wakes it: `anyio.Event` at a third of the cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Wakeup:
    """Where one task at a time waits until it is woken."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None

    def wait(self) -> Awaitable[None]:
        """Return what ends with the next `wake`; one before it counts for nothing."""
        # The future itself: a coroutine around it would cost as much again.
        self._future = asyncio.get_running_loop().create_future()
        return self._future

    def wake(self) -> None:
        """Wake who waits, if anybody does."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class Awaited(Generic[T]):
    """What a task waits for and another thread brings."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._loop.create_future()

    def __await__(self) -> Generator[None, None, T]:
        return self._future.__await__()

    @property
    def loop(self) -> object:
        """The loop of the task, for `post`."""
        return self._loop

    @property
    def value(self) -> T | None:
        """What was brought; None where nothing was, or an error."""
        future = self._future
        known = future.done() and not future.cancelled() and future.exception() is None
        return future.result() if known else None

    def settle(self, value: T | None, error: BaseException | None) -> bool:
        """Bring the value or the error, on the loop's thread; return whether somebody waits."""
        if self._future.done():
            return False
        if error is None:
            self._future.set_result(cast("T", value))
        else:
            self._future.set_exception(error)
        return True


def post(loop: object, call: Callable[[], None]) -> bool:
    """Have *call* made by a task's *loop*, from any thread; return whether the loop is open."""
    try:
        cast("asyncio.AbstractEventLoop", loop).call_soon_threadsafe(call)
    except RuntimeError:
        return False
    return True
