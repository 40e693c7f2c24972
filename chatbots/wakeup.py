"""One task waits; another, a thread or a callback of the loop wakes it, the last one at once.

`asyncio.Event` and `anyio.Event` make a future a wait, and the loop goes round before the task
goes on. `Wakeup` is itself what the task waits for, by the protocol asyncio keeps for futures that
are not its own (`asyncio.isfuture`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Generic, TypeAlias, TypeVar, cast

T = TypeVar("T")

Step: TypeAlias = Callable[[Any], object]
"""Lets a task go on."""


class Wakeup:
    """Where one task at a time waits (`await wakeup`) until it is woken.

    A `wake` before it waits counts for nothing. Woken by a callback of the loop's, such as what
    a socket has received, the task goes on at once; by another task, in its turn.
    """

    __slots__ = ("_asyncio_future_blocking", "_context", "_step")

    def __init__(self) -> None:
        self._asyncio_future_blocking = False
        self._step: Step | None = None
        self._context: Context

    def __await__(self) -> Generator[Any]:
        self._asyncio_future_blocking = True
        yield self

    def wake(self) -> None:
        """Wake who waits, if anybody does. Whoever calls this must be ready for what it does."""
        step = self._step
        if step is not None:
            if asyncio.current_task() is None:
                self._step = None
                self._context.run(step, self)
            else:
                self._soon(step)

    def _soon(self, step: Step) -> None:
        self._step = None
        asyncio.get_running_loop().call_soon(step, self, context=self._context)

    # What a task asks of a future

    get_loop = result = staticmethod(asyncio.get_running_loop)  # the result is looked at by nobody

    def add_done_callback(self, step: Step, *, context: Context) -> None:
        """Remember how the task goes on."""
        self._step = step
        self._context = context

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - asyncio's
        """Let the task go on, to raise in itself: false says that nothing else does."""
        if self._step is not None:
            self._soon(self._step)
        return False

    def done(self) -> bool:
        """Tell whether nobody waits; `anyio.wait_all_tasks_blocked` asks."""
        return self._step is None


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
