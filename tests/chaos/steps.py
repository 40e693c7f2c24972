"""The steps of a turn at which a process can be made to die: before a commit, after it, in a tool.

Random kills find what takes long; these find what is over in a microsecond.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest import mock

from chatbots.sessions.sqlite import turns, worker
from chatbots.tools.registry import ToolRegistry

STEPS: Final = (
    "before-begin-commit",
    "before-checkpoint-commit",
    "before-finish-commit",
    "before-recovery-commit",
    "before-telling",
    "after-telling",
    "before-tool",
    "after-tool",
)
"""By their names; each can be died at the first time it is reached, or later."""

_WRITES: Final = {
    "before-begin-commit": "accept",
    "before-checkpoint-commit": "keep",
    "before-finish-commit": "end",
    "before-recovery-commit": "recover",
}


@contextmanager
def dying_at(step: str, times: int) -> Iterator[None]:
    """Kill this process when it has come to *step* so many *times*."""
    left = times

    def count() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with ExitStack() as stack:
        if step in _WRITES:
            name = _WRITES[step]
            stack.enter_context(mock.patch.object(turns, name, _after(getattr(turns, name), count)))
        elif step == "before-telling":
            told = _before(worker.tell, count)
            for module in ("worker", "writer"):
                stack.enter_context(mock.patch(f"chatbots.sessions.sqlite.{module}.tell", told))
        elif step == "after-telling":
            settle = _after(worker.Job.settle, count)
            stack.enter_context(mock.patch.object(worker.Job, "settle", settle))
        else:
            stack.enter_context(_around_tools(count, before=step == "before-tool"))
        yield


def _after(call: Callable[..., Any], count: Callable[[], None]) -> Callable[..., Any]:
    def then(*args: Any, **more: Any) -> Any:
        value = call(*args, **more)
        count()
        return value

    return then


def _before(call: Callable[..., Any], count: Callable[[], None]) -> Callable[..., Any]:
    def first(*args: Any, **more: Any) -> Any:
        count()
        return call(*args, **more)

    return first


@contextmanager
def _around_tools(count: Callable[[], None], *, before: bool) -> Iterator[None]:
    run = ToolRegistry.run

    async def counted(self: ToolRegistry, *args: Any) -> Any:
        if before:
            count()
        result = await run(self, *args)
        if not before:
            count()
        return result

    with mock.patch.object(ToolRegistry, "run", counted):
        yield
