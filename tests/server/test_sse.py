"""A turn as the answer of a route, in somebody's Starlette application."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from websockets.asyncio.client import connect

from chatbots import Chatbots, Settings
from chatbots.server.serving import listen
from chatbots.testing import FakeOpenAI


@asynccontextmanager
async def somebodys(fake: FakeOpenAI) -> AsyncGenerator[str]:
    """Serve an application that has both: the server mounted, and a route of its own."""
    settings = Settings(openai_api_key="k", openai_base_url=fake.base_url, db_type="memory")
    async with Chatbots(settings) as bots, anyio.create_task_group() as tasks:

        async def tell(request: Request) -> Response:
            return bots.sse(bots.stateless().stream(request.query_params["say"]))

        app = Starlette(routes=[Route("/tell", tell), Mount("/chat", bots.asgi())])
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="websockets-sansio"))
        with listen("127.0.0.1", 0) as socket:
            tasks.start_soon(server.serve, [socket])
            yield f"127.0.0.1:{socket.getsockname()[1]}"
            server.should_exit = True
            while server.server_state.connections:  # noqa: ASYNC110 - uvicorn's
                await anyio.sleep(0.01)
            await anyio.sleep(0.3)


def data(event: str) -> Any:
    assert event.startswith("data: ")
    return json.loads(event.removeprefix("data: "))


async def test_a_route_answers_as_the_upstream_does() -> None:
    async with FakeOpenAI() as fake, somebodys(fake) as address, httpx2.AsyncClient() as client:
        fake.answer("Hello there.")
        response = await client.get(f"http://{address}/tell", params={"say": "Hi"})
        assert response.headers["content-type"].startswith("text/event-stream")
        *pieces, last, done, rest = response.text.split("\n\n")
        said = [data(piece)["choices"][0]["delta"]["content"] for piece in pieces]
        assert "".join(said) == "Hello there."
        assert data(last)["choices"][0]["finish_reason"] == "stop"
        assert data(last)["usage"]["completion_tokens"] > 0
        assert (done, rest) == ("data: [DONE]", "")

        fake.answer(status=401, error="No.")
        response = await client.get(f"http://{address}/tell", params={"say": "Hi"})
        *_, error, done, rest = response.text.split("\n\n")
        assert set(data(error)["error"]) == {"message", "type", "code"}
        assert done == "data: [DONE]"


async def test_a_client_that_leaves_cancels_the_turn() -> None:
    async with FakeOpenAI() as fake, somebodys(fake) as address, httpx2.AsyncClient() as client:
        fake.answer(hold=anyio.Event())
        async with client.stream("GET", f"http://{address}/tell", params={"say": "Hi"}) as got:
            assert got.status_code == 200
            call = await fake.wait_for_call()
        await fake.wait_for_hangup(call)


async def test_the_server_is_mounted_beside_it() -> None:
    async with FakeOpenAI() as fake, somebodys(fake) as address:
        async with connect(f"ws://{address}/chat/ws") as ws:
            payload = {"messages": [{"role": "user", "content": "Hi"}]}
            frame = {"type": "chat_completion_stream", "request_id": "r", "payload": payload}
            fake.answer(hold=anyio.Event())
            await ws.send(json.dumps(frame))
            call = await fake.wait_for_call()
        await fake.wait_for_hangup(call)
