"""This package: the stream of a bot, as in the README."""

from __future__ import annotations

import anyio
import openai as openai  # imported on first use otherwise, and imports count for nobody

from chatbots import Chatbots, Settings
from report.clients.telling import DEADLINE, SILENCE, Question, Seen, tell


async def answer(question: Question, seen: Seen) -> None:
    """Stream one answer."""
    settings = Settings(
        openai_base_url=question.base_url,
        openai_api_key=question.api_key,
        openai_model=question.model,
        chatbots_first_token_timeout=SILENCE,
        chatbots_gap_timeout=SILENCE,
        db_type="memory",
    )
    async with (
        Chatbots(settings) as bots,
        bots.streaming().stream(question.prompt, timeout=DEADLINE) as stream,
    ):
        async for text in stream.text:
            seen.text += text
    reply = stream.reply
    seen.finish = "stop" if reply.state == "completed" else reply.reason


if __name__ == "__main__":
    tell(lambda question, seen: anyio.run(answer, question, seen))
