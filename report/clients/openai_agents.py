"""openai-agents: the raw text deltas of a streamed run, over chat completions."""

from __future__ import annotations

import anyio
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent

from report.clients.telling import DEADLINE, SILENCE, Question, Seen, tell


async def answer(question: Question, seen: Seen, client: AsyncOpenAI) -> None:
    """Stream one answer."""
    set_tracing_disabled(disabled=True)
    agent = Agent(
        name="Assistant",
        model=OpenAIChatCompletionsModel(model=question.model, openai_client=client),
        model_settings=ModelSettings(timeout=DEADLINE),
    )
    result = Runner.run_streamed(agent, input=question.prompt)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
            seen.text += event.data.delta


async def from_another_server(question: Question, seen: Seen) -> None:
    """Stream one answer from the address that was given."""
    async with AsyncOpenAI(
        base_url=question.base_url, api_key=question.api_key, timeout=SILENCE
    ) as client:
        await answer(question, seen, client)


if __name__ == "__main__":
    tell(lambda question, seen: anyio.run(from_another_server, question, seen))
