"""Ours: `SQLiteSessions`."""

from __future__ import annotations

import time
from pathlib import Path

from chatbots.messages import Message, Usage
from chatbots.sessions.sqlite import turns
from chatbots.sessions.sqlite.schema import open_reader, open_writer
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.sessions.turn import begun, finished

USAGE = Usage(100, 60, 160)


class Store:
    """One file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions.db"
        self.store = SQLiteSessions(self.path)

    async def open(self) -> None:
        await self.store.sessions()

    async def turn(self, session: str, number: int, asked: str, answered: str) -> None:
        turn = await self.store.begin(session, str(number), (Message("user", asked),))
        await self.last(session, 20)
        answer = (Message("assistant", answered),)
        await self.store.finish(turn, answer, state="completed", reason="stop", usage=USAGE)

    async def fill(self, session: str, messages: int, text: str) -> None:
        db = open_writer(self.path)
        db.execute("BEGIN")
        number = turns.new_session(db, session, "Long", 1.0)
        for seq in range(1, messages // 2 + 1):
            turn = begun(session, str(seq), (Message("user", text),), seq=seq, began_at=1.0)
            answer = (Message("assistant", text),)
            turns.insert(
                db, number, finished(turn, answer, state="completed", reason="stop", usage=USAGE)
            )
        db.execute("UPDATE sessions SET turns = ? WHERE id = ?", (messages // 2, number))
        db.execute("COMMIT")
        db.close()

    async def last(self, session: str, messages: int) -> list[str]:
        loaded = await self.store.load(session, last=messages // 2)
        return [message.content for turn in loaded for message in (*turn.said, *turn.answer)]

    def read(self, session: str, messages: int, times: int) -> list[float]:
        """Return the seconds the reader's thread takes for the same, without the way to it."""
        db, found = open_reader(self.path), []
        for _ in range(times):
            started = time.perf_counter()
            turns.load(db, session, messages // 2)
            found.append(time.perf_counter() - started)
        db.close()
        return found

    async def close(self) -> None:
        await self.store.aclose()
