"""CPU for a streamed chunk through a whole bot, beside the SDK's own typed loop (goal: at most 1).

Both ask the same upstream over the same kind of client; the time is this process's own CPU.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
from openai import AsyncOpenAI

from bench.measure import Samples, table
from bench.serving import upstream
from chatbots import Chatbots, Settings

KEY = "sk-bench-0000"
STREAMS = 10
RATE = 100


async def typed_loop(client: AsyncOpenAI, model: str) -> int:
    """Read one answer as the SDK's documentation does."""
    count = 0
    async for chunk in await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}], stream=True
    ):
        if chunk.choices and chunk.choices[0].delta.content:
            count += len(chunk.choices[0].delta.content)
    return count


async def our_loop(bots: Chatbots, model: str) -> int:
    """Read one answer through a streaming bot."""
    count = 0
    async with bots.streaming(model=model).stream("Hi") as stream:
        async for text in stream.text:
            count += len(text)
    return count


async def measured(one: Callable[[], Awaitable[int]], chunks: int) -> float:
    """Return the CPU seconds a chunk costs with `STREAMS` answers at once."""
    expected = chunks * len(" token")

    async def checked() -> None:
        if await one() != expected:
            raise RuntimeError("An answer was not whole.")

    begun = time.process_time()
    async with anyio.create_task_group() as group:
        for _ in range(STREAMS):
            group.start_soon(checked)
    return (time.process_time() - begun) / (chunks * STREAMS)


async def compare(base_url: str, model: str, chunks: int, rounds: int) -> Samples:
    """Let the two take turns."""
    samples: Samples = {"openai SDK, typed": [], "chatbots, bot.stream": []}
    settings = Settings(openai_base_url=base_url, openai_api_key=KEY)
    async with AsyncOpenAI(base_url=base_url, api_key=KEY) as client, Chatbots(settings) as bots:
        runs: dict[str, Callable[[], Awaitable[int]]] = {
            "openai SDK, typed": lambda: typed_loop(client, model),
            "chatbots, bot.stream": lambda: our_loop(bots, model),
        }
        for one in runs.values():
            await one()
        for _ in range(rounds):
            for name, one in runs.items():
                samples[name].append(await measured(one, chunks))
    return samples


def report(*, smoke: bool) -> str:
    """Measure and return the tables."""
    rounds = 2 if smoke else 7
    burst, paced = (500, 50) if smoke else (2000, 300)
    tables: list[str] = []
    for title, model, chunks in (
        ("CPU a chunk, as fast as it comes", "burst", burst),
        (f"CPU a chunk, {STREAMS} streams of {RATE} chunks/s", f"paced:{RATE}", paced),
    ):
        with upstream(chunks=chunks) as base_url:
            samples = anyio.run(compare, base_url, model, chunks, rounds)
        tables.append(table(title, samples, base="openai SDK, typed", unit="us", scale=1e6))
    return "\n\n".join(tables)
