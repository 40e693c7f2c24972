"""`session_fork`: go on from an earlier turn in a copy of a conversation."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from chatbots.server.asking import check_session_id
from chatbots.server.call import Call, Route
from chatbots.services.conversation import shelf_of
from chatbots.telemetry import new_session_id


class Payload(Struct):
    """Which, what the copy is called (a new name if not said), and its last turn."""

    session_id: str
    to: str | None = None
    upto: int | None = None


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Copy the turns that have ended, and return the name of the copy and how many it has."""
    to = new_session_id() if payload.to is None else payload.to
    check_session_id(payload.session_id)
    check_session_id(to, "to")
    copy = await shelf_of(call.store).fork(payload.session_id, to, upto=payload.upto)
    return {"session_id": copy.name, "turns": copy.turns}


ROUTE: Final = Route(Payload, handle, "session_fork_response")
