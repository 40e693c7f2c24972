"""What is open only within `async with`, held open by a task of its own: longer than a turn."""

from __future__ import annotations

import asyncio
import math
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Generic, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from chatbots import telemetry
from chatbots.errors import InvalidRequest

T = TypeVar("T")


class HeldOpen(Generic[T]):
    """Enters *manager* in a task of its own; leaves it when it was unused for *idle* seconds.

    A task group has to be left by the task that entered it, and a turn ends before its session.
    """

    def __init__(self, manager: AbstractAsyncContextManager[T], *, idle: float) -> None:
        self._manager = manager
        self._idle = idle
        self._unused = anyio.CancelScope()
        self._known = anyio.Event()
        self._leaving = anyio.Event()
        self._error: BaseException | None = None
        self._value: T | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def left(self) -> bool:
        """Whether it is not open, or will not be for much longer."""
        return self._unused.cancel_called or self._leaving.is_set()

    async def open(self) -> T:
        """Return what the manager gives, entered at the first call; raises what it raises.

        Cancelled while it is entered, nothing stays open.
        """
        if self._task is None:
            # In a context of its own: what is logged there is of no turn.
            self._task = asyncio.get_running_loop().create_task(self._hold(), context=Context())
        try:
            await self._known.wait()
        except BaseException:
            await self.aclose()
            raise
        if self._value is None:
            if isinstance(self._error, asyncio.CancelledError):
                raise InvalidRequest("invalid_request", "It was closed before it was open.")
            raise self._error or RuntimeError
        return self._value

    def use(self, *, done: bool = False) -> None:
        """Let it be open while it is used, and for the idle time after it is *done*."""
        self._unused.deadline = anyio.current_time() + self._idle if done else math.inf

    async def aclose(self) -> None:
        """Leave the manager, entered or not, and wait until it is left. May be called again."""
        self._leaving.set()
        if self._task is not None and not self._known.is_set():
            self._task.cancel()
        with anyio.CancelScope(shield=True):
            if self._task is not None:
                await asyncio.wait([self._task])
        await checkpoint_if_cancelled()

    async def _hold(self) -> None:
        try:
            async with self._manager as self._value:
                self._known.set()
                with self._unused:
                    await self._leaving.wait()
        except BaseException as error:
            self._error = error  # It is raised where somebody waits for it.
            if self._known.is_set():
                telemetry.emit("warning", "held.broken", error=repr(error))
        finally:
            self._leaving.set()
            self._known.set()
