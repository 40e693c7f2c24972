"""One life of a process, in which everything that can be interrupted is a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from anyio.lowlevel import checkpoint


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Life:
    """From a start to a crash at the step *dies_at*, or to the end.

    *snapshot* takes what is on the disk at that step. Nothing that happens after it counts:
    what the tasks do while they are cancelled, they do to a disk that nobody looks at.
    """

    def __init__(self, dies_at: int | None, snapshot: Callable[[], Any]) -> None:
        self.steps = 0
        self.dead = False
        self.left: Any = None
        self.scope = anyio.CancelScope()
        self._dies_at = dies_at
        self._snapshot = snapshot

    async def step(self) -> None:
        """Be at an await: others may run, and the process may die."""
        self.reach()
        await checkpoint()

    def reach(self) -> None:
        """Be at a step in which nobody else runs."""
        self.steps += 1
        if self.steps == self._dies_at:
            self.left = self._snapshot()
            self.dead = True
            self.scope.cancel()
