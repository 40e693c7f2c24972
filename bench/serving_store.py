"""What a store costs the bot that streams: CPU a turn, and how long the loop stands still."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from bench.environments import ROOT
from bench.storing import ANSWERED, ASKED, PLACE
from chatbots.deltas import Delta, TextDelta
from chatbots.flow.calling import ask
from chatbots.interfaces import SessionStore, Sink
from chatbots.messages import ModelAnswer, ModelRequest, Usage
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.sessions.sqlite.store import SQLiteSessions

SESSIONS = 64
TICK = 0.001
PIECES: list[Delta] = [TextDelta(f"{word} ") for word in ANSWERED.split()]


class Model:
    """Says the same each time, word by word, over a fifth of a second."""

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        del request
        for number, piece in enumerate(PIECES):
            await out.send(piece)
            if number % 10 == 9:
                await anyio.sleep(random.uniform(0.01, 0.03))  # noqa: S311 - no secret
        text = "".join(p.text for p in PIECES if isinstance(p, TextDelta))
        return ModelAnswer(text=text, state="completed", reason="stop", usage=Usage(9, 9, 18))


async def serve(store: SessionStore, seconds: float) -> dict[str, float]:
    """Take turns in all sessions for so many seconds; return what a turn costs."""
    bot, turns, stall = StreamingChat(Model(), store), 0, 0.0
    end = time.monotonic() + seconds

    async def talk(session: str) -> None:
        nonlocal turns
        while time.monotonic() < end:
            await ask(bot, ASKED, session=session)
            turns += 1

    async def watch() -> None:
        nonlocal stall
        while True:
            due = time.perf_counter() + TICK
            await anyio.sleep(TICK)
            stall = max(stall, time.perf_counter() - due)

    async with anyio.create_task_group() as watching:
        watching.start_soon(watch)
        cpu = time.process_time()
        async with anyio.create_task_group() as tasks:
            for number in range(SESSIONS):
                tasks.start_soon(talk, f"s{number}")
        cpu = time.process_time() - cpu
        watching.cancel_scope.cancel()
    return {"cpu_us": cpu / turns * 1e6, "stall_ms": stall * 1e3, "turns": float(turns)}


def costs(*, seconds: float) -> dict[str, dict[str, float]]:
    """Return what a turn costs with each store, each in a process of its own."""
    found: dict[str, dict[str, float]] = {}
    for name in ("memory", "sqlite"):
        command = [sys.executable, "-m", "bench.serving_store", name, str(seconds)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout)
    return found


async def main() -> None:
    """Serve with the store that was named."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    with TemporaryDirectory(dir=PLACE) as folder:
        store = SQLiteSessions(Path(folder) / "s.db") if name == "sqlite" else InMemorySessions()
        await store.sessions()
        print(json.dumps(await serve(store, seconds)))
        await store.aclose()


if __name__ == "__main__":
    anyio.run(main)
