"""One client reading streams in a process of its own; prints what it cost as JSON.

    python -m bench.reader TASK CLIENT LOOP URL MODEL STREAMS

TASK is `streams`, `first` (the time to a first token, one request after the other), `long` (the
same with 200 messages) or `slow` (a slow reader's memory); CLIENT `floor`, `sdk` or `ours`; LOOP
`asyncio` or `uvloop`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import anyio
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from bench import floor
from bench.watch import TOKEN, Watch, rss
from chatbots import Chatbots, Message, Settings

KEY = "sk-bench-0000"
REQUESTS = 300
HISTORY = 200
SAID = "The quick brown fox jumps over the lazy dog. " * 4

Ask: TypeAlias = Callable[[int], AsyncIterator[str]]
"""Asks with so many messages, and gives the text as it comes."""


def the_sdk(client: AsyncOpenAI, model: str) -> Ask:
    """Read as the SDK's documentation does."""

    async def ask(messages: int) -> AsyncIterator[str]:
        said: list[ChatCompletionMessageParam] = [{"role": "user", "content": SAID}] * messages
        async for chunk in await client.chat.completions.create(
            model=model, messages=said, stream=True
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return ask


def ours(bots: Chatbots, model: str) -> Ask:
    """Read through the whole of a streaming bot."""

    async def ask(messages: int) -> AsyncIterator[str]:
        said = [Message("user", SAID)] * messages
        async with bots.streaming(model=model).stream(said) as stream:
            async for text in stream.text:
                yield text

    return ask


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


async def run(task: str, client: str, url: str, model: str, many: int) -> dict[str, float]:
    """Do *task* with *client*."""
    chunks = int(model.rpartition(":")[2])
    watch = Watch(many * chunks)
    if client == "floor":
        floor.read(url, model, many, watch)
        return watch.result()
    settings = Settings(openai_base_url=url, openai_api_key=KEY)
    async with AsyncOpenAI(base_url=url, api_key=KEY) as sdk, Chatbots(settings) as bots:
        ask = the_sdk(sdk, model) if client == "sdk" else ours(bots, model)
        if task == "streams":
            return await streams(ask, many, watch)
        if task == "slow":
            return await slow(ask, chunks)
        return await first(ask, HISTORY if task == "long" else 1)


def main(arguments: list[str]) -> None:
    """Run and print."""
    task, client, loop, url, model, many = arguments
    result = anyio.run(
        run, task, client, url, model, int(many), backend_options={"use_uvloop": loop == "uvloop"}
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
