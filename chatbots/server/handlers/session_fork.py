"""`session_fork`: go on from an earlier turn in a copy of a conversation."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from chatbots.errors import InvalidRequest
from chatbots.server.asking import check_session_id
from chatbots.server.call import Call, Route
from chatbots.services.conversation import shelf_of
from chatbots.telemetry import new_session_id


class Payload(Struct):
    """Which, what the copy is called (a new name if not said), and its last turn."""

    session_id: str
    to: str | None = None
    upto: Annotated[int, Meta(ge=1)] | None = None


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Copy the turns that have ended, and return the name of the copy and how many it has."""
    to = new_session_id() if payload.to is None else payload.to
    check_session_id(payload.session_id)
    check_session_id(to, "to")
    shelf = shelf_of(call.store)
    try:
        copy = await shelf.fork(payload.session_id, to, upto=payload.upto)
    except InvalidRequest as error:
        error.param = _culprit(error, payload, to)
        raise
    return {"session_id": copy.name, "turns": copy.turns}


def _culprit(error: InvalidRequest, payload: Payload, to: str) -> str:
    if error.param is None:  # There is no turn to copy.
        return "session_id" if payload.upto is None else "upto"
    too_long = error.code == "invalid_request" and len(to) > len(payload.session_id)
    return "to" if too_long or error.code == "session_exists" else "session_id"


ROUTE: Final = Route(Payload, handle, "session_fork_response")
