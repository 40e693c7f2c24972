"""LangChain: `ChatOpenAI.astream`, and the `finish_reason` in the chunks' metadata."""

from __future__ import annotations

import anyio
from langchain_openai import ChatOpenAI

from report.clients.telling import SILENCE, Question, Seen, tell


async def answer(question: Question, seen: Seen) -> None:
    """Stream one answer."""
    model = ChatOpenAI(
        model=question.model,
        base_url=question.base_url,
        api_key=question.api_key,
        timeout=SILENCE,
        stream_chunk_timeout=SILENCE,
    )
    async for chunk in model.astream(question.prompt):
        seen.text += chunk.text
        seen.finish = chunk.response_metadata.get("finish_reason") or seen.finish


if __name__ == "__main__":
    tell(lambda question, seen: anyio.run(answer, question, seen))
