"""One client reading streams in a process of its own; prints what it cost as JSON.

    python -m bench.reader TASK CLIENT LOOP URL MODEL STREAMS [UPSTREAM SECONDS]

TASK is `streams`, `steady` (a crowd of endless ones), `first` (the time to a first token, one
request after the other), `long` (the same with 200 messages), `tools` or `plain-tools` (the same,
each turn with a call of an async tool or a plain one) or `slow` (a slow reader's memory);
CLIENT `floor` or a module of `bench.clients`; LOOP `asyncio` or `uvloop`; for `steady`, UPSTREAM
is the upstream's process, and both are looked at for SECONDS.

Runs in a peer's environment too: it needs anyio and nothing else.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import statistics
import sys
import time
from functools import partial

import anyio

from bench import floor
from bench.clients import Ask, asynchronous, plain
from bench.watch import TOKEN, Crowd, Watch, rss

REQUESTS = 300
HISTORY = 200
TOOLS = {"tools": asynchronous, "plain-tools": plain}


async def streams(ask: Ask, many: int, watch: Watch) -> dict[str, float]:
    """Read *many* answers at once."""

    async def one() -> None:
        async for text in ask(1):
            watch.seen.append((time.perf_counter_ns(), text))
            watch.count(len(text) // TOKEN)

    async with anyio.create_task_group() as group:
        for _ in range(many):
            group.start_soon(one)
    return watch.result()


async def steady(ask: Ask, many: int, crowd: Crowd) -> None:
    """Open *many* endless answers one by one, let them settle, look at them for a while.

    Ends the process: what it costs to stop them all is another question.
    """

    async def one(number: int) -> None:
        await anyio.sleep(crowd.opening * number / many)
        async for text in ask(1):
            crowd.seen.append((time.perf_counter_ns(), text))

    async with anyio.create_task_group() as group:
        for number in range(many):
            group.start_soon(one, number)
        await anyio.sleep(crowd.opening + crowd.settling)
        crowd.begin()
        await anyio.sleep(crowd.looking)
        print(json.dumps(crowd.result()), flush=True)
        os._exit(0)


async def first(ask: Ask, messages: int) -> dict[str, float]:
    """Ask again and again over a warm connection."""
    waits: list[float] = []
    for number in range(REQUESTS + 20):
        if number == 20:
            cpu = time.process_time()
        begun = time.perf_counter()
        wait = 0.0
        async for _ in ask(messages):
            wait = wait or time.perf_counter() - begun
        if not wait:
            raise RuntimeError("An answer had no text.")
        waits.append(wait)
    return {
        "first_us": statistics.median(waits[20:]) * 1e6,
        "cpu_us": (time.process_time() - cpu) / REQUESTS * 1e6,
    }


async def slow(ask: Ask, total: int) -> dict[str, float]:
    """Read one answer with a pause now and then."""
    tokens, since, early = 0, 0, 0.0
    async for text in ask(1):
        tokens += len(text) // TOKEN
        since += len(text) // TOKEN
        if since > total / 200:
            since = 0
            await anyio.sleep(0.005)
        if not early and tokens > total / 10:
            early = rss()
    return {"early_mb": early, "late_mb": rss(), "growth_mb": rss() - early}


async def freeze(ask: Ask) -> None:
    """Take what a client has imported by its first token out of the garbage collector's sight.

    What carries hundreds of streams does so when it has started: a full collection of all that
    stops every stream for 50 ms and more, whichever client it is.
    """
    first = ask(1)
    await anext(first)
    await first.aclose()  # type: ignore[attr-defined]  # all of them are generators
    gc.collect()
    gc.freeze()


async def run(
    task: str, client: str, url: str, model: str, many: int, upstream: int, seconds: float
) -> dict[str, float]:
    """Do *task* with *client*."""
    chunks = int(model.rpartition(":")[2])
    watch = Watch(many * chunks)
    if client == "floor":
        floor.read(url, model, many, watch)
        return watch.result()
    module = importlib.import_module(f"bench.clients.{client.replace('-', '_')}")
    tools = [TOOLS[task]()] if task in TOOLS else []
    async with module.connect(url, model, *tools) as ask:
        if task == "streams":
            return await streams(ask, many, watch)
        if task == "steady":
            rate = int(model.split(":")[1])
            await freeze(ask)
            await steady(ask, many, Crowd(many * rate, upstream, seconds))
        if task == "slow":
            return await slow(ask, chunks)
        return await first(ask, HISTORY if task == "long" else 1)


def main(arguments: list[str]) -> None:
    """Run and print."""
    task, client, loop, url, model, many, upstream, seconds = [*arguments, "0", "0"][:8]
    result = anyio.run(
        partial(run, task, client, url, model, int(many), int(upstream), float(seconds)),
        backend_options={"use_uvloop": loop == "uvloop"},
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
