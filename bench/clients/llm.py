"""llm: a model of its OpenAI plugin, asked as its documentation of asyncio says; logs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llm.default_plugins.openai_models import AsyncChat

from bench.clients import KEY, SAID, Ask


@asynccontextmanager
async def connect(url: str, model: str) -> AsyncIterator[Ask]:
    """Make the model; it makes a client for every prompt."""
    chat = AsyncChat(model, api_base=url)

    async def ask(_: int) -> AsyncIterator[str]:
        async for text in chat.prompt(SAID, key=KEY):
            yield text

    yield ask
