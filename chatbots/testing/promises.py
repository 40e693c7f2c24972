"""How a contract suite says that a promise was broken, and how long it waits to see."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeVar, cast

import anyio

from chatbots.flow.unwrap import unwrapped

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds until what should come soon has not come."""
GRACE: Final = 0.05
"""Seconds in which what must not happen does not; only a broken part could make use of them."""


def promised(kept: bool, promise: str) -> None:
    """Raise `AssertionError` with the *promise* unless it was *kept*.

    A plain assert would be silent under `python -O`, and without pytest's rewriting.
    """
    if not kept:
        raise AssertionError(promise)


async def settle() -> None:
    """Let everybody do what they can do now, threads and processes included."""
    await anyio.sleep(GRACE)
    await anyio.wait_all_tasks_blocked()


@asynccontextmanager
async def opened(made: T | AbstractAsyncContextManager[T], *, patience: float) -> AsyncGenerator[T]:
    """Enter what a factory *made*, if it is to be entered, for at most *patience* seconds.

    A promise broken inside a task group comes out as itself.
    Raises `TimeoutError` when the patience is over.
    """
    with unwrapped(), anyio.fail_after(patience):
        if isinstance(made, AbstractAsyncContextManager):
            async with cast("AbstractAsyncContextManager[T]", made) as entered:
                yield entered
        else:
            yield made
