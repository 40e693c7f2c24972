"""The server and a turn inside somebody's FastAPI application, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import uvicorn
from fastapi import Depends, FastAPI, Request
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from websockets.asyncio.client import connect

from chatbots import Chatbots, Settings
from chatbots.server.serving import listen
from chatbots.testing import FakeOpenAI
from tests.server.peer import user


def somebodys(fake: FakeOpenAI) -> FastAPI:
    """Return an application with a route of its own, the server beside it, and usual trappings."""
    settings = Settings(openai_api_key="k", openai_base_url=fake.base_url, db_type="memory")
    bots = Chatbots(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with bots:
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(GZipMiddleware, minimum_size=1)

    async def named(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["x-served-by"] = "somebody"
        return response

    async def session() -> AsyncGenerator[str]:
        yield "ada"

    async def tell(say: str, who: str = Depends(session)) -> Response:
        return bots.sse(bots.streaming(session=who).stream(say))

    app.middleware("http")(named)
    app.add_api_route("/tell", tell)
    app.mount("/chat", bots.asgi())
    return app


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="websockets-sansio"))
    with listen("127.0.0.1", 0) as socket:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [socket])
            yield f"127.0.0.1:{socket.getsockname()[1]}"
            server.should_exit = True


async def test_a_route_streams_a_turn_and_a_client_that_leaves_cancels_it() -> None:
    async with (
        FakeOpenAI() as fake,
        served(somebodys(fake)) as address,
        httpx2.AsyncClient() as client,
    ):
        fake.answer(["Hello ", "there."])
        got = await client.get(f"http://{address}/tell", params={"say": "Hi"})
        assert got.headers["content-type"].startswith("text/event-stream")
        assert got.headers["x-served-by"] == "somebody"
        *pieces, last, done, _ = got.text.split("\n\n")
        said = [json.loads(piece[6:])["choices"][0]["delta"]["content"] for piece in pieces]
        assert ("".join(said), done) == ("Hello there.", "data: [DONE]")
        assert json.loads(last[6:])["session_id"] == "ada"

        held, pieces_of = anyio.create_memory_object_stream[str](10)
        fake.answer(pieces_of)
        await held.send("Once ")
        async with client.stream("GET", f"http://{address}/tell", params={"say": "More"}) as got:
            async for line in got.aiter_lines():
                assert "Once " in line  # it comes while the answer is held back
                break
            call = fake.calls[-1]
        await fake.wait_for_hangup(call)
        held.close()


async def test_the_server_is_mounted_beside_it() -> None:
    async with FakeOpenAI() as fake, served(somebodys(fake)) as address:
        async with httpx2.AsyncClient() as client:
            health = await client.get(f"http://{address}/chat/health")
            assert health.json() == {"status": "ok", "clients": 0}
            assert (await client.get(f"http://{address}/chat/info")).json()["requests"]
        async with connect(f"ws://{address}/chat/ws") as socket:
            frame = {"request_id": "r", "payload": user("Hi")}
            fake.answer("Hello there.")
            await socket.send(json.dumps({"type": "chat_completion", **frame}))
            answer = json.loads(await socket.recv())
            assert answer["data"]["choices"][0]["message"]["content"] == "Hello there."
            fake.answer(hold=anyio.Event())
            await socket.send(json.dumps({"type": "chat_completion_stream", **frame}))
            call = await fake.wait_for_call(2)
        await fake.wait_for_hangup(call)
