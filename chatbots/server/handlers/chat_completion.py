"""`chat_completion`: a whole answer."""

from __future__ import annotations

import time
from typing import Final

from chatbots.server.asking import ChatPayload
from chatbots.server.call import Call, Route
from chatbots.server.shapes import completion
from chatbots.server.turns import Heard, take_turn


async def handle(call: Call, payload: ChatPayload) -> dict[str, object]:
    """Return the answer in the upstream's shape."""
    heard = Heard(payload)
    done = await take_turn(call, payload, heard, stream=False)
    model = payload.model or call.backend.model_name
    return completion(done, heard.said.text, heard.calls, model=model, at=time.time())


ROUTE: Final = Route(ChatPayload, handle, "chat_completion_response")
