"""No client at all: aiohttp reads lines and orjson decodes them, as a good programmer would.

It checks nothing: neither the content type, nor that the answer is whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson

from bench.clients import KEY, SAID, Ask


@asynccontextmanager
async def connect(url: str, model: str) -> AsyncIterator[Ask]:
    """Open a session without a limit of connections."""
    headers = {"authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers=headers
    ) as session:

        async def ask(messages: int) -> AsyncIterator[str]:
            said = [{"role": "user", "content": SAID}] * messages
            body = {"model": model, "messages": said, "stream": True}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                response.raise_for_status()
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        choices = orjson.loads(line[6:])["choices"]
                        if choices and (text := choices[0]["delta"].get("content")):
                            yield text

        yield ask
