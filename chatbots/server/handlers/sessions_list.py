"""`sessions_list`: the caller's conversations."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from chatbots.server.call import Call, Route
from chatbots.services.conversation import shelf_of


class Payload(Struct):
    """How many, of those that changed last."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Return what there is, the one that changed last first."""
    return {"sessions": await shelf_of(call.store).sessions(limit=payload.limit)}


ROUTE: Final = Route(Payload, handle, "sessions_list_response")
