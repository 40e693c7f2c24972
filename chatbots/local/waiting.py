"""Waiting for what another process does: there is no event for it, so it is looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(condition: Callable[[], bool], *, every: float) -> None:
    """Return as soon as *condition* holds, looking *every* so many seconds. It must not block."""
    while not condition():  # noqa: ASYNC110 (see above)
        await anyio.sleep(every)
