"""`cancel`: stop a request of this socket."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from chatbots.server.call import Call, Route


class Payload(Struct):
    """The request to stop."""

    request_id: str


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Stop it, and tell whether there was anything to stop; it ends with a frame of its own."""
    running = call.running.get(payload.request_id)
    if running is not None:
        running.stop()
    return {"request_id": payload.request_id, "cancelled": running is not None}


ROUTE: Final = Route(Payload, handle, "cancel_response", at_once=True)
