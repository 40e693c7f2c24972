"""How long it takes to end the turns that a crash has left: under a second for ten thousand."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Final

from chatbots.messages import Message
from chatbots.sessions.sqlite import schema, turns
from chatbots.sessions.sqlite.owners import Owner
from tests.chaos.checking import Tally
from tests.chaos.killing import stored_in

TURNS: Final = 10_000


async def recover_many(folder: Path, times: int, *, seed: int, guard: str | None) -> Tally:
    """Open a file so many times in which every one of many sessions has a turn open."""
    tally = Tally()
    for number in range(times):
        path = folder / f"{number}.db"
        connection = schema.open_writer(path)
        owner = Owner(path.with_name(f"{path.name}-owners"))
        connection.execute("BEGIN IMMEDIATE")
        for turn in range(TURNS):
            said = (Message("user", f"Tell me about number {turn}, please."),)
            begun, _ = turns.accept(connection, f"s{turn}", "r", said, now=0.0, owner=owner)
            answer = [Message("assistant", f"Number {turn} is the one after {turn - 1}, and")]
            turns.keep(connection, begun, answer, "streaming")
        connection.execute("COMMIT")
        connection.close()
        owner.close()
        started = monotonic()
        stored = await stored_in(path, only=1)
        milliseconds = round(1000 * (monotonic() - started))
        tally.counts["recovery of 10,000, ms"] = max(
            tally.counts["recovery of 10,000, ms"], milliseconds
        )
        stored = await stored_in(path)
        left = [name for name, kept in stored.items() if kept[0].state != "interrupted"]
        if left or len(stored) != TURNS:
            tally.fault("left open", f"{len(left)} of {len(stored)} turns")
    return tally
