"""Us, through the whole of a streaming bot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bench.clients import KEY, SAID, Ask
from chatbots import Chatbots, Message, Settings

CLIENTS = 5
STREAMS = 900
"""At once over one client: it has 1000 connections, as the SDK's. More go over a second, with a
key of its own."""


@asynccontextmanager
async def connect(url: str, model: str) -> AsyncIterator[Ask]:
    """Open the clients; each makes its connections when they are needed."""
    running = 0
    async with AsyncExitStack() as stack:
        bots = [
            await stack.enter_async_context(
                Chatbots(Settings(openai_base_url=url, openai_api_key=f"{KEY}{number}"))
            )
            for number in range(CLIENTS)
        ]

        async def ask(messages: int) -> AsyncIterator[str]:
            nonlocal running
            bot = bots[running // STREAMS].streaming(model=model)
            running += 1
            try:
                async with bot.stream([Message("user", SAID)] * messages) as stream:
                    async for text in stream.text:
                        yield text
            finally:
                running -= 1

        yield ask
