"""The openai SDK: a streamed chat completion, and its `finish_reason`."""

from __future__ import annotations

import anyio
from openai import AsyncOpenAI

from report.clients.telling import SILENCE, Question, Seen, tell


async def answer(question: Question, seen: Seen) -> None:
    """Stream one answer."""
    async with AsyncOpenAI(
        base_url=question.base_url, api_key=question.api_key, timeout=SILENCE
    ) as client:
        stream = await client.chat.completions.create(
            model=question.model,
            messages=[{"role": "user", "content": question.prompt}],
            stream=True,
        )
        async for chunk in stream:
            if not chunk.choices:
                continue
            choice = chunk.choices[0]
            if choice.delta and choice.delta.content:
                seen.text += choice.delta.content
            seen.finish = choice.finish_reason or seen.finish


if __name__ == "__main__":
    tell(lambda question, seen: anyio.run(answer, question, seen))
