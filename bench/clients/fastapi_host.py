"""What a user would write instead of our server: FastAPI, uvicorn and the openai SDK.

It keeps no list of what runs, cancels nothing, lets everybody in, and sends the same frames.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from openai import AsyncOpenAI

app = FastAPI()
client = AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"])
ANSWER = "chat_completion_stream_response"


@app.websocket("/ws")
async def socket(socket: WebSocket) -> None:
    """Answer one request after the other."""
    await socket.accept()
    try:
        while True:
            asked = await socket.receive_json()
            await answer(socket, asked["request_id"], asked["payload"])
    except WebSocketDisconnect:
        return


async def answer(socket: WebSocket, name: str, payload: dict[str, Any]) -> None:
    """Send an answer as it forms."""
    stream = await client.chat.completions.create(
        **payload, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            piece = {"index": 0, "delta": {"content": chunk.choices[0].delta.content}}
            data: dict[str, object] = {"choices": [piece]}
            await socket.send_json({"type": ANSWER, "request_id": name, "data": data})
    await socket.send_json({"type": ANSWER, "request_id": name, "data": {"done": True}})


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), log_level="error", ws_per_message_deflate=False, loop="uvloop"
    )
