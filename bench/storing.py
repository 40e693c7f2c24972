"""What one store does, in the interpreter of its own: `python -m bench.storing STORE TASK ...`.

    turns SESSIONS SECONDS     whole turns, each session its own, one after the other
    last MESSAGES TIMES        the newest 20 of so many
Prints one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Awaitable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio

PLACE: Final = Path(__file__).resolve().parent.parent / ".venv"
"""On the disk of the repository: a temporary folder may be in memory, which waits for no disk."""

ASKED: Final = "What is the weather in Rome tomorrow, and shall I take an umbrella with me?"
ANSWERED: Final = (
    "Tomorrow it will be sunny in Rome, with 24 degrees in the afternoon and hardly any wind. "
    "You can leave the umbrella at home, but take your sunglasses. "
) * 3
NEWEST: Final = 20


async def turns(store: Any, sessions: int, seconds: float) -> dict[str, float]:
    """Take turns in all sessions at once for so many seconds."""
    took: list[float] = []
    end = time.monotonic() + seconds

    async def talk(session: str) -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            started = time.perf_counter()
            await store.turn(session, number, ASKED, ANSWERED)
            took.append(time.perf_counter() - started)

    began, cpu = time.monotonic(), time.process_time()
    async with anyio.create_task_group() as tasks:
        for number in range(sessions):
            tasks.start_soon(talk, f"s{number}")
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    took.sort()
    return {
        "turns_per_second": len(took) / seconds,
        "p50_ms": took[len(took) // 2] * 1e3,
        "p99_ms": took[int(len(took) * 0.99)] * 1e3,
        "cpu_us": cpu / len(took) * 1e6,
    }


async def last(store: Any, messages: int, times: int) -> dict[str, float]:
    """Read the newest of so many messages, again and again."""
    await store.fill("long", messages, ANSWERED)
    if len(await store.last("long", NEWEST)) != NEWEST:
        raise RuntimeError("The store has lost messages.")
    found = [await timed(store.last("long", NEWEST)) for _ in range(times)]
    result = {"messages": float(messages), "last_us": statistics.median(found) * 1e6}
    if hasattr(store, "read"):
        result["reader_us"] = statistics.median(store.read("long", NEWEST, times)) * 1e6
    return result


async def timed(doing: Awaitable[object]) -> float:
    """Return the seconds it takes."""
    started = time.perf_counter()
    await doing
    return time.perf_counter() - started


async def main() -> None:
    """Open the store, let it work, print what came of it."""
    name, task, many, long = sys.argv[1:]
    with TemporaryDirectory(dir=PLACE) as folder:
        store = import_module(f"bench.stores.{name}").Store(Path(folder))
        await store.open()
        if task == "turns":
            found = await turns(store, int(many), float(long))
        else:
            found = await last(store, int(many), int(long))
        await store.close()
    print(json.dumps(found))


if __name__ == "__main__":
    anyio.run(main)
