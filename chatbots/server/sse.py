"""A running turn as the answer of a route: server-sent events, as the upstream's API has them."""

from __future__ import annotations

import time
from typing import Any

import anyio
import msgspec
from starlette.responses import Response

from chatbots import telemetry
from chatbots.deltas import Delta, Done, TextDelta
from chatbots.errors import ChatError
from chatbots.flow.calling import Stream
from chatbots.server.connection import Receive
from chatbots.server.outbox import Send
from chatbots.server.shapes import Json, aside, last_chunk, text_chunk


class EventStream(Response):
    """Answers with what *stream* says, as it says it; a client that leaves cancels the turn.

    Each event is a chunk of a chat completion, and the last one `[DONE]`
    (OpenAI's API reference, chat, streaming). A turn that fails ends with an `error`.
    """

    media_type = "text/event-stream"

    def __init__(self, stream: Stream[Any], *, model: str | None = None) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._stream = stream
        self._model = model

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Answer; see the ASGI specification."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
            await self._tell(send)
            tasks.cancel_scope.cancel()

    async def _tell(self, send: Send) -> None:
        try:
            async with self._stream as deltas:
                async for delta in deltas:
                    await _event(send, self._chunk(delta))
        except ChatError as error:
            message = telemetry.redact(str(error))
            about = {"message": message, "type": error.category, "code": error.code}
            await _event(send, {"error": about})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    def _chunk(self, delta: Delta) -> Json | None:
        if isinstance(delta, TextDelta):
            return text_chunk(delta.text)
        if isinstance(delta, Done):
            return last_chunk(delta, model=self._model, at=time.time())
        return aside(delta)


async def _event(send: Send, data: Json | None) -> None:
    if data is not None:
        body = b"data: " + msgspec.json.encode(data) + b"\n\n"
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive, everything: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    everything.cancel()
