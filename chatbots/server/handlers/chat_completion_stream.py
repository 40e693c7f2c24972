"""`chat_completion_stream`: an answer as it forms."""

from __future__ import annotations

import time
from typing import Final

import anyio

from chatbots.deltas import Delta, Done, TextDelta
from chatbots.server import rpc
from chatbots.server.asking import ChatPayload
from chatbots.server.call import Call, Route
from chatbots.server.shapes import aside, calls_chunk, last_chunk
from chatbots.server.turns import Heard, take_turn

ANSWER: Final = "chat_completion_stream_response"


class Told(Heard):
    """What is heard and told at once, each piece in a frame."""

    def __init__(self, payload: ChatPayload, call: Call) -> None:
        super().__init__(payload)
        self._request_id = call.request.request_id
        self._outbox = call.outbox
        self._pieces = rpc.Pieces(ANSWER, self._request_id)

    async def send(self, item: Delta) -> None:
        """Take in *item* and tell it; calls of tools that the client runs come at the end."""
        noted = self.note(item)
        if isinstance(item, TextDelta):
            await self._outbox.put(self._pieces.frame(item.text))
            return
        data = None if noted else aside(item)
        if isinstance(item, Done) and self.calls:
            data = calls_chunk(self.calls)
        if data is not None:
            await self._outbox.put(rpc.answer(ANSWER, self._request_id, data))

    def send_nowait(self, item: Delta) -> None:
        """Tell a piece of text at once; raises `anyio.WouldBlock` where only `send` can."""
        if not isinstance(item, TextDelta):
            raise anyio.WouldBlock
        self._outbox.put_nowait(self._pieces.frame(item.text))
        self.note(item)


async def handle(call: Call, payload: ChatPayload) -> dict[str, object]:
    """Send the answer in pieces, and return what ends it."""
    done = await take_turn(call, payload, Told(payload, call), stream=True)
    return last_chunk(done, model=payload.model or call.backend.model_name, at=time.time())


ROUTE: Final = Route(ChatPayload, handle, ANSWER, streams=True)
