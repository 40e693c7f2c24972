"""`session_delete`: forget a conversation."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from chatbots.server.call import Call, Route
from chatbots.server.handlers.session_history import check_there


class Payload(Struct):
    """Which."""

    session_id: str


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Delete it and its text; raises `InvalidRequest` (`session_not_found`)."""
    store = call.store
    await check_there(store, payload.session_id)
    await store.forget(payload.session_id)
    return {"session_id": payload.session_id, "deleted": True}


ROUTE: Final = Route(Payload, handle, "session_delete_response")
