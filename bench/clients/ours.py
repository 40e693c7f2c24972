"""Us, through the whole of a streaming bot; it keeps nothing on the disk, as the others do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.clients import KEY, SAID, Ask, Multiply
from chatbots import Chatbots, Message, Settings

CONNECTIONS = 10_000
"""At the same time; by default it is 1,000, as with the SDK."""


@asynccontextmanager
async def connect(url: str, model: str, *tools: Multiply) -> AsyncIterator[Ask]:
    """Open the client; it makes its connections when they are needed."""
    settings = Settings(
        openai_base_url=url,
        openai_api_key=KEY,
        chatbots_max_connections=CONNECTIONS,
        db_type="memory",
    )
    async with Chatbots(settings) as bots:

        async def ask(messages: int) -> AsyncIterator[str]:
            bot = bots.streaming(model=model, tools=tools)
            async with bot.stream([Message("user", SAID)] * messages) as stream:
                async for text in stream.text:
                    yield text

        yield ask
