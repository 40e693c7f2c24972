"""langchain-openai: `ChatOpenAI.astream`, tracing off."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langchain_openai import ChatOpenAI

from bench.clients import KEY, SAID, Ask


@asynccontextmanager
async def connect(url: str, model: str) -> AsyncIterator[Ask]:
    """Open a model that does not retry."""
    os.environ["LANGSMITH_TRACING"] = "false"
    chat = ChatOpenAI(model=model, base_url=url, api_key=KEY, max_retries=0)

    async def ask(messages: int) -> AsyncIterator[str]:
        async for chunk in chat.astream([("user", SAID)] * messages):
            if chunk.content:
                yield str(chunk.content)

    yield ask
