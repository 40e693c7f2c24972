"""openai-agents: `Runner.run_streamed` over chat completions, tracing off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent

from bench.clients import KEY, SAID, Ask, Multiply


@asynccontextmanager
async def connect(url: str, model: str, *tools: Multiply) -> AsyncIterator[Ask]:
    """Open an agent on a client that does not retry."""
    set_tracing_disabled(disabled=True)
    async with AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        agent = Agent(
            name="bench",
            model=OpenAIChatCompletionsModel(model, client),
            tools=[function_tool(tool) for tool in tools],
        )

        async def ask(_: int) -> AsyncIterator[str]:
            result = Runner.run_streamed(agent, SAID)
            async for event in result.stream_events():
                if event.type == "raw_response_event" and isinstance(
                    event.data, ResponseTextDeltaEvent
                ):
                    yield event.data.delta

        yield ask
