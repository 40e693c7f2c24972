"""openai-agents as it is against OpenAI's own address, where it asks for a `finish_reason`.

The address is only a name here: a transport takes every request to the fake server.
"""

from __future__ import annotations

import anyio
import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

from report.clients.openai_agents import answer
from report.clients.telling import SILENCE, Question, Seen, tell


class Elsewhere(httpx2.AsyncHTTPTransport):
    """Sends what was meant for another address to the server at *base_url*."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._server = httpx2.URL(base_url)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        request.url = request.url.copy_with(
            scheme=self._server.scheme, host=self._server.host, port=self._server.port
        )
        return await super().handle_async_request(request)


async def from_openai(question: Question, seen: Seen) -> None:
    """Stream one answer from the address that the SDK has by default."""
    transport = Elsewhere(question.base_url)
    async with AsyncOpenAI(
        api_key=question.api_key,
        timeout=SILENCE,
        http_client=DefaultAsyncHttpx2Client(transport=transport),
    ) as client:
        await answer(question, seen, client)


if __name__ == "__main__":
    tell(lambda question, seen: anyio.run(from_openai, question, seen))
