"""One task waits, another wakes it: `anyio.Event` at a third of the cost, one future a wait."""

from __future__ import annotations

import asyncio


class Wakeup:
    """Where one task at a time waits until it is woken."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait for the next `wake`; one before it counts for nothing. May be cancelled."""
        self._future = asyncio.get_running_loop().create_future()
        try:
            await self._future
        finally:
            self._future = None

    def wake(self) -> None:
        """Wake who waits, if anybody does."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)
