"""The openai SDK: its own typed loop, over its default transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from bench.clients import KEY, SAID, Ask


@asynccontextmanager
async def connect(url: str, model: str) -> AsyncIterator[Ask]:
    """Open a client."""
    async with AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        yield typed_loop(client, model)


def typed_loop(client: AsyncOpenAI, model: str) -> Ask:
    """Read as the SDK's documentation does."""

    async def ask(messages: int) -> AsyncIterator[str]:
        said: list[ChatCompletionMessageParam] = [{"role": "user", "content": SAID}] * messages
        async for chunk in await client.chat.completions.create(
            model=model, messages=said, stream=True
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return ask
