"""The openai SDK over aiohttp, which its documentation recommends for many streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI, DefaultAioHttpClient

from bench.clients import KEY, Ask
from bench.clients.sdk import typed_loop


@asynccontextmanager
async def connect(url: str, model: str) -> AsyncIterator[Ask]:
    """Open a client."""
    async with AsyncOpenAI(
        base_url=url, api_key=KEY, max_retries=0, http_client=DefaultAioHttpClient()
    ) as client:
        yield typed_loop(client, model)
