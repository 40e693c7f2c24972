"""The clients that are compared, a module each, read by `bench.reader`.

Each has `connect(url, model)`, which opens the client and gives the way to ask; those that are
compared with tools take them too.
All read as their documentation says, print nothing, try nothing twice and report to nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias

KEY: Final = "sk-bench-0000"
SAID: Final = "The quick brown fox jumps over the lazy dog. " * 4

Multiply: TypeAlias = Callable[[int, int], int | Awaitable[int]]
"""The tool that the upstream calls."""

Ask: TypeAlias = Callable[[int], AsyncIterator[str]]
"""Asks with so many messages, and gives the text as it comes; of the peers, with one message."""


def plain() -> Multiply:
    """Return the tool as a function, which a client has to keep from blocking its loop."""

    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    return multiply


def asynchronous() -> Multiply:
    """Return the tool as a coroutine function."""

    async def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    return multiply
