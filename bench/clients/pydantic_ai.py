"""pydantic-ai: `Agent.run_stream` and `stream_text`, not instrumented.

Its wait of 0.1 s to join pieces is off: it delays tokens, and costs more than it saves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from bench.clients import KEY, SAID, Ask, Multiply


@asynccontextmanager
async def connect(url: str, model: str, *tools: Multiply) -> AsyncIterator[Ask]:
    """Open an agent on a client that does not retry."""
    async with AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        provider = OpenAIProvider(openai_client=client)
        agent = Agent(OpenAIChatModel(model, provider=provider), tools=tools)

        async def ask(_: int) -> AsyncIterator[str]:
            async with agent.run_stream(SAID) as result:
                async for text in result.stream_text(delta=True, debounce_by=None):
                    yield text

        yield ask
