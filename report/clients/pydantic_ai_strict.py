"""pydantic-ai with the setting of its profile that makes a missing `finish_reason` an error."""

from __future__ import annotations

import anyio
from pydantic_ai.profiles.openai import OpenAIModelProfile

from report.clients.pydantic_ai_agent import answer
from report.clients.telling import tell

STRICT = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)


if __name__ == "__main__":
    tell(lambda question, seen: anyio.run(answer, question, seen, STRICT))
