"""openai-agents: `SQLiteSession`, one of each conversation, all on one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.memory import SQLiteSession


class Store:
    """One file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions.db"
        self.sessions: dict[str, Any] = {}

    async def open(self) -> None:
        await self.session("s0").get_items(limit=1)

    def session(self, name: str) -> Any:
        if name not in self.sessions:
            self.sessions[name] = SQLiteSession(name, self.path)
        return self.sessions[name]

    async def turn(self, session: str, number: int, asked: str, answered: str) -> None:
        del number  # it has no request ids
        await self.session(session).add_items([{"role": "user", "content": asked}])
        await self.last(session, 20)
        await self.session(session).add_items([{"role": "assistant", "content": answered}])

    async def fill(self, session: str, messages: int, text: str) -> None:
        for _ in range(messages // 10_000):
            items = [{"role": role, "content": text} for role in ("user", "assistant")] * 5_000
            await self.session(session).add_items(items)

    async def last(self, session: str, messages: int) -> list[str]:
        items = await self.session(session).get_items(limit=messages)
        return [str(item["content"]) for item in items]

    async def close(self) -> None:
        for session in self.sessions.values():
            session.close()
