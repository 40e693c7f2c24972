"""LiteLLM: `acompletion` with `stream=True`; no retries, no telemetry, no log of the stream.

Its list of prices is the one it ships: it would fetch another when it is imported.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.clients import KEY, SAID, Ask


@asynccontextmanager
async def connect(url: str, model: str) -> AsyncIterator[Ask]:
    """Import it without network; it keeps its clients itself."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.telemetry = False
    litellm.disable_streaming_logging = True

    async def ask(messages: int) -> AsyncIterator[str]:
        said = [{"role": "user", "content": SAID}] * messages
        async for chunk in await litellm.acompletion(
            model=f"openai/{model}",
            messages=said,
            api_base=url,
            api_key=KEY,
            stream=True,
            num_retries=0,
            max_retries=0,
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    yield ask
