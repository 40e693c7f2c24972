"""The clients that are compared, a module each, read by `bench.reader`.

Each has `connect(url, model)`, which opens the client and gives the way to ask.
All read as their documentation says, print nothing, try nothing twice and report to nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final, TypeAlias

KEY: Final = "sk-bench-0000"
SAID: Final = "The quick brown fox jumps over the lazy dog. " * 4

Ask: TypeAlias = Callable[[int], AsyncIterator[str]]
"""Asks with so many messages, and gives the text as it comes; of the peers, with one message."""
