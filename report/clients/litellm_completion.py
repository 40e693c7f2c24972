"""LiteLLM: a streamed `acompletion`, and its `finish_reason`."""

from __future__ import annotations

import anyio
from litellm import acompletion

from report.clients.telling import SILENCE, Question, Seen, tell


async def answer(question: Question, seen: Seen) -> None:
    """Stream one answer."""
    response = await acompletion(
        model=f"openai/{question.model}",
        messages=[{"role": "user", "content": question.prompt}],
        api_base=question.base_url,
        api_key=question.api_key,
        stream=True,
        timeout=SILENCE,
    )
    async for part in response:
        if not part.choices:
            continue
        choice = part.choices[0]
        seen.text += choice.delta.content or ""
        seen.finish = choice.finish_reason or seen.finish


if __name__ == "__main__":
    tell(lambda question, seen: anyio.run(answer, question, seen))
