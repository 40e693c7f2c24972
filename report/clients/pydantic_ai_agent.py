"""pydantic-ai: the text of a streamed run, and the `finish_reason` of its response."""

from __future__ import annotations

import anyio
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider

from report.clients.telling import DEADLINE, SILENCE, Question, Seen, tell


async def answer(question: Question, seen: Seen, profile: OpenAIModelProfile | None = None) -> None:
    """Stream one answer."""
    provider = OpenAIProvider(base_url=question.base_url, api_key=question.api_key)
    agent = Agent(
        OpenAIChatModel(question.model, provider=provider, profile=profile),
        model_settings={"timeout": SILENCE, "request_timeout": DEADLINE},
    )
    async with agent.run_stream(question.prompt) as result:
        async for text in result.stream_text(delta=True):
            seen.text += text
        seen.finish = result.response.finish_reason


if __name__ == "__main__":
    tell(lambda question, seen: anyio.run(answer, question, seen))
