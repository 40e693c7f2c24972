"""Stores that lose something when their process is killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chatbots.messages import Message, Turn, UnderWay
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.sessions.sqlite.store import SQLiteSessions


class LosesAll(InMemorySessions):
    def __init__(self, _: Path) -> None:
        super().__init__()


class LosesCheckpoints(SQLiteSessions):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "s.db")

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        pass
