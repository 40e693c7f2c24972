"""The server as its peers' documentation has it: FastAPI's WebSocket route, the openai SDK.

python -m bench.peer_server BASE_URL PORT
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket
from openai import AsyncOpenAI


def application(base_url: str) -> FastAPI:
    """Return it, for an upstream."""
    app, client = FastAPI(), AsyncOpenAI(base_url=base_url, api_key="any")

    async def serve(socket: WebSocket) -> None:
        await socket.accept()
        asked: dict[str, Any] = await socket.receive_json()
        kind = f"{asked['type']}_response"
        chunks = await client.chat.completions.create(**asked["payload"], stream=True)
        async for chunk in chunks:
            data = chunk.model_dump(exclude_none=True)
            frame = {"type": kind, "request_id": asked["request_id"], "data": data}
            await socket.send_json(frame)
        await socket.send_json({"type": kind, "data": {"done": True}})
        await socket.close()

    app.add_api_websocket_route("/ws", serve)
    return app


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]),
        port=int(sys.argv[2]),
        log_level="error",
        loop="uvloop",
        ws_per_message_deflate=False,
    )
